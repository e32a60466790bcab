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
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../transport/clock.h"
#include "../../transport/fault.h"
#include "../../transport/target.h"
#include "idle.h"
#include "report.h"
#include "say.h"
#include "tunnel_sink.h"
#include "verify.h"

#define HEAD_WAIT_MS 60000 /* for the headers and the offer, which come in one go */
#define PATIENCE_MS  60000 /* pages are here -> the record that they belong to */
#define COMPARED_MS  60000 /* the last page to compare was written -> Xen's restore has done so */
#define COUNTED_MS   10000 /* XF_PAGES -> our own count, which the source has seen */

struct restore {
    const struct xf_tunnel_restore *p;
    int pair[2]; /* [0] ours, [1] the stock function's */
    uint8_t headers[XF_HEADERS_BYTES];
    struct xf_offer offer;
    struct xf_tunnel_sink *tunnel; /* set under lock */
    uint64_t pages;                /* the pump's: handed to the stock function */
    atomic_bool asking;            /* the pump waits for the source's next record */
    atomic_bool ended;             /* that was END: the source needs no session any more */

    /* The pump's, but for verify. */
    enum { NOT_COMPARED, COMPARING, COMPARED } compare;
    struct xf_verify verify;
    uint64_t verified;  /* pages that were compared and must not differ */
    uint64_t trial_pfn; /* one of them, and its content; UINT64_MAX: none yet */
    uint8_t trial[XF_PAGE_BYTES];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    int failed;      /* -errno of the first reason */
    char error[256]; /* the first reason */
    enum { OFFER_COMING, OFFER_HERE, OFFER_FAILED } got;
    enum { PORT_COMING, PORT_UP, PORT_FAILED } port; /* and the session made */
    enum { GOING_ON, OVER_WELL, OVER_BADLY } over;   /* the engine may report and go */

    /* Engine's. */
    struct xf_report report;
    struct xf_link *link;
    struct xf_target *target;
    struct xf_stats stats;
};

/* The first reason counts; whatever waits stops. */
__attribute__((format(printf, 3, 4))) static int fail(struct restore *r, int rc, const char *format,
                                                      ...)
{
    va_list args;

    pthread_mutex_lock(&r->lock);
    if (!r->error[0]) {
        va_start(args, format);
        vsnprintf(r->error, sizeof(r->error), format, args);
        va_end(args);
        r->failed = rc;
        xf_say("target: %s", r->error);
    }
    struct xf_tunnel_sink *tunnel = r->tunnel;
    pthread_mutex_unlock(&r->lock);
    if (r->pair[0] >= 0)
        shutdown(r->pair[0], SHUT_RDWR);
    if (tunnel)
        xf_tunnel_sink_fail(tunnel);
    return rc;
}

static int stream_failed(struct restore *r, int rc)
{
    struct pollfd stock = {.fd = r->pair[0], .events = POLLRDHUP};

    if (rc == -EPIPE && (r->pair[0] < 0 || poll(&stock, 1, 0) <= 0))
        return fail(r, rc, "the source has given up");
    if (rc == -ECANCELED || rc == -EPIPE)
        return fail(r, rc, "Xen's own restore has given up");
    return fail(r, rc, "reading from the source's xl: %s", strerror(-rc));
}

/* ---- engine ---------------------------------------------------------------------------------- */

static int open_port(struct restore *r, struct xf_config *config)
{
    const struct xf_tunnel_port *port = r->p->port;
    char err[256] = "";
    uint64_t before = xf_now_us();
    int rc = XF_FAULT(tunnel_restore_port_open) ?: port->open(port->arg, &r->link, config, err);

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

static int open_session(struct restore *r)
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
    tc.progress = xf_tunnel_progress;
    tc.progress_arg = &r->report;
    rc = xf_target_new(&r->target, &tc, &sink, r->link, xf_now_us());
    xf_offer_wipe(&tc.offer);
    xf_offer_wipe_secret(&r->offer);
    if (rc)
        return fail(r, rc, "the source's offer does not fit this port: %s", strerror(-rc));
    /* The buffer takes pages at once. */
    xf_target_ready(r->target);
    return 0;
}

static int over(struct restore *r)
{
    pthread_mutex_lock(&r->lock);
    int how = r->over;
    pthread_mutex_unlock(&r->lock);
    return how;
}

static void step_until_over(struct restore *r)
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
            fail(r, rc, "%s", xf_target_error(r->target));
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
            fail(r, -ETIMEDOUT, "memory is here, but the source's xl does not go on");
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
    struct restore *r = arg;
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

/* ---- pump ------------------------------------------------------------------------------------ */

static int to_stock(struct restore *r, const void *buf, size_t len)
{
    int rc = xf_stream_write(r->pair[0], buf, len);

    return rc ? stream_failed(r, -ECANCELED) : 0;
}

/* ---- pump: pages that come again to be compared -----------------------------------------------
 */

/* XF_COMPARE: from here on the stock function compares. */
static int begin_comparing(struct restore *r, const struct xf_stream *s,
                           const struct xf_record *rec)
{
    const uint32_t verify[2] = {htole32(XF_REC_VERIFY), 0};
    struct {
        uint32_t count, reserved;
        uint64_t pages[XF_UNSTEADY_MAX];
    } body;

    if (!(r->offer.features & XF_FEATURE_VERIFY) || r->compare != NOT_COMPARED || rec->length < 8 ||
        rec->length > sizeof(body) || rec->length % 8)
        return fail(r, -EBADMSG, "the source's stream: record %#x of %u bytes", rec->type,
                    rec->length);
    int rc = xf_stream_read_body(s, rec, &body, rec->length);
    if (rc)
        return stream_failed(r, rc);
    if (le32toh(body.count) != rec->length / 8 - 1 || body.reserved)
        return fail(r, -EBADMSG, "the source's stream: record %#x with another count", rec->type);
    pthread_mutex_lock(&r->verify.lock);
    for (; r->verify.unsteady_n < le32toh(body.count); r->verify.unsteady_n++)
        r->verify.unsteady[r->verify.unsteady_n] = le64toh(body.pages[r->verify.unsteady_n]);
    pthread_mutex_unlock(&r->verify.lock);
    r->compare = COMPARING;
    r->trial_pfn = UINT64_MAX;
    return to_stock(r, verify, sizeof(verify));
}

/* A record's pages are being compared: counts them, and keeps the first that will do as the trial.
 */
static void take_trial(struct restore *r, const struct xf_tunnel_head *head, uint32_t count,
                       const uint8_t *from)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t frame = le64toh(head->frames[i]);

        if (!xf_tunnel_has_page(frame))
            continue;
        if (!xf_verify_is_unsteady(&r->verify, frame & XF_TUNNEL_PFN)) {
            r->verified++;
            if (r->trial_pfn == UINT64_MAX && frame >> 60 == 0) {
                r->trial_pfn = frame;
                memcpy(r->trial, from, sizeof(r->trial));
            }
        }
        from += XF_PAGE_BYTES;
    }
}

/* All pages to compare are written: has the stock function found what it should, and no more? */
static int end_comparing(struct restore *r)
{
    const struct {
        uint32_t type, length, count, reserved;
        uint64_t frame;
    } record = {
        .type = htole32(XF_REC_PAGE_DATA),
        .length = htole32(XF_TUNNEL_HEAD_BYTES(1) + (uint32_t)XF_PAGE_BYTES),
        .count = htole32(1),
        .frame = htole64(r->trial_pfn),
    };
    char why[256];

    r->compare = COMPARED;
    if (r->trial_pfn == UINT64_MAX)
        return fail(r, -EBADMSG, "verify: the source sent no pages to compare");
    r->trial[0] ^= 1;
    xf_verify_try(&r->verify, r->trial_pfn);
    int rc = to_stock(r, &record, sizeof(record));
    rc = rc ?: to_stock(r, r->trial, sizeof(r->trial));
    if (rc)
        return rc;
    if (xf_verify_wait(&r->verify, r->p->compared_ms ?: COMPARED_MS) == -ECANCELED)
        return stream_failed(r, -ECANCELED);
    if (xf_verify_judge(&r->verify, why))
        return fail(r, -EILSEQ, "%s", why);
    xf_tunnel_sink_hold(r->tunnel, false);
    return 0;
}

/* ---- pump: the stream -------------------------------------------------------------------------
 */

/* A PAGE_DATA record, as the stock function at the source wrote it. */
static int join_record(struct restore *r, const struct xf_stream *s, const struct xf_record *rec,
                       struct xf_tunnel_head *head)
{
    char why[XF_STREAM_ERR_BYTES];
    const uint8_t *from;
    uint32_t pages;
    int rc = xf_tunnel_read_head(s, rec, head, &pages, why);

    if (rc == -EBADMSG)
        return fail(r, rc, "the source's stream: %s", why);
    if (rc)
        return stream_failed(r, rc);

    const uint32_t count = head->count;
    uint32_t length = XF_TUNNEL_HEAD_BYTES(count);
    uint32_t header[2] = {htole32(XF_REC_PAGE_DATA),
                          htole32(length + (uint32_t)(pages * XF_PAGE_BYTES))};

    head->count = htole32(head->count);
    rc = XF_FAULT(tunnel_restore_batch_join);
    if (rc)
        return stream_failed(r, rc);
    rc = to_stock(r, header, sizeof(header));
    rc = rc ?: to_stock(r, head, length);
    if (rc || !pages)
        return rc;
    rc = xf_tunnel_sink_take(r->tunnel, pages, &from);
    if (rc == -EBADMSG)
        return fail(r, rc,
                    "the source's stream: a record of %u pages, but another number has landed",
                    pages);
    if (!rc && r->compare == COMPARING)
        take_trial(r, head, count, from);
    rc = rc ?: to_stock(r, from, pages * XF_PAGE_BYTES);
    if (!rc) {
        xf_tunnel_sink_give_back(r->tunnel);
        r->pages += pages;
    }
    return rc;
}

/* XF_PAGES: what the source counts is what was counted here. */
static int compare_counts(struct restore *r, const struct xf_stream *s, const struct xf_record *rec)
{
    struct xf_pages_record pages;
    struct xf_stats stats;
    uint8_t body[XF_PAGES_BYTES];
    uint64_t left;
    int rc;

    if (rec->length != sizeof(body))
        return fail(r, -EBADMSG, "the source's stream: record %#x of %u bytes", rec->type,
                    rec->length);
    rc = XF_FAULT(tunnel_restore_pages_read) ?: xf_stream_read_body(s, rec, body, sizeof(body));
    if (rc)
        return stream_failed(r, rc);
    xf_pages_decode(&pages, body);
    if (memcmp(pages.session_id, r->offer.session_id, sizeof(pages.session_id)) || pages.reserved)
        return fail(r, -EBADMSG, "the source's stream: the end of another session's memory");
    rc = xf_tunnel_sink_wait_done(r->tunnel, COUNTED_MS, &stats, &left);
    if (rc)
        return fail(r, rc, "the source says that all memory is sent, but some is missing here");
    if (pages.rounds != stats.rounds || pages.pages_total != r->pages || left)
        return fail(r, -EBADMSG,
                    "the source counts %llu pages in %u batches; here are %llu in %u, and %llu "
                    "left over",
                    (unsigned long long)pages.pages_total, pages.rounds,
                    (unsigned long long)r->pages, stats.rounds, (unsigned long long)left);
    return 0;
}

static int forward_record(struct restore *r, const struct xf_stream *s, const struct xf_record *rec)
{
    int rc = xf_stream_forward(s, rec, r->pair[0]);

    if (rc == -ECONNRESET)
        rc = -ECANCELED;
    return rc ? stream_failed(r, rc) : 0;
}

static int pump(struct restore *r, struct xf_tunnel_head *head)
{
    /* While it waits for the source, the session knows whether that is still there. */
    struct xf_stream s = {.fd = r->p->io_fd, .watch_fd = r->pair[0], .timeout_ms = -1};
    char why[XF_STREAM_ERR_BYTES];
    struct xf_record rec;
    bool counted = false;
    int rc = to_stock(r, r->headers, sizeof(r->headers));

    while (!rc) {
        atomic_store(&r->asking, true);
        rc = xf_stream_read_record(&s, &rec) ?: XF_FAULT(tunnel_restore_record_read);
        atomic_store(&r->asking, false);
        if (rc)
            return stream_failed(r, rc);
        if (counted && (rec.type != XF_REC_END || rec.length))
            return fail(r, -EBADMSG, "the source's stream: record %#x where END is due", rec.type);
        if (r->compare == COMPARING && rec.type != XF_REC_BATCH)
            rc = end_comparing(r);
        if (rc)
            return rc;
        if (rec.type == XF_REC_BATCH) {
            rc = join_record(r, &s, &rec, head);
        } else if (rec.type == XF_REC_COMPARE) {
            rc = begin_comparing(r, &s, &rec);
        } else if (rec.type == XF_REC_PAGES) {
            if (r->offer.features & XF_FEATURE_VERIFY && r->compare != COMPARED)
                return fail(r, -EBADMSG, "verify: the source sent no pages to compare");
            rc = compare_counts(r, &s, &rec);
            counted = true;
        } else {
            rc = xf_tunnel_allow(&rec, why);
            if (rc)
                return fail(r, rc, "the source's stream: %s", why);
            if (rec.type == XF_REC_END && !counted)
                return fail(r, -EBADMSG, "the source's stream ends before its memory was counted");
            if (rec.type == XF_REC_END) {
                atomic_store(&r->ended, true);
                if (XF_FAULT(tunnel_restore_end_forward))
                    return stream_failed(r, -ECANCELED);
            }
            rc = forward_record(r, &s, &rec);
            if (rec.type == XF_REC_END)
                return rc;
        }
    }
    return rc;
}

static void *pump_main(void *arg)
{
    struct restore *r = arg;
    struct xf_tunnel_head *head = malloc(sizeof(*head));
    int rc = head ? pump(r, head) : fail(r, -ENOMEM, "%s", strerror(ENOMEM));

    free(head);
    return (void *)(intptr_t)rc;
}

/* ---- the caller's thread --------------------------------------------------------------------- */

static int read_offer(struct restore *r)
{
    struct xf_stream s = {.fd = r->p->io_fd, .watch_fd = -1, .timeout_ms = HEAD_WAIT_MS};
    char why[XF_STREAM_ERR_BYTES];
    int rc = xf_stream_read_offer(&s, XF_STREAM_PV, r->headers, &r->offer, why);

    if (rc && !why[0])
        return stream_failed(r, rc);
    if (rc)
        return fail(r, rc, "%s", why);
    struct xf_tunnel_sink *tunnel = NULL;
    rc = XF_FAULT(tunnel_restore_offer_read) ?: xf_tunnel_sink_new(&tunnel, r->offer.page_count);
    if (!rc)
        xf_tunnel_sink_hold(tunnel, r->offer.features & XF_FEATURE_VERIFY);
    pthread_mutex_lock(&r->lock);
    r->tunnel = tunnel;
    pthread_mutex_unlock(&r->lock);
    return rc ? fail(r, rc, "the source offers a buffer of %llu pages: %s",
                     (unsigned long long)r->offer.page_count, strerror(-rc))
              : 0;
}

static int run_stock(struct restore *r)
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

    int rc = xf_tunnel_thread(&pump_thread, pump_main, r);
    if (rc)
        return fail(r, rc, "cannot start a thread: %s", strerror(-rc));
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
        return fail(r, -EILSEQ, "%s", why);
    return rc ? fail(r, rc, "Xen's own restore has failed") : 0;
}

static int restore(struct restore *r)
{
    pthread_t engine;
    int rc = xf_tunnel_pair(r->pair);

    if (rc)
        return fail(r, rc, "socketpair: %s", strerror(-rc));
    /* The port takes its time: it comes up while the source's does, before there is an offer. */
    rc = xf_tunnel_thread(&engine, engine_main, r);
    if (rc)
        return fail(r, rc, "cannot start a thread: %s", strerror(-rc));
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
    struct restore r = {
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
