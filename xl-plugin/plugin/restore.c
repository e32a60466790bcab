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
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xl-plugin/plugin/fault_points.h"
#include "restoring.h"
#include "ports.h"

struct restore {
    struct xf_restoring session;
    int pair[2];                         /* [0] ours, [1] the stock function's */
    struct restore_callbacks *callbacks; /* the caller's */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    enum { OFFER_COMING, OFFER_HERE, OFFER_FAILED } got;
    enum { PORT_COMING, PORT_UP, PORT_FAILED } port;

    atomic_bool static_done; /* the domain can take memory */
};

/* ---- worker ---------------------------------------------------------------------------------- */

static bool wait_for_offer(struct restore *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->got == OFFER_COMING)
        pthread_cond_wait(&r->changed, &r->lock);
    bool here = r->got == OFFER_HERE;
    pthread_mutex_unlock(&r->lock);
    return here;
}

static int is_static_done(void *arg)
{
    struct restore *r = arg;

    return atomic_load(&r->static_done);
}

static int work(struct restore *r)
{
    struct xf_restoring *a = &r->session;
    int rc = XF_FAULT(restore_static_forward)
                 ?: xf_stream_write(r->pair[0], a->headers, sizeof(a->headers));

    if (rc)
        return xf_restoring_fail(a, rc, "%s", a->given_up);
    rc = xf_restoring_forward(a, XF_STREAM_STATIC, XF_REC_STATIC_DATA_END, r->pair[0]);
    return rc ?: xf_restoring_take_memory(a, is_static_done, r);
}

static void *worker_main(void *arg)
{
    struct restore *r = arg;
    struct xf_restoring *a = &r->session;
    int rc = xf_restoring_open_port(a);

    if (!wait_for_offer(r))
        rc = rc ?: -ECANCELED; /* the caller has said why */
    rc = rc ?: xf_restoring_begin(a, NULL, 0);
    pthread_mutex_lock(&r->lock);
    r->port = rc ? PORT_FAILED : PORT_UP;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);

    if (!rc)
        rc = work(r);

    xf_restoring_end(a, !rc);
    if (a->link)
        xf_ports_close_begin(a->link);
    if (!rc)
        rc = XF_FAULT(restore_tail_forward)
                 ?: xf_restoring_forward(a, XF_STREAM_TAIL, XF_REC_END, r->pair[0]);
    rc = rc ?: XF_FAULT(restore_end_forward);
    if (rc)
        shutdown(r->pair[0], SHUT_RDWR);
    a->report.port_down_us = xf_ports_close_end();
    xf_report_result(&a->report, !rc, a->error, &a->stats);
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

static int start_worker(struct restore *r, pthread_t *thread)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(thread, NULL, worker_main, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? xf_restoring_fail(&r->session, rc, "cannot start a thread: %s", strerror(-rc)) : 0;
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
        .session = {.in = {.fd = io_fd, .watch_fd = -1, .timeout_ms = XF_RESTORING_WAIT_MS},
                    .given_up = "Xen's own restore has given up",
                    .domid = domid,
                    .lock = PTHREAD_MUTEX_INITIALIZER},
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

    xf_report_start(&r.session.report, "target", domid);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, r.pair)) {
        rc = xf_restoring_fail(&r.session, -errno, "socketpair: %s", strerror(errno));
        goto out;
    }
    r.session.in.watch_fd = r.pair[0];
    rc = start_worker(&r, &thread);
    if (rc)
        goto out;
    rc = xf_restoring_read_offer(&r.session, false);
    if (give_offer(&r, !rc) && stock(arg, r.pair[1], &wrapped))
        rc = -EIO;
    shutdown(r.pair[1], SHUT_RDWR);
    pthread_join(thread, &result);
    /* The worker's reason comes first: the stock function's is then only that the stream ended. */
    if (result && r.got == OFFER_HERE)
        rc = (int)(intptr_t)result;
out:
    xf_offer_wipe(&r.session.offer);
    xf_member_wipe(&r.session.member);
    if (r.pair[0] >= 0) {
        close(r.pair[0]);
        close(r.pair[1]);
    }
    return rc;
}
