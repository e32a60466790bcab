/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The target's order of events. Two threads, because the stock function has no place for us inside:
 *
 *   caller's thread                          worker
 *   reads headers and XF_OFFER               port up; waits for the offer
 *   stock xc_domain_restore(pair)   <- pair  headers, static data, STATIC_DATA_END
 *     static_data_done(): libxl has
 *     set max_pages and paging pool -> done  target ready: memory lands, populated as it comes
 *     (blocked: reads pair)                  io_fd: XF_PAGES; its counts are ours
 *                                   <- pair  TSC, context, parameters, END
 *   returns; joins the worker                port down
 *
 * Only the worker reads io_fd after the offer, and nothing beyond END. If the worker fails it shuts
 * the pair down and the stock function returns -1; if the stock function returns first, the worker
 * sees the pair's end. HVM_PARAMS must not pass before the pages have landed: the stock function
 * then clears pages among them.
 */
#include "restore.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/plugin/fault_points.h"
#include "transport/target.h"
#include "config.h"
#include "guest_sink.h"
#include "transport/base/idle.h"
#include "ports.h"
#include "report.h"
#include "say.h"
#include "stream.h"

#define LOOK_EVERY_US  20000 /* at io_fd and the pair */
#define STREAM_WAIT_MS 60000 /* for the next bytes of what the source writes in one go */
/* The source is silent while libxl suspends the guest, which libxl gives a minute. If the source
   itself is gone, io_fd says so at once. */
#define SILENCE_US 90000000
#define GOODBYE_US 60000000 /* last page here -> XF_PAGES, and the other way round */

struct restore {
    int io_fd;
    int pair[2]; /* [0] ours, [1] the stock function's */
    uint32_t domid;
    uint8_t headers[XF_HEADERS_BYTES];
    struct xf_offer offer;
    struct xf_report report;
    struct xf_link *link;
    struct xf_xen_sink *sink;
    struct xf_target *target;
    struct restore_callbacks *callbacks; /* the caller's */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    char error[256]; /* the first reason */
    enum { OFFER_COMING, OFFER_HERE, OFFER_FAILED } got;
    enum { PORT_COMING, PORT_UP, PORT_FAILED } port;

    atomic_bool static_done; /* the domain can take memory */
};

/* ---- worker ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int fail(struct restore *r, int rc, const char *format,
                                                      ...)
{
    va_list args;

    pthread_mutex_lock(&r->lock);
    if (!r->error[0]) {
        va_start(args, format);
        vsnprintf(r->error, sizeof(r->error), format, args);
        va_end(args);
        xf_say("target: %s", r->error);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int stream_failed(struct restore *r, int rc)
{
    if (rc == -EPIPE)
        return fail(r, rc, "the source has given up");
    if (rc == -ECANCELED)
        return fail(r, rc, "Xen's own restore has given up");
    return fail(r, rc, "reading from the source's xl: %s", strerror(-rc));
}

static int bring_port_up(struct restore *r, struct xf_config *config)
{
    char err[256];
    uint64_t before = xf_now_us();
    int rc = xf_config_load(config, NULL, err);

    if (!rc)
        rc = XF_FAULT(restore_port_open) ?: xf_ports_open(&r->link, config, err);
    if (rc)
        return fail(r, rc, "%s", err[0] ? err : strerror(-rc));
    r->report.port_up_us = xf_now_us() - before;
    return 0;
}

static bool wait_for_offer(struct restore *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->got == OFFER_COMING)
        pthread_cond_wait(&r->changed, &r->lock);
    bool here = r->got == OFFER_HERE;
    pthread_mutex_unlock(&r->lock);
    return here;
}

static int begin_session(struct restore *r, const struct xf_config *config)
{
    struct xf_target_config tc;
    struct xf_guest_sink sink;
    int rc = xf_xen_sink_new(&r->sink, r->domid, r->offer.page_count);
    if (rc)
        return fail(r, rc, "cannot reach Xen: %s", strerror(-rc));
    sink = xf_xen_sink_guest(r->sink);
    xf_target_config_init(&tc);
    tc.offer = r->offer;
    tc.hello_timeout_us = (uint64_t)config->connect_timeout_s * 1000000;
    tc.peer_timeout_us = SILENCE_US;
    tc.threads = xf_ports_threads();
    tc.progress = xf_report_progress;
    tc.progress_arg = &r->report;
    rc = xf_target_new(&r->target, &tc, &sink, r->link, xf_now_us());
    xf_offer_wipe(&tc.offer);
    xf_offer_wipe_secret(&r->offer);
    if (rc)
        return fail(r, rc, "the source's offer does not fit this port: %s", strerror(-rc));
    return 0;
}

/* True if the stock function has returned: the pair's other end is gone. */
static bool stock_gone(const struct restore *r)
{
    struct pollfd pfd = {.fd = r->pair[0], .events = POLLRDHUP};

    return poll(&pfd, 1, 0) > 0 && pfd.revents;
}

static int forward_until(struct restore *r, enum xf_stream_part part, uint32_t last)
{
    struct xf_stream s = {.fd = r->io_fd, .watch_fd = r->pair[0], .timeout_ms = STREAM_WAIT_MS};
    struct xf_record rec;
    char why[XF_STREAM_ERR_BYTES];

    do {
        int rc = xf_stream_read_record(&s, &rec);

        if (rc)
            return stream_failed(r, rc);
        rc = xf_stream_allow(part, &rec, why);
        if (rc)
            return fail(r, rc, "the source's stream: %s", why);
        rc = xf_stream_forward(&s, &rec, r->pair[0]);
        if ((rc == -EPIPE && stock_gone(r)) || rc == -ECONNRESET)
            rc = -ECANCELED;
        if (rc)
            return stream_failed(r, rc);
    } while (rec.type != last);
    return 0;
}

/* Reads XF_PAGES and compares its counts with ours. */
static int take_pages_record(struct restore *r)
{
    struct xf_stream s = {.fd = r->io_fd, .watch_fd = r->pair[0], .timeout_ms = STREAM_WAIT_MS};
    const struct xf_stats *stats = xf_target_stats(r->target);
    struct xf_pages_record pages;
    struct xf_record rec;
    uint8_t body[XF_PAGES_BYTES];
    int rc = XF_FAULT(restore_pages_read) ?: xf_stream_read_record(&s, &rec);

    if (rc)
        return stream_failed(r, rc);
    if (rec.type != XF_REC_PAGES || rec.length != XF_PAGES_BYTES)
        return fail(r, -EBADMSG,
                    "the source's stream: record %#x of %u bytes where the end of the "
                    "memory is due",
                    rec.type, rec.length);
    rc = xf_stream_read_body(&s, &rec, body, sizeof(body));
    if (rc)
        return stream_failed(r, rc);
    xf_pages_decode(&pages, body);
    if (memcmp(pages.session_id, r->offer.session_id, sizeof(pages.session_id)) || pages.reserved)
        return fail(r, -EBADMSG, "the source's stream: the end of another session's memory");
    if (pages.rounds != stats->rounds || pages.pages_total != stats->pages_total)
        return fail(r, -EBADMSG,
                    "the source counts %u rounds, %llu pages in the first; here are %u and "
                    "%llu",
                    pages.rounds, (unsigned long long)pages.pages_total, stats->rounds,
                    (unsigned long long)stats->pages_total);
    return 0;
}

static int take_memory(struct restore *r)
{
    struct xf_idle idle = {0};
    uint64_t looked = 0, done_at = 0;
    bool told = false;

    for (;;) {
        uint64_t now = xf_now_us();
        int rc = xf_target_step(r->target, now);

        if (rc < 0)
            return fail(r, rc, "%s", xf_target_error(r->target));
        if (rc == XF_SESSION_DONE && !done_at)
            done_at = now;
        if (!told && atomic_load(&r->static_done)) {
            told = true;
            xf_target_ready(r->target);
        }
        /* Once all is here, each moment of waiting for XF_PAGES is downtime. */
        if (done_at || now - looked >= LOOK_EVERY_US) {
            struct pollfd io = {.fd = r->io_fd, .events = POLLIN};

            looked = now;
            if (stock_gone(r)) {
                xf_target_abort(r->target, "Xen's restore at the target has given up");
                xf_target_step(r->target, now);
                return fail(r, -ECANCELED, "Xen's own restore has given up");
            }
            /* The source writes nothing before it knows that all is here, and we knew it first:
               before done_at, this is its end, or no stream of ours. */
            if (poll(&io, 1, 0) > 0 && io.revents)
                return take_pages_record(r);
            if (done_at && now - done_at > GOODBYE_US)
                return fail(r, -ETIMEDOUT, "all memory is here, but the source does not continue");
        }
        if (xf_target_idle(r->target))
            xf_idle_wait(&idle, now, told);
        else
            xf_idle_busy(&idle);
    }
}

static int work(struct restore *r)
{
    int rc = XF_FAULT(restore_static_forward)
                 ?: xf_stream_write(r->pair[0], r->headers, sizeof(r->headers));

    if (rc)
        return fail(r, rc, "Xen's own restore has given up");
    rc = forward_until(r, XF_STREAM_STATIC, XF_REC_STATIC_DATA_END);
    rc = rc ?: take_memory(r);
    if (rc)
        return rc;
    if (xf_target_step(r->target, xf_now_us()) != XF_SESSION_DONE)
        return fail(r, -EPROTO,
                    "the source says that all memory is sent, but some is missing here");
    return 0;
}

static void *worker_main(void *arg)
{
    struct restore *r = arg;
    struct xf_config config;
    int rc = bring_port_up(r, &config);

    if (!wait_for_offer(r))
        rc = rc ?: -ECANCELED; /* the caller has said why */
    rc = rc ?: begin_session(r, &config);
    pthread_mutex_lock(&r->lock);
    r->port = rc ? PORT_FAILED : PORT_UP;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);

    if (!rc)
        rc = work(r);

    struct xf_stats stats = {0};
    if (r->target) {
        stats = *xf_target_stats(r->target);
        /* That a page is mapped here does not keep a guest from running, as its device model shows,
           but unmapping them all keeps it waiting. */
        if (!rc)
            xf_xen_sink_complete(r->sink);
        xf_target_free(r->target);
    }
    xf_xen_sink_free(r->sink);
    xf_report_port(&r->report, r->link);
    if (r->link)
        xf_ports_close_begin(r->link);
    if (!rc)
        rc = XF_FAULT(restore_tail_forward) ?: forward_until(r, XF_STREAM_TAIL, XF_REC_END);
    rc = rc ?: XF_FAULT(restore_end_forward);
    if (rc)
        shutdown(r->pair[0], SHUT_RDWR);
    r->report.port_down_us = xf_ports_close_end();
    xf_report_result(&r->report, !rc, r->error, &stats);
    return (void *)(intptr_t)rc;
}

/* ---- caller's thread ------------------------------------------------------------------------- */

static int static_data_done(unsigned int missing, void *data)
{
    struct restore *r = data;
    int rc = XF_FAULT(restore_static_done);

    if (!rc && r->callbacks->static_data_done)
        rc = r->callbacks->static_data_done(missing, r->callbacks->data);
    if (!rc)
        atomic_store(&r->static_done, true);
    return rc;
}

static void restore_results(xen_pfn_t store_gfn, xen_pfn_t console_gfn, void *data)
{
    struct restore *r = data;

    if (r->callbacks->restore_results)
        r->callbacks->restore_results(store_gfn, console_gfn, r->callbacks->data);
}

static int read_offer(struct restore *r)
{
    struct xf_stream s = {.fd = r->io_fd, .watch_fd = -1, .timeout_ms = STREAM_WAIT_MS};
    char why[XF_STREAM_ERR_BYTES];
    int rc = xf_stream_read_offer(&s, XF_STREAM_HVM, r->headers, &r->offer, why);

    if (rc && !why[0])
        return stream_failed(r, rc);
    if (rc)
        return fail(r, rc, "%s", why);
    rc = XF_FAULT(restore_offer_read);
    return rc ? stream_failed(r, rc) : 0;
}

static int start_worker(struct restore *r, pthread_t *thread)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(thread, NULL, worker_main, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? fail(r, rc, "cannot start a thread: %s", strerror(-rc)) : 0;
}

/* Is the session ready for the stock function? It would only complain about an empty stream. */
static bool give_offer(struct restore *r, bool here)
{
    pthread_mutex_lock(&r->lock);
    r->got = here ? OFFER_HERE : OFFER_FAILED;
    pthread_cond_broadcast(&r->changed);
    while (r->port == PORT_COMING)
        pthread_cond_wait(&r->changed, &r->lock);
    bool up = r->port == PORT_UP;
    pthread_mutex_unlock(&r->lock);
    return up;
}

int xf_restore_run(int io_fd, uint32_t domid, struct restore_callbacks *callbacks,
                   xf_stock_restore *stock, void *arg)
{
    struct restore r = {
        .io_fd = io_fd,
        .domid = domid,
        .pair = {-1, -1},
        .callbacks = callbacks,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    /* A plain restore calls no others. */
    struct restore_callbacks wrapped = {
        .static_data_done = static_data_done,
        .restore_results = restore_results,
        .data = &r,
    };
    pthread_t thread;
    void *result;
    int rc;

    xf_report_start(&r.report, "target", domid);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, r.pair)) {
        rc = fail(&r, -errno, "socketpair: %s", strerror(errno));
        goto out;
    }
    rc = start_worker(&r, &thread);
    if (rc)
        goto out;
    rc = read_offer(&r);
    if (give_offer(&r, !rc) && stock(arg, r.pair[1], &wrapped))
        rc = -EIO;
    shutdown(r.pair[1], SHUT_RDWR);
    pthread_join(thread, &result);
    /* The worker's reason comes first: the stock function's is then only that the stream ended. */
    if (result && r.got == OFFER_HERE)
        rc = (int)(intptr_t)result;
out:
    xf_offer_wipe(&r.offer);
    if (r.pair[0] >= 0) {
        close(r.pair[0]);
        close(r.pair[1]);
    }
    return rc;
}
