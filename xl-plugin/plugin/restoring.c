/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restoring: brings the target's port up, steps its session, and reads what the source says of it.
 */
#include "restoring.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/base/idle.h"
#include "xl-plugin/plugin/fault_points.h"
#include "ports.h"
#include "say.h"

#define LOOK_EVERY_US 20000 /* at the source's stream and at what it watches */
/* The source is silent while libxl suspends the guest, which libxl gives a minute. If the source
   itself is gone, its stream says so at once. */
#define SILENCE_US 90000000
#define GOODBYE_US 60000000 /* last page here -> XF_PAGES, and the other way round */
#define DYING_MS   100      /* between the end of what a process has open and its own */

int xf_restoring_fail(struct xf_restoring *a, int rc, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&a->lock);
    if (!a->error[0]) {
        va_start(args, format);
        vsnprintf(a->error, sizeof(a->error), format, args);
        va_end(args);
        xf_say("target: %s", a->error);
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}

int xf_restoring_stream_failed(struct xf_restoring *a, int rc)
{
    if (rc == -EPIPE)
        return xf_restoring_fail(a, rc, "the source has given up");
    if (rc == -ECANCELED)
        return xf_restoring_fail(a, rc, "%s", a->given_up);
    return xf_restoring_fail(a, rc, "reading from the source's xl: %s", strerror(-rc));
}

bool xf_restoring_given_up(const struct xf_restoring *a, int wait_ms)
{
    struct pollfd pfd = {.fd = a->in.watch_fd, .events = a->in.process ? POLLIN : POLLRDHUP};

    return poll(&pfd, 1, wait_ms) > 0 && pfd.revents;
}

int xf_restoring_read_offer(struct xf_restoring *a, bool early)
{
    char why[XF_STREAM_ERR_BYTES];
    /* A copy is handed over late. */
    int rc = xf_stream_read_offer(&a->in, XF_STREAM_HVM, early, a->headers, &a->offer,
                                  early ? NULL : &a->member, why);

    if (rc && !why[0])
        return xf_restoring_stream_failed(a, rc);
    if (rc)
        return xf_restoring_fail(a, rc, "%s", why);
    rc = XF_FAULT(restore_offer_read);
    return rc ? xf_restoring_stream_failed(a, rc) : 0;
}

int xf_restoring_open_port(struct xf_restoring *a)
{
    char err[256];
    uint64_t before = xf_now_us();
    int rc = xf_config_load(&a->config, NULL, err);

    if (!rc)
        rc = XF_FAULT(restore_port_open) ?: xf_ports_open(&a->link, &a->config, err);
    if (rc)
        return xf_restoring_fail(a, rc, "%s", err[0] ? err : strerror(-rc));
    a->report.port_up_us = xf_now_us() - before;
    return 0;
}

/* Where the source sends to all targets at once. */
static int join_group(struct xf_restoring *a)
{
    char said[XF_LINK_SAID_BYTES] = "";
    int rc = a->member.group.ipv4 ? xf_link_join(a->link, &a->member.group, said) : 0;

    return rc ? xf_restoring_fail(a, rc, "port %s: %s", a->config.port, said) : 0;
}

int xf_restoring_begin(struct xf_restoring *a, const uint64_t *gfns, unsigned n)
{
    struct xf_target_config tc;
    struct xf_guest_sink sink;
    int rc = xf_xen_sink_new(&a->sink, a->domid, a->offer.page_count);

    if (rc)
        return xf_restoring_fail(a, rc, "cannot reach Xen: %s", strerror(-rc));
    rc = join_group(a);
    if (rc)
        return rc;
    xf_xen_sink_keep_out(a->sink, gfns, n);
    sink = xf_xen_sink_guest(a->sink);
    xf_target_config_init(&tc);
    tc.offer = a->offer;
    tc.member = a->member;
    tc.hello_timeout_us = (uint64_t)a->config.connect_timeout_s * 1000000;
    tc.peer_timeout_us = SILENCE_US;
    tc.threads = xf_ports_threads();
    tc.progress = xf_report_progress;
    tc.progress_arg = &a->report;
    rc = xf_target_new(&a->target, &tc, &sink, a->link, xf_now_us());
    xf_offer_wipe(&tc.offer);
    xf_offer_wipe_secret(&a->offer);
    xf_member_wipe(&tc.member);
    explicit_bzero(a->member.secret, sizeof(a->member.secret));
    if (rc)
        return xf_restoring_fail(a, rc, "the source's offer does not fit this port: %s",
                                 strerror(-rc));
    return 0;
}

int xf_restoring_forward(struct xf_restoring *a, enum xf_stream_part part, uint32_t last, int out)
{
    struct xf_record rec;
    char why[XF_STREAM_ERR_BYTES];

    do {
        int rc = xf_stream_read_record(&a->in, &rec);

        if (rc)
            return xf_restoring_stream_failed(a, rc);
        rc = xf_stream_allow(part, &rec, why);
        if (rc)
            return xf_restoring_fail(a, rc, "the source's stream: %s", why);
        rc = xf_stream_forward(&a->in, &rec, out);
        if ((rc == -EPIPE && xf_restoring_given_up(a, a->in.process ? DYING_MS : 0)) ||
            rc == -ECONNRESET)
            rc = -ECANCELED;
        if (rc)
            return xf_restoring_stream_failed(a, rc);
    } while (rec.type != last);
    return 0;
}

int xf_restoring_take_record(struct xf_restoring *a, uint32_t type, uint32_t max, void **body,
                             uint32_t *length)
{
    struct xf_record rec;
    int rc = xf_stream_read_record(&a->in, &rec);

    *body = NULL;
    if (rc)
        return xf_restoring_stream_failed(a, rc);
    if (rec.type != type || rec.length > max)
        return xf_restoring_fail(
            a, -EBADMSG,
            "the source's stream: record %#x of %u bytes where %#x is due, of at most %u", rec.type,
            rec.length, type, max);
    *body = malloc(rec.length + !rec.length);
    if (!*body)
        return xf_restoring_fail(a, -ENOMEM, "%s", strerror(ENOMEM));
    rc = xf_stream_read_body(&a->in, &rec, *body, rec.length);
    if (rc) {
        free(*body);
        *body = NULL;
        return xf_restoring_stream_failed(a, rc);
    }
    *length = rec.length;
    return 0;
}

int xf_restoring_take_pages(struct xf_restoring *a)
{
    const struct xf_stats *stats = xf_target_stats(a->target);
    struct xf_pages_record pages;
    struct xf_record rec;
    uint8_t body[XF_PAGES_BYTES];
    int rc = XF_FAULT(restore_pages_read) ?: xf_stream_read_record(&a->in, &rec);

    if (rc)
        return xf_restoring_stream_failed(a, rc);
    if (rec.type != XF_REC_PAGES || rec.length != XF_PAGES_BYTES)
        return xf_restoring_fail(a, -EBADMSG,
                                 "the source's stream: record %#x of %u bytes where the end of the "
                                 "memory is due",
                                 rec.type, rec.length);
    rc = xf_stream_read_body(&a->in, &rec, body, sizeof(body));
    if (rc)
        return xf_restoring_stream_failed(a, rc);
    xf_pages_decode(&pages, body);
    if (memcmp(pages.session_id, a->offer.session_id, sizeof(pages.session_id)) || pages.reserved)
        return xf_restoring_fail(a, -EBADMSG,
                                 "the source's stream: the end of another session's memory");
    if (pages.rounds != stats->rounds || pages.pages_total != stats->pages_total)
        return xf_restoring_fail(
            a, -EBADMSG,
            "the source counts %u rounds, %llu pages in the first; here are %u and "
            "%llu",
            pages.rounds, (unsigned long long)pages.pages_total, stats->rounds,
            (unsigned long long)stats->pages_total);
    return 0;
}

static int give_up(struct xf_restoring *a, uint64_t now)
{
    xf_target_abort(a->target, a->given_up);
    xf_target_step(a->target, now);
    return xf_restoring_stream_failed(a, -ECANCELED);
}

static int step_to_pages(struct xf_restoring *a, int (*ready)(void *arg), void *arg)
{
    struct xf_idle idle = {0};
    uint64_t looked = 0, done_at = 0;
    int may_come = 0;

    for (;;) {
        uint64_t now = xf_now_us();
        int rc = xf_target_step(a->target, now);

        if (rc < 0)
            return xf_restoring_fail(a, rc, "%s", xf_target_error(a->target));
        if (rc == XF_SESSION_DONE && !done_at)
            done_at = now;
        if (!may_come) {
            may_come = ready(arg);
            if (may_come < 0)
                return may_come;
            if (may_come)
                xf_target_ready(a->target);
        }
        /* Once all is here, each moment of waiting for XF_PAGES is downtime. */
        if (done_at || now - looked >= LOOK_EVERY_US) {
            struct pollfd io = {.fd = a->in.fd, .events = POLLIN};

            looked = now;
            if (xf_restoring_given_up(a, 0))
                return give_up(a, now);
            /* The source writes nothing before it knows that all is here, and we knew it first:
               before done_at, this is its end, or no stream of ours. */
            if (poll(&io, 1, 0) > 0 && io.revents)
                return xf_restoring_take_pages(a);
            if (done_at && now - done_at > GOODBYE_US)
                return xf_restoring_fail(a, -ETIMEDOUT,
                                         "all memory is here, but the source does not continue");
        }
        if (xf_target_idle(a->target))
            xf_idle_wait(&idle, now, may_come);
        else
            xf_idle_busy(&idle);
    }
}

int xf_restoring_take_memory(struct xf_restoring *a, int (*ready)(void *arg), void *arg)
{
    int rc = step_to_pages(a, ready, arg);

    if (!rc && xf_target_step(a->target, xf_now_us()) != XF_SESSION_DONE)
        rc = xf_restoring_fail(a, -EPROTO,
                               "the source says that all memory is sent, but some is missing here");
    return rc;
}

void xf_restoring_end(struct xf_restoring *a, bool complete)
{
    if (a->target) {
        a->stats = *xf_target_stats(a->target);
        /* That a page is mapped here does not keep a guest from running, as its device model shows,
           but unmapping them all keeps it waiting. */
        if (complete)
            xf_xen_sink_complete(a->sink);
        xf_target_free(a->target);
        a->target = NULL;
    }
    xf_xen_sink_free(a->sink);
    a->sink = NULL;
    xf_report_port(&a->report, a->link);
}
