/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's order of events for a PV guest, in three threads:
 *
 *   caller's thread                 pump                        engine
 *                                                               port up
 *                                                               io_fd <- headers, XF_OFFER
 *   waits                                                       link  <> answer, ready
 *   io_fd's number becomes the pair; from here the guest is touched
 *   stock xc_domain_save()  pair -> reads record by record
 *     precopy_policy: rounds        PAGE_DATA: pages -> buffer  link  <- batches
 *                                   io_fd <- XF_BATCH, others
 *     suspend
 *     to verify: all once more    VERIFY -> io_fd <- XF_COMPARE
 *   returns                      -> END: no more batches        link  <> the last has landed
 *                                   io_fd <- XF_PAGES, END
 *   io_fd's number is itself again                              port down
 *
 * The stock function writes to io_fd's number, and so the helper's answer to SIGTERM (it puts an
 * unwritable file there) stops it as ever; the pump then sees the pair's end. What fails first says
 * why and shuts the pair down: the stock function's next write fails, it puts the guest back in
 * order and returns -1.
 */
#include "tunnel_save.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/plugin/fault_points.h"
#include "transport/source.h"
#include "xl-plugin/plugin/begun.h"
#include "xl-plugin/plugin/fixed.h"
#include "transport/base/idle.h"
#include "xl-plugin/plugin/orders.h"
#include "xl-plugin/plugin/ports.h"
#include "xl-plugin/plugin/readers.h"
#include "xl-plugin/plugin/say.h"
#include "tunnel_save_pump.h"
#include "tunnel_save_rounds.h"
#include "tunnel_save_state.h"

#define LOOK_EVERY_US 20000 /* at io_fd */

/* ---- engine ---------------------------------------------------------------------------------- */

static int open_port(struct xf_pv_save *s)
{
    char err[256] = "";
    uint64_t before = xf_now_us();
    int rc = XF_FAULT(tunnel_save_port_open)
                 ?: s->p->port->open(s->p->port->arg, &s->link, &s->config, err);

    s->report.port_up_us = xf_now_us() - before;
    return rc ? xf_tunnel_save_fail(s, rc, "%s", err[0] ? err : strerror(-rc)) : 0;
}

static int write_offer(struct xf_pv_save *s, uint64_t page_count)
{
    uint8_t offer[XF_OFFER_BYTES];
    int rc = XF_FAULT(tunnel_save_offer_write) ?: xf_offer_new(&s->offer, s->link, page_count);

    if (rc)
        return xf_tunnel_save_fail(s, rc, "cannot make an offer: %s", strerror(-rc));
    s->verify = s->p->verify || s->config.verify;
    /* Xen's own save and restore compare, and only while the guest stands. */
    s->offer.features =
        xf_offer_features(s->verify, s->config.compress) & ~(uint64_t)XF_FEATURE_VERIFY_LIVE;
    xf_offer_encode(&s->offer, offer);
    rc = xf_tunnel_save_write(s, s->headers, sizeof(s->headers));
    if (!rc)
        rc = xf_tunnel_save_write_record(s, XF_REC_OFFER, offer, sizeof(offer));
    explicit_bzero(offer, sizeof(offer));
    return rc;
}

struct engine {
    struct xf_pv_save *s;
    struct xf_source *source;
    struct xf_control control;
};

/* The bandwidth is the session's; all of it, even that, concerns the rounds of the guest. */
static int steer(void *arg, const struct xf_steer *to)
{
    struct engine *e = arg;
    struct xf_pv_save *s = e->s;
    int rc = 0;

    pthread_mutex_lock(&s->lock);
    if (s->stopping && to->what & ~(uint32_t)XF_STEER_BANDWIDTH)
        rc = -EALREADY;
    else
        xf_steer_add(&s->steer, to);
    if (!rc && to->what & XF_STEER_NOW)
        s->give_up_us = 0;
    pthread_mutex_unlock(&s->lock);
    return rc ?: xf_source_steer(e->source, to);
}

/* The deadline, for a guest that is to stay then. */
static void check_deadline(struct xf_pv_save *s, uint64_t now_us)
{
    char why[XF_BUSY_BYTES];

    pthread_mutex_lock(&s->lock);
    const bool late = s->give_up_us && now_us >= s->give_up_us && !s->stopping;
    pthread_mutex_unlock(&s->lock);
    if (!late)
        return;
    xf_policy_say_late(why);
    xf_tunnel_save_fail(s, -EBUSY, "%s", why);
}

static int step_until_done(struct engine *e)
{
    struct xf_pv_save *s = e->s;
    struct xf_source *source = e->source;
    struct xf_idle idle = {0};
    uint64_t looked = 0;
    int rc;

    do {
        uint64_t now = xf_now_us();

        if (now - looked >= LOOK_EVERY_US) {
            struct pollfd io = {.fd = s->real};

            looked = now;
            if (poll(&io, 1, 0) > 0 && io.revents & (POLLERR | POLLHUP | POLLNVAL))
                xf_tunnel_save_fail(
                    s, -EPIPE, "the target's xl has closed the connection (see its reason above)");
            xf_orders_look(&e->control, &s->report, steer, e);
            check_deadline(s, now);
            if (xf_tunnel_source_failed(s->tunnel)) {
                xf_source_abort(source, s->error);
                return -ECANCELED;
            }
        }
        rc = xf_source_step(source, now);
        if (!xf_source_idle(source))
            xf_idle_busy(&idle);
        else if (!rc)
            xf_idle_wait(&idle, now, xf_source_stats(source)->live_us);
    } while (!rc);
    return rc == XF_SESSION_DONE ? 0 : xf_tunnel_save_fail(s, rc, "%s", xf_source_error(source));
}

static int run_session(struct xf_pv_save *s)
{
    struct xf_guest_source guest = xf_tunnel_source_guest(s->tunnel);
    struct xf_source_config config;
    struct xf_plan_batches batches;
    struct engine e = {.s = s};
    struct xf_begun begun;
    int rc = open_port(s);

    if (!rc)
        rc = write_offer(s, guest.page_count);
    if (rc)
        return rc;
    xf_plan_batches_init(&batches);
    xf_source_config_init(&config);
    config.offer = s->offer;
    config.plan = &batches.plan;
    config.answer_timeout_us = config.ready_timeout_us =
        (uint64_t)s->config.connect_timeout_s * 1000000;
    config.bandwidth_bytes_per_s = s->config.bandwidth_bytes_per_s;
    config.compress = s->config.compress;
    xf_begun_ask(&begun, &config);
    config.threads = xf_ports_threads();
    config.progress = xf_tunnel_progress;
    config.progress_arg = &s->report;
    rc = xf_source_new(&e.source, &config, &guest, s->link, xf_now_us());
    xf_offer_wipe(&config.offer);
    xf_offer_wipe_secret(&s->offer);
    if (rc)
        return xf_tunnel_save_fail(s, rc, "cannot begin: %s", strerror(-rc));
    xf_tunnel_source_watch(s->tunnel, xf_source_stats(e.source));
    xf_orders_open(&e.control);
    rc = step_until_done(&e);
    xf_control_close(&e.control);
    xf_begun_excuse(&begun, s->report.connected, rc);
    s->stats = *xf_source_stats(e.source);
    if (!rc)
        xf_tunnel_source_done(s->tunnel);
    xf_source_free(e.source);
    return rc;
}

static void *engine_main(void *arg)
{
    struct xf_pv_save *s = arg;

    run_session(s);
    xf_report_port(&s->report, s->link);
    s->report.port_down_us = xf_tunnel_close(s->p->port, s->link);
    pthread_mutex_lock(&s->lock);
    while (!s->over)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    s->stats.suspend_us = s->suspend_us;
    s->stats.predicted_us = s->predicted_us;
    s->stats.throttle_pct = s->brake.least_pct;
    s->stats.suspended_us = s->suspended_us;
    return NULL;
}

/* ---- the caller's thread --------------------------------------------------------------------- */

static int wait_started(struct xf_pv_save *s)
{
    int rc;

    do {
        rc = xf_tunnel_source_wait_started(s->tunnel, XF_TUNNEL_LOOK_MS);
        if (rc == -EAGAIN && xf_tunnel_save_cancelled(s))
            return xf_tunnel_save_fail(s, -ECANCELED, "cancelled by the toolstack");
    } while (rc == -EAGAIN);
    return rc;
}

/* From here on the guest is touched. While this file is there, `xl migrate --fast=auto` may start
   again by plain xl migrate. */
static int touch(struct xf_pv_save *s)
{
    const char *untouched = getenv("XL_FAST_UNTOUCHED");

    if (untouched && *untouched && unlink(untouched) && errno != ENOENT)
        return xf_tunnel_save_fail(s, -errno, "%s: %s", untouched, strerror(errno));
    pid_t other = xf_reader_find("/proc", s->p->domid);

    if (other < 0)
        return xf_tunnel_save_fail(s, other, "cannot tell who else saves the guest: %s",
                                   strerror(-other));
    if (other)
        return xf_tunnel_save_fail(s, -EBUSY,
                                   "another save or migration of the guest is under way (process "
                                   "%d): wait until it is over, and try again",
                                   (int)other);
    return 0;
}

/* Puts `fd` in the place of io_fd, unless the helper's handler was there before. */
static int replace_io_fd(struct xf_pv_save *s, int fd)
{
    sigset_t term, before;
    int rc = 0;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, &before);
    if (xf_tunnel_save_cancelled(s))
        rc = -ECANCELED;
    else if (dup2(fd, s->p->io_fd) < 0 || fstat(fd, &s->io_stat))
        rc = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int divert(struct xf_pv_save *s)
{
    int rc = XF_FAULT(tunnel_save_divert) ?: xf_tunnel_pair(s->pair);

    if (rc)
        return xf_tunnel_save_fail(s, rc, "socketpair: %s", strerror(-rc));
    pthread_mutex_lock(&s->lock);
    s->shut_fd = s->pair[0];
    pthread_mutex_unlock(&s->lock);
    rc = replace_io_fd(s, s->pair[1]);
    if (rc)
        return xf_tunnel_save_fail(s, rc, "cancelled by the toolstack");
    /* io_fd's number is now the only one: when it goes, the pump sees the end. */
    close(s->pair[1]);
    s->pair[1] = -1;
    return 0;
}

static int run_stock(struct xf_pv_save *s)
{
    struct save_callbacks wrapped;
    pthread_t pump_thread;
    void *result;

    xf_tunnel_save_wrap(s, &wrapped);
    int rc = xf_tunnel_thread(&pump_thread, xf_tunnel_save_pump, s);
    if (rc)
        return xf_tunnel_save_fail(s, rc, "cannot start a thread: %s", strerror(-rc));
    if (s->p->stock(s->p->arg, s->p->io_fd, s->verify, &wrapped))
        rc = xf_tunnel_save_stock_failed(s);
    pthread_join(pump_thread, &result);
    return rc ? rc : (int)(intptr_t)result;
}

static void say_result(struct xf_pv_save *s)
{
    struct xf_tunnel_counts counts;

    if (s->ok && !xf_tunnel_source_wait_done(s->tunnel, &counts)) {
        s->stats.pages_total = counts.pages;
        s->stats.pages_verified = s->verified;
        xf_tunnel_save_say_round(s, " (guest suspended)", &counts,
                                 s->stats.done_us - s->suspend_us);
        /* If nothing was left to send, there is nothing to say of it, but it is over. */
        xf_events_round_end(&s->report.events, 0, s->stats.done_us - s->suspend_us);
    }
    xf_report_result(&s->report, s->ok, s->error, &s->stats);
}

static void set_deadline(struct xf_pv_save *s)
{
    if (!s->config.deadline_s)
        return;
    s->plan.policy.until_us = s->report.start_us + s->config.deadline_s * UINT64_C(1000000);
    pthread_mutex_lock(&s->lock);
    if (s->config.on_busy == XF_ON_BUSY_ABORT && !(s->steer.what & XF_STEER_NOW))
        s->give_up_us = s->plan.policy.until_us;
    pthread_mutex_unlock(&s->lock);
}

static int save(struct xf_pv_save *s)
{
    pthread_t engine;
    bool diverted = false;

    int rc = xf_tunnel_thread(&engine, engine_main, s);
    if (rc)
        return xf_tunnel_save_fail(s, rc, "cannot start a thread: %s", strerror(-rc));
    rc = wait_started(s);
    if (!rc)
        rc = touch(s);
    if (!rc)
        rc = divert(s);
    diverted = !rc;
    if (!rc && xf_tunnel_source_failed(s->tunnel))
        rc = -ECANCELED;
    s->plan.policy.max_downtime_us = s->config.max_downtime_us;
    s->plan.policy.fixed_us = xf_fixed_say(s->config.max_downtime_us, s->report.events.fixed_us);
    s->plan.policy.on_busy = s->config.on_busy;
    s->plan.policy.throttle = s->config.throttle;
    set_deadline(s);
    if (!rc)
        rc = run_stock(s);
    xf_brake_release(&s->brake);
    if (diverted)
        replace_io_fd(s, s->real);
    pthread_mutex_lock(&s->lock);
    if (rc && s->failed)
        rc = s->failed;
    s->over = true;
    s->ok = !rc;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(engine, NULL);
    say_result(s);
    return rc;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

int xf_tunnel_save_run(const struct xf_tunnel_save *params)
{
    struct xf_policy policy;
    struct xf_pv_save s = {
        .p = params,
        .real = -1,
        .pair = {-1, -1},
        .mark_fd = -1,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .shut_fd = -1,
    };
    int rc;

    xf_report_start(&s.report, "source", params->domid);
    s.report.events.rounds_by_hand = true;
    xf_policy_init(&policy);
    xf_plan_live_init(&s.plan, &policy, false); /* Xen's own save verifies */
    xf_brake_init(&s.brake, params->throttle, params->arg);
    xf_stream_make_headers(s.headers, XF_STREAM_PV, params->xen_major, params->xen_minor);
    rc = xf_tunnel_source_new(&s.tunnel, XF_TUNNEL_HALF_PAGES);
    if (rc)
        goto out;
    s.real = fcntl(params->io_fd, F_DUPFD_CLOEXEC, 3);
    s.mark_fd = eventfd(0, EFD_CLOEXEC);
    if (s.real < 0 || s.mark_fd < 0 || fstat(s.real, &s.io_stat)) {
        rc = xf_tunnel_save_fail(&s, -errno, "cannot prepare the stream: %s", strerror(errno));
        goto out;
    }
    rc = save(&s);
out:
    if (rc && !s.ended)
        xf_say("source: domain %u was not moved: it stays here", params->domid);
    xf_offer_wipe(&s.offer);
    close_fd(s.pair[0]);
    close_fd(s.pair[1]);
    close_fd(s.mark_fd);
    close_fd(s.real);
    xf_tunnel_source_free(s.tunnel);
    return rc;
}
