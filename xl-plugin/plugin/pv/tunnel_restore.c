/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The target's order of events for a PV guest, in three threads:
 *
 *   caller's thread                 pump                         engine
 *   reads headers and XF_OFFER                                   port up; waits for the offer
 *                                                                answers, ready
 *   stock xc_domain_restore(pair)   io_fd: record by record
 *     reads pair                 <- others as they are
 *                                <- XF_BATCH: PAGE_DATA again  <- batches that have landed
 *     to verify: compares them <- XF_COMPARE and all pages again, then one that must differ
 *                                   XF_PAGES: all counted, none left
 *                                <- END
 *   returns                                                      port down
 *
 * The engine goes on answering however long the stock function takes over a page. Only the pump
 * reads io_fd after the offer, and nothing beyond END. What fails first says why and shuts the pair
 * down: the stock function returns -1.
 */
#include "tunnel_restore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/plugin/fault_points.h"
#include "transport/base/idle.h"
#include "xl-plugin/plugin/ports.h"
#include "xl-plugin/plugin/say.h"
#include "tunnel_restore_pump.h"
#include "tunnel_restore_state.h"

#define HEAD_WAIT_MS 60000 /* for the headers and the offer, which come in one go */
#define PATIENCE_MS  60000 /* pages are here -> the record that they belong to */

/* ---- engine ---------------------------------------------------------------------------------- */

static int open_port(struct xf_pv_restore *r, struct xf_config *config)
{
    const struct xf_tunnel_port *port = r->p->port;
    char err[256] = "";
    uint64_t before = xf_now_us();
    int rc = XF_FAULT(tunnel_restore_port_open) ?: port->open(port->arg, &r->link, config, err);

    if (rc)
        return xf_tunnel_restore_fail(r, rc, "%s", err[0] ? err : strerror(-rc));
    r->report.port_up_us = xf_now_us() - before;
    return 0;
}

static bool wait_for_offer(struct xf_pv_restore *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->got == OFFER_COMING)
        pthread_cond_wait(&r->changed, &r->lock);
    bool here = r->got == OFFER_HERE;
    pthread_mutex_unlock(&r->lock);
    return here;
}

static int open_session(struct xf_pv_restore *r)
{
    struct xf_config config = {0};
    struct xf_target_config tc;
    int rc = open_port(r, &config);

    /* If it does not come, the caller's thread says why. */
    if (!wait_for_offer(r) || rc)
        return rc ?: -ECANCELED;
    struct xf_guest_sink sink = xf_tunnel_sink_guest(r->tunnel);

    xf_target_config_init(&tc);
    tc.offer = r->offer;
    tc.hello_timeout_us = (uint64_t)config.connect_timeout_s * 1000000;
    tc.threads = xf_ports_threads();
    tc.progress = xf_tunnel_progress;
    tc.progress_arg = &r->report;
    rc = xf_target_new(&r->target, &tc, &sink, r->link, xf_now_us());
    xf_offer_wipe(&tc.offer);
    xf_offer_wipe_secret(&r->offer);
    if (rc)
        return xf_tunnel_restore_fail(r, rc, "the source's offer does not fit this port: %s",
                                      strerror(-rc));
    /* The buffer takes pages at once. */
    xf_target_ready(r->target);
    return 0;
}

static int over(struct xf_pv_restore *r)
{
    pthread_mutex_lock(&r->lock);
    int how = r->over;
    pthread_mutex_unlock(&r->lock);
    return how;
}

static void step_until_over(struct xf_pv_restore *r)
{
    const uint64_t patience_us = 1000 * (uint64_t)(r->p->patience_ms ?: PATIENCE_MS);
    struct xf_idle idle = {0};
    uint64_t asking_since = 0;
    bool done = false;
    int how;

    while ((how = over(r)) == GOING_ON && !atomic_load(&r->ended)) {
        uint64_t now = xf_now_us();
        int rc = xf_target_step(r->target, now);

        if (rc < 0) {
            xf_tunnel_restore_fail(r, rc, "%s", xf_target_error(r->target));
            return;
        }
        if (rc == XF_SESSION_DONE && !done) {
            done = true;
            xf_tunnel_sink_done(r->tunnel, xf_target_stats(r->target));
        }
        /* The source writes the record of a page when it has that page: both come soon. */
        if (!atomic_load(&r->asking) || !(done || xf_tunnel_sink_has_pages(r->tunnel)))
            asking_since = now;
        if (now - asking_since > patience_us) {
            xf_tunnel_restore_fail(r, -ETIMEDOUT,
                                   "memory is here, but the source's xl does not continue");
            break;
        }
        if (xf_tunnel_sink_failed(r->tunnel))
            break;
        if (!xf_target_idle(r->target))
            xf_idle_busy(&idle);
        else
            xf_idle_wait(&idle, now, xf_target_stats(r->target)->live_us);
    }
    if (how == OVER_BADLY || (how == GOING_ON && !atomic_load(&r->ended)))
        xf_target_abort(r->target, r->error[0] ? r->error : "the target has given up");
}

static void *engine_main(void *arg)
{
    struct xf_pv_restore *r = arg;
    int rc = open_session(r);

    pthread_mutex_lock(&r->lock);
    r->port = rc ? PORT_FAILED : PORT_UP;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (!rc) {
        step_until_over(r);
        r->stats = *xf_target_stats(r->target);
    }
    xf_target_free(r->target);
    xf_report_port(&r->report, r->link);
    r->report.port_down_us = xf_tunnel_close(r->p->port, r->link);
    return NULL;
}

/* ---- the caller's thread --------------------------------------------------------------------- */

static int read_offer(struct xf_pv_restore *r)
{
    struct xf_stream s = {.fd = r->p->io_fd, .watch_fd = -1, .timeout_ms = HEAD_WAIT_MS};
    char why[XF_STREAM_ERR_BYTES];
    int rc = xf_stream_read_offer(&s, XF_STREAM_PV, false, r->headers, &r->offer, NULL, why);

    if (rc && !why[0])
        return xf_tunnel_restore_stream_failed(r, rc);
    if (rc)
        return xf_tunnel_restore_fail(r, rc, "%s", why);
    if (r->offer.features & XF_FEATURE_VERIFY_LIVE)
        return xf_tunnel_restore_fail(
            r, -EBADMSG,
            "the source offers to compare a PV guest while it runs, which "
            "Xen's restore cannot do");
    struct xf_tunnel_sink *tunnel = NULL;
    rc = XF_FAULT(tunnel_restore_offer_read) ?: xf_tunnel_sink_new(&tunnel, r->offer.page_count);
    if (!rc)
        xf_tunnel_sink_hold(tunnel, r->offer.features & XF_FEATURE_VERIFY);
    pthread_mutex_lock(&r->lock);
    r->tunnel = tunnel;
    pthread_mutex_unlock(&r->lock);
    return rc ? xf_tunnel_restore_fail(r, rc, "the source offers a buffer of %llu pages: %s",
                                       (unsigned long long)r->offer.page_count, strerror(-rc))
              : 0;
}

static int run_stock(struct xf_pv_restore *r)
{
    pthread_t pump_thread;
    void *result;

    pthread_mutex_lock(&r->lock);
    while (r->port == PORT_COMING)
        pthread_cond_wait(&r->changed, &r->lock);
    bool up = r->port == PORT_UP;
    pthread_mutex_unlock(&r->lock);
    if (!up)
        return -ENETDOWN;

    int rc = xf_tunnel_thread(&pump_thread, xf_tunnel_restore_pump, r);
    if (rc)
        return xf_tunnel_restore_fail(r, rc, "cannot start a thread: %s", strerror(-rc));
    xf_verify_watch(&r->verify);
    if (r->p->stock(r->p->arg, r->pair[1], r->p->callbacks))
        rc = -EIO;
    xf_verify_over(&r->verify);
    shutdown(r->pair[1], SHUT_RDWR);
    pthread_join(pump_thread, &result);
    if (result)
        return (int)(intptr_t)result;
    /* Once more, with all that it has said. */
    char why[256];
    if (!rc && r->compare == COMPARED && xf_verify_judge(&r->verify, why))
        return xf_tunnel_restore_fail(r, -EILSEQ, "%s", why);
    return rc ? xf_tunnel_restore_fail(r, rc, "Xen's own restore has failed") : 0;
}

static int restore(struct xf_pv_restore *r)
{
    pthread_t engine;
    int rc = xf_tunnel_pair(r->pair);

    if (rc)
        return xf_tunnel_restore_fail(r, rc, "socketpair: %s", strerror(-rc));
    /* The port takes its time: it comes up while the source's does, before there is an offer. */
    rc = xf_tunnel_thread(&engine, engine_main, r);
    if (rc)
        return xf_tunnel_restore_fail(r, rc, "cannot start a thread: %s", strerror(-rc));
    rc = read_offer(r);
    pthread_mutex_lock(&r->lock);
    r->got = rc ? OFFER_FAILED : OFFER_HERE;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    rc = rc ?: run_stock(r);
    pthread_mutex_lock(&r->lock);
    if (rc && r->failed)
        rc = r->failed;
    r->over = rc ? OVER_BADLY : OVER_WELL;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(engine, NULL);
    r->stats.pages_total = r->pages;
    r->stats.pages_verified = r->verified;
    xf_report_result(&r->report, !rc, r->error, &r->stats);
    return rc;
}

int xf_tunnel_restore_run(const struct xf_tunnel_restore *params)
{
    struct xf_pv_restore r = {
        .p = params,
        .pair = {-1, -1},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };

    xf_verify_init(&r.verify);
    xf_report_start(&r.report, "target", params->domid);
    int rc = restore(&r);

    xf_offer_wipe(&r.offer);
    if (r.pair[0] >= 0) {
        close(r.pair[0]);
        close(r.pair[1]);
    }
    xf_tunnel_sink_free(r.tunnel);
    xf_verify_fini(&r.verify);
    return rc;
}
