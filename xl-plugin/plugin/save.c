/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's order of events. io_fd is the pipe to ssh, which leads to the target's helper:
 *
 *   port up                                    nothing of the guest is touched yet
 *   io_fd  <- headers, XF_OFFER, static data   and the target brings its port up
 *             (XF_EARLY: and attaches the guest's devices, if the hand-over is early)
 *             (several.h: and where there are several targets, they are told apart)
 *   link   <> answer, ready, rounds            log-dirty, map, send; suspend; the last round
 *   io_fd  <- XF_PAGES, context, END           only if the target has counted every page
 *   log-dirty off, port down                   always
 *
 * Nothing comes back on io_fd, ever; that its other end is gone is all that it can tell us.
 */
#include "save.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/base/clock.h"
#include "xl-plugin/plugin/fault_points.h"
#include "transport/plan_live.h"
#include "transport/source.h"
#include "begun.h"
#include "config.h"
#include "disks_gate.h"
#include "ended.h"
#include "fixed.h"
#include "guest_source.h"
#include "orders.h"
#include "transport/base/idle.h"
#include "ports.h"
#include "records.h"
#include "report.h"
#include "say.h"
#include "several.h"
#include "stream.h"

#define LOOK_EVERY_US  20000 /* at io_fd */
#define BEGIN_US       30000000
#define ENDED_EVERY_US 500000 /* at the guest */
/* libxl gives each of the scripts that attach a device 40 s (LIBXL_HOTPLUG_TIMEOUT), one after the
   other. If its xl dies, the pump ends, and nothing waits so long. */
#define EARLY_READY_US 600000000

struct save {
    xc_interface *xch;
    int io_fd;
    struct stat io_stat; /* to see that it was replaced */
    uint32_t domid;
    struct xf_config config;
    struct xf_report report;
    struct xf_link *link;
    struct xf_several *several; /* NULL: there is one target */
    bool stands;                /* the guest, as they know */
    struct xf_xen_source *guest;
    struct xf_offer offer;
    struct xf_source *source;
    struct xf_control control;
    bool early;            /* the hand-over (special.h) */
    struct xf_stats stats; /* its last */
    char error[256];
};

static int bring_port_up(struct save *s)
{
    char err[256];
    uint64_t before = xf_now_us();
    int rc = xf_config_load(&s->config, NULL, err);

    if (!rc)
        rc = XF_FAULT(save_port_open) ?: xf_ports_open(&s->link, &s->config, err);
    if (rc)
        xf_say("source: %s", err[0] ? err : strerror(-rc));
    s->report.port_up_us = xf_now_us() - before;
    return rc;
}

/* No word says which of several targets has begun to receive (begun.h), so all have the time for
 * it.
 */
static uint64_t several_us(const struct save *s)
{
    return s->config.connect_timeout_s * UINT64_C(1000000) + BEGIN_US;
}

static int write_head(struct save *s, uint64_t page_count, bool verify)
{
    uint8_t headers[XF_HEADERS_BYTES], offer[XF_OFFER_BYTES];
    int version = xc_version(s->xch, XENVER_version, NULL);
    int rc;

    if (version < 0)
        return -errno;
    rc = xf_offer_new(&s->offer, s->link, page_count);
    if (rc)
        return rc;
    s->offer.features =
        xf_offer_features(verify, s->config.compress) | (s->early ? XF_FEATURE_EARLY : 0);
    rc = xf_several_new(&s->several, s->link, &s->offer, several_us(s));
    if (rc)
        return rc;
    xf_stream_make_headers(headers, XF_STREAM_HVM, (uint32_t)version >> 16,
                           (uint32_t)version & 0xffff);
    xf_offer_encode(&s->offer, offer);
    rc = XF_FAULT(save_offer_write) ?: xf_stream_write(s->io_fd, headers, sizeof(headers));
    rc = rc ?: xf_stream_write_record(s->io_fd, XF_REC_OFFER, offer, sizeof(offer));
    explicit_bzero(offer, sizeof(offer));
    rc = rc ?: XF_FAULT(save_static_write);
    if (rc) {
        xf_say("source: cannot write to the target's xl: %s", strerror(-rc));
        return rc;
    }
    rc = s->several ? xf_several_write(s->several, s->io_fd) : 0;
    if (rc)
        return rc;
    rc = xf_records_write_static(s->xch, s->io_fd, s->domid);
    return rc || !s->early ? rc : xf_records_write_early(s->xch, s->io_fd, s->domid);
}

/* Why to stop, or NULL. */
static const char *look_at_control(const struct save *s)
{
    struct pollfd pfd = {.fd = s->io_fd};
    struct stat now;

    /* libxl's way to cancel: SIGTERM, whose handler in the helper puts /dev/null in place of io_fd.
     */
    if (fstat(s->io_fd, &now) || now.st_dev != s->io_stat.st_dev || now.st_ino != s->io_stat.st_ino)
        return "cancelled by the toolstack";
    if (poll(&pfd, 1, 0) > 0 && pfd.revents & (POLLERR | POLLHUP | POLLNVAL))
        return "the target's xl has closed the connection (see its reason above)";
    return NULL;
}

static int steer(void *arg, const struct xf_steer *to)
{
    struct save *s = arg;

    return xf_source_steer(s->source, to);
}

static void on_progress(void *arg, const struct xf_progress *progress)
{
    struct save *s = arg;

    xf_report_progress(&s->report, progress);
    if (s->several && progress->stats->suspend_us && !s->stands) {
        s->stands = true;
        xf_several_stand(s->several);
    }
}

static bool on_disks_lost(void *arg, const char *host, const char *why)
{
    struct save *s = arg;

    return s->several && xf_several_drop(s->several, host, why);
}

static int move_memory(struct save *s)
{
    struct xf_idle idle = {0};
    uint64_t looked = 0, asked = 0;
    char ended[XF_ENDED_BYTES];
    int rc;

    do {
        uint64_t now = xf_now_us();
        const char *stop = NULL;

        if (now - looked >= LOOK_EVERY_US) {
            looked = now;
            stop = look_at_control(s);
            if (!stop && s->several && xf_several_tell(s->several, s->io_fd))
                stop = "the targets cannot be told who was dropped";
            xf_orders_look(&s->control, &s->report, steer, s);
        }
        /* A round of a guest that is no more could go on for long. */
        if (!stop && now - asked >= ENDED_EVERY_US) {
            asked = now;
            stop = xf_ended(s->xch, s->domid, ended) ? ended : NULL;
        }
        if (stop) {
            xf_source_abort(s->source, stop);
            xf_source_step(s->source, now);
            xf_say("source: %s", stop);
            return -ECANCELED;
        }
        rc = xf_source_step(s->source, now);
        if (!xf_source_idle(s->source))
            xf_idle_busy(&idle);
        else if (!rc)
            xf_idle_wait(&idle, now, xf_source_stats(s->source)->live_us);
    } while (!rc);

    if (rc == XF_SESSION_DONE)
        return 0;
    xf_say("source: %s", xf_source_error(s->source));
    return rc;
}

/* Whoever is dropped by now must not get the rest. */
static int tell_dropped(struct save *s)
{
    return s->several ? xf_several_tell(s->several, s->io_fd) : 0;
}

static int write_rest(struct save *s)
{
    struct xf_pages_record rec = {.pages_total = s->stats.pages_total, .rounds = s->stats.rounds};
    uint8_t body[XF_PAGES_BYTES];

    memcpy(rec.session_id, s->offer.session_id, sizeof(rec.session_id));
    xf_pages_encode(&rec, body);
    int rc = XF_FAULT(save_pages_write)
                 ?: xf_stream_write_record(s->io_fd, XF_REC_PAGES, body, sizeof(body));
    rc = rc ?: XF_FAULT(save_tail_write);
    if (rc) {
        xf_say("source: cannot write to the target's xl: %s", strerror(-rc));
        return rc;
    }
    return xf_records_write_tail(s->xch, s->io_fd, s->domid) ?: XF_FAULT(save_end_written);
}

/* Whatever call it was that failed. */
static bool say_ended(struct save *s)
{
    char text[XF_ENDED_BYTES];

    if (!xf_ended(s->xch, s->domid, text))
        return false;
    if (strcmp(s->error, text) != 0)
        xf_say("source: %s", text);
    snprintf(s->error, sizeof(s->error), "%s", text);
    return true;
}

/* The session, and then its port begins to close. */
static void end_session(struct save *s)
{
    if (s->source) {
        s->stats = *xf_source_stats(s->source);
        snprintf(s->error, sizeof(s->error), "%s", xf_source_error(s->source));
        xf_source_free(s->source);
        s->source = NULL;
    }
    xf_several_free(s->several);
    s->several = NULL;
    if (s->link) {
        xf_report_port(&s->report, s->link);
        xf_ports_close_begin(s->link);
        s->link = NULL;
    }
}

int xf_save_run(xc_interface *xch, int io_fd, uint32_t domid, bool verify,
                struct save_callbacks *callbacks)
{
    struct save s = {.xch = xch, .io_fd = io_fd, .domid = domid};
    struct xf_source_config config;
    struct xf_policy policy;
    struct xf_plan_live plan;
    struct xf_begun begun;
    const char *hand_over = getenv("XL_FAST_HAND_OVER");
    bool ended;
    int rc;

    s.early = hand_over && !strcmp(hand_over, "early");
    xf_report_start(&s.report, "source", domid);
    if (fstat(io_fd, &s.io_stat)) {
        rc = -errno;
        goto out;
    }
    rc = bring_port_up(&s);
    if (rc)
        goto out;
    verify = verify || s.config.verify;
    rc = xf_xen_source_new(&s.guest, xch, domid, callbacks, s.early);
    if (rc)
        goto out;
    struct xf_guest_source guest = xf_xen_source_guest(s.guest);
    rc = write_head(&s, guest.page_count, verify);
    if (rc)
        goto out;

    xf_source_config_init(&config);
    config.offer = s.offer;
    xf_policy_init(&policy);
    policy.max_downtime_us = s.config.max_downtime_us;
    policy.fixed_us = xf_fixed_say(s.config.max_downtime_us, s.report.events.fixed_us);
    policy.on_busy = s.config.on_busy;
    policy.throttle = s.config.throttle;
    policy.until_us =
        s.config.deadline_s ? s.report.start_us + s.config.deadline_s * UINT64_C(1000000) : 0;
    xf_plan_live_init(&plan, &policy, verify);
    config.plan = &plan.plan;
    config.answer_timeout_us = config.ready_timeout_us =
        (uint64_t)s.config.connect_timeout_s * 1000000;
    if (s.early && config.ready_timeout_us < EARLY_READY_US)
        config.ready_timeout_us = EARLY_READY_US;
    config.bandwidth_bytes_per_s = s.config.bandwidth_bytes_per_s;
    config.compress = s.config.compress;
    if (s.several)
        config.answer_timeout_us = config.ready_timeout_us = several_us(&s) + BEGIN_US;
    else
        xf_begun_ask(&begun, &config);
    config.threads = xf_ports_threads();
    config.progress = on_progress;
    config.progress_arg = &s;
    rc = xf_source_new(&s.source, &config, &guest, s.several ? xf_several_link(s.several) : s.link,
                       xf_now_us());
    xf_offer_wipe(&config.offer);
    xf_offer_wipe_secret(&s.offer);
    if (rc)
        goto out;
    xf_disks_gate_on_lost(on_disks_lost, &s);
    xf_orders_open(&s.control);
    rc = move_memory(&s);
    xf_control_close(&s.control);
    if (!s.several)
        xf_begun_excuse(&begun, s.report.connected, rc);
    rc = rc ?: tell_dropped(&s);
    if (!rc) {
        end_session(&s);
        rc = write_rest(&s);
    }
out:
    end_session(&s);
    ended = rc && say_ended(&s);
    xf_xen_source_free(s.guest);
    s.report.port_down_us = xf_ports_close_end();
    xf_report_result(&s.report, !rc, s.error, &s.stats);
    xf_offer_wipe(&s.offer);
    if (rc && !ended)
        xf_say("source: domain %u was not moved: it stays here", domid);
    return rc;
}
