/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target: packets in, guest memory out.
 *
 *      source                                  target
 *        | ---- OFFER (control channel) --------> |  xf_target_new
 *        | <--------------------------- ANSWER -- |  CONNECT: every 50 ms, every other one padded
 *        | ---- PING (padded) ------------------> |  READY
 *        | <------------- FEEDBACK(not ready) --- |
 *        |                                        |  xf_target_ready(): the sink can populate
 *        | <----------------- FEEDBACK(ready) --- |
 *        | ---- DATA(round 1: POPULATE) --------> |  LIVE
 *        | ---- BARRIER(1, pages) --------------> |
 *        | <---------------- FEEDBACK(round 2) -- |
 *        | ---- DATA(round 2: RAW, ZERO, FRAG) -> |  each packet: open, check, write to the guest
 *        | <---- FEEDBACK(missing ranges) ------- |
 *        | ---- DATA(the same pages, read anew) > |
 *        |   ... rounds while the guest runs ...  |
 *        | ---- BARRIER(n, pages, FINAL) -------> |  FINAL
 *        | <------------- FEEDBACK(COMPLETE) ---- |  DONE: go on answering until freed
 *
 *     CONNECT -> READY -> LIVE -> FINAL -> DONE
 *         \________\_______\_______\____-> FAILED (says REFUSE with a reason; nothing may be
 * started)
 */
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "landing.h"
#include "page.h"
#include "session.h"

/* Feedback at the latest after so many packets or so much time since the first of them. */
#define FEEDBACK_PACKETS 32u
#define FEEDBACK_US      500u
/* What a queue may have outstanding where the link does not say what it holds. */
#define CREDIT_DEFAULT 1024u
#define CREDIT_MAX     4096u
/* An ANSWER that our own port did not take, as a memif's server does not before it has noticed that
   its client is there: again so soon. */
#define ANSWER_RETRY_US 500u

struct queue {
    uint64_t sequence; /* next to send */
    uint64_t stamp_us; /* of the newest PING */
    uint64_t told_us;  /* last feedback */
    uint32_t news;     /* packets since then */
    bool asked;        /* feedback is wanted at once */
};

struct xf_target {
    struct xf_session session;
    struct xf_target_config config;
    uint64_t page_count;
    enum xf_phase phase;
    bool ready, idle, heard;
    uint32_t credit;
    uint64_t answer_due_us;   /* the next one */
    uint64_t emptied_us;      /* when the link had nothing more for us ... */
    uint64_t unseen_since_us; /* ... and that before the newest packets came */
    unsigned answers;

    uint32_t round;    /* the one being received; the first is 1 */
    uint64_t round_us; /* when it began */
    uint64_t progress_us;
    struct xf_landing landing;
    uint64_t want;       /* from its BARRIER */
    bool barrier, final; /* the BARRIER has been seen; it is the last */

    struct queue queues[XF_QUEUES_MAX];
};

void xf_target_config_init(struct xf_target_config *config)
{
    memset(config, 0, sizeof(*config));
    config->hello_timeout_us = 30000000;
    config->peer_timeout_us = 30000000;
}

static void progress(struct xf_target *t, uint64_t now_us)
{
    t->progress_us = now_us;
    if (!t->config.progress)
        return;
    const struct xf_stats *st = &t->session.stats;
    uint64_t us = st->live_us ? now_us - st->live_us : 0;
    struct xf_progress p = {
        .phase = t->phase,
        .round = t->landing.has_pages ? st->rounds + 1 : 0, /* as the source numbers them */
        .round_pages = t->barrier ? t->want : 0,
        .round_done = t->landing.landed,
        .round_us = now_us - t->round_us,
        .bytes_per_s = us ? (uint64_t)((double)(st->pages_sent - st->pages_zero) *
                                       (double)XF_PAGE_BYTES * 1e6 / (double)us)
                          : 0,
        .now_us = now_us,
        .stats = st,
    };

    t->config.progress(t->config.progress_arg, &p);
}

static void enter(struct xf_target *t, enum xf_phase phase, uint64_t now_us)
{
    t->phase = phase;
    progress(t, now_us);
}

static uint32_t credit_of(const struct xf_link *link, unsigned queues)
{
    /* A quarter stays free for what is on its way when the ring fills. The source's queues may all
       end in one of ours, as the port hashes them, so they share what that one holds. */
    uint32_t credit = (link->rx_ring ? link->rx_ring - link->rx_ring / 4 : CREDIT_DEFAULT) / queues;

    return credit < 32 ? 32 : credit > CREDIT_MAX ? CREDIT_MAX : credit;
}

int xf_target_new(struct xf_target **out, const struct xf_target_config *config,
                  const struct xf_guest_sink *guest, struct xf_link *link, uint64_t now_us)
{
    struct xf_target *t;
    struct xf_wire_shape shape;
    uint32_t payload = config->offer.payload_bytes < link->payload_bytes
                           ? config->offer.payload_bytes
                           : link->payload_bytes;
    int rc;

    *out = NULL;
    if (xf_wire_shape(&shape, payload) || config->offer.queues == 0 ||
        config->offer.queues > XF_QUEUES_MAX || config->offer.page_count == 0 ||
        config->offer.page_count != guest->page_count)
        return -EPROTONOSUPPORT;
    t = aligned_alloc(_Alignof(struct xf_target), sizeof(*t));
    if (!t)
        return -ENOMEM;
    memset(t, 0, sizeof(*t));
    t->config = *config;
    t->page_count = guest->page_count;
    rc = xf_session_init(&t->session, &config->offer, XF_ROLE_TARGET, link, now_us);
    xf_offer_wipe(&t->config.offer); /* the keys are made: the secret is not needed again */
    if (rc)
        goto fail;
    t->session.shape = shape;
    rc = xf_landing_init(&t->landing, &t->session, guest);
    if (rc)
        goto fail;
    t->landing.lz4 = config->offer.features & XF_FEATURE_LZ4;
    t->landing.hash_seed = xf_page_hash_seed(config->offer.session_id);
    t->credit = credit_of(link, t->session.queues);
    t->round = 1;
    t->round_us = t->emptied_us = t->unseen_since_us = now_us;
    t->phase = XF_PHASE_CONNECT;
    link->ops->set_peer(link, &config->offer.source);
    *out = t;
    return 0;
fail:
    xf_target_free(t);
    return rc;
}

void xf_target_free(struct xf_target *t)
{
    if (!t)
        return;
    xf_landing_fini(&t->landing);
    xf_session_fini(&t->session);
    free(t);
}

/* ---- rounds ------------------------------------------------------------------------------- */

/* The hashes of a round were compared, and some are not the source's. */
static int differ(struct xf_target *t)
{
    const struct xf_landing *l = &t->landing;
    char list[XF_DIFFERING_MAX * 20] = "";
    size_t n = 0;

    for (unsigned i = 0; i < l->differ && i < XF_DIFFERING_MAX; i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, " %#llx",
                              (unsigned long long)l->differing[i]);
    return xf_session_fail(&t->session, -EILSEQ, "verify: %llu pages differ:%s%s",
                           (unsigned long long)l->differ, list,
                           l->differ > XF_DIFFERING_MAX ? " ..." : "");
}

static int end_round_if_complete(struct xf_target *t, uint64_t now_us)
{
    if (!t->barrier || t->landing.landed < t->want)
        return 0;
    if (t->landing.landed > t->want) {
        xf_session_reject(&t->session, XF_REJECT_malformed);
        return xf_session_fail(&t->session, -EPROTO,
                               "round %u: %llu pages landed, but the source counts %llu", t->round,
                               (unsigned long long)t->landing.landed, (unsigned long long)t->want);
    }
    if (t->landing.has_pages && t->landing.guest.ops->end_batch) {
        xf_landing_unmap(&t->landing);
        int rc = XF_FAULT(target_end_batch)
                     ?: t->landing.guest.ops->end_batch(t->landing.guest.ctx, t->want);

        if (rc == -EAGAIN)
            return 0;
        if (rc)
            return xf_session_fail(&t->session, rc, "cannot take the guest's pages: %s",
                                   strerror(-rc));
    }
    int rc = XF_FAULT(target_round_end);

    if (!rc && t->final)
        rc = XF_FAULT(target_complete);
    if (rc)
        return rc;
    progress(t, now_us);
    /* Counted as the source counts, so that the control channel can compare. */
    if (t->landing.has_pages)
        t->session.stats.rounds++;
    else if (t->landing.differ)
        return differ(t);
    if (t->round == 1)
        t->session.stats.pages_total = t->want;
    if (t->final)
        t->session.stats.done_us = now_us;
    t->round++;
    t->round_us = now_us;
    t->barrier = false;
    xf_landing_next_round(&t->landing);
    for (unsigned q = 0; q < t->session.queues; q++)
        t->queues[q].asked = true;
    if (t->final)
        enter(t, XF_PHASE_DONE, now_us);
    return 0;
}

/* Gives up what the source gave up on this queue. */
static int lower_floor(struct xf_target *t, unsigned queue, uint64_t sequence, uint64_t floor)
{
    if (floor > sequence) {
        xf_session_reject(&t->session, XF_REJECT_malformed);
        return xf_session_fail(&t->session, -EPROTO, "the source gave up packets not yet sent");
    }
    xf_window_give_up(&t->session.windows[queue], floor);
    return 0;
}

static int receive_data(struct xf_target *t, struct queue *q, const struct xf_wire_header *h,
                        size_t len, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    const uint8_t *body = s->plain;
    struct xf_wire_data head;
    int rc = xf_wire_check_data(&s->shape, t->landing.lz4, body, len, t->page_count);

    if (rc) {
        xf_session_reject(s, rc == -ERANGE ? XF_REJECT_outside_guest : XF_REJECT_malformed);
        return xf_session_fail(s, -EPROTO, "the source sent a packet that cannot be: %s",
                               rc == -ERANGE ? "a page beyond the guest" : "malformed");
    }
    memcpy(&head, body, sizeof(head));
    if (!t->ready) {
        /* Not marked as received: it will be reported missing and come again. */
        xf_session_reject(s, XF_REJECT_not_ready);
        return 0;
    }
    /* Once all is there no round begins any more: the guest may be running. */
    if (head.round > t->round || (head.round == t->round && t->phase == XF_PHASE_DONE)) {
        xf_session_reject(s, XF_REJECT_future_round);
        return xf_session_fail(s, -EPROTO, "the source sent pages of round %u during round %u",
                               head.round, t->round);
    }
    xf_window_mark(&s->windows[h->queue], h->sequence);
    rc = lower_floor(t, h->queue, h->sequence,
                     head.floor_delta > h->sequence ? UINT64_MAX : h->sequence - head.floor_delta);
    if (rc)
        return rc;
    q->news++;
    if (head.round < t->round) {
        xf_session_reject(s, XF_REJECT_stale_round);
        return 0;
    }
    if (t->phase == XF_PHASE_READY) {
        s->stats.live_us = now_us;
        enter(t, XF_PHASE_LIVE, now_us);
    }
    const uint8_t *payload = body + sizeof(head) + head.records * sizeof(struct xf_wire_record);

    xf_lap_packet(&s->stats.laps, XF_STAGE_bookkeeping);
    for (unsigned i = 0; i < head.records; i++) {
        struct xf_wire_record r;

        memcpy(&r, body + sizeof(head) + i * sizeof(r), sizeof(r));
        rc = xf_landing_write(&t->landing, &r, &payload);
        if (rc)
            return rc;
    }
    xf_lap_packet(&s->stats.laps, XF_STAGE_write);
    return end_round_if_complete(t, now_us);
}

static int receive_barrier(struct xf_target *t, struct queue *q, const struct xf_wire_header *h,
                           size_t len, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_wire_barrier b = {0};

    memcpy(&b, s->plain, len < sizeof(b) ? len : sizeof(b));
    if (len != sizeof(b) || (b.flags & ~XF_BARRIER_FINAL) || b.reserved ||
        b.pages > t->page_count || b.round > t->round) {
        xf_session_reject(s, b.round > t->round ? XF_REJECT_future_round : XF_REJECT_malformed);
        return xf_session_fail(s, -EPROTO, "the source sent a barrier that cannot be");
    }
    xf_window_mark(&s->windows[h->queue], h->sequence);
    int rc = lower_floor(t, h->queue, h->sequence, b.floor);

    if (rc)
        return rc;
    q->asked = true;
    if (b.round < t->round || t->phase == XF_PHASE_DONE)
        return 0; /* our answer to it was lost */
    t->barrier = true;
    t->want = b.pages;
    if (b.flags & XF_BARRIER_FINAL) {
        t->final = true;
        if (t->phase == XF_PHASE_LIVE)
            enter(t, XF_PHASE_FINAL, now_us);
    }
    return end_round_if_complete(t, now_us);
}

static int receive_ping(struct xf_target *t, struct queue *q, const struct xf_wire_header *h,
                        size_t len)
{
    struct xf_wire_ping p;

    if (len != sizeof(p) && len != t->session.shape.body_bytes) {
        xf_session_reject(&t->session, XF_REJECT_malformed);
        return xf_session_fail(&t->session, -EPROTO, "the source sent a ping that cannot be");
    }
    memcpy(&p, t->session.plain, sizeof(p));
    xf_window_mark(&t->session.windows[h->queue], h->sequence);
    q->stamp_us = p.stamp_us;
    q->asked = true;
    return lower_floor(t, h->queue, h->sequence, p.floor);
}

static int receive_abort(struct xf_target *t, size_t len)
{
    struct xf_wire_reason r;
    char text[XF_REASON_BYTES + 1] = "";

    if (len == sizeof(r)) {
        memcpy(&r, t->session.plain, sizeof(r));
        xf_wire_reason_text(text, &r);
    }
    return xf_session_fail(&t->session, -ECONNABORTED, "the source gave up: %s", text);
}

static int receive(struct xf_target *t, const struct xf_buf *buf, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_wire_header h;
    int len = xf_session_open(s, buf, &h, now_us);

    xf_lap_packet(&s->stats.laps, XF_STAGE_open);
    if (len < 0)
        return 0;
    struct queue *q = &t->queues[h.queue];

    t->heard = true;
    if (t->phase == XF_PHASE_CONNECT)
        enter(t, XF_PHASE_READY, now_us);
    switch (h.type) {
    case XF_PACKET_DATA:
        return XF_FAULT(target_data_seen) ?: receive_data(t, q, &h, (size_t)len, now_us);
    case XF_PACKET_BARRIER:
        return XF_FAULT(target_barrier_seen) ?: receive_barrier(t, q, &h, (size_t)len, now_us);
    case XF_PACKET_PING:
        return XF_FAULT(target_ping_seen) ?: receive_ping(t, q, &h, (size_t)len);
    default:
        return XF_FAULT(target_abort_seen) ?: receive_abort(t, (size_t)len);
    }
}

/* ---- sending ------------------------------------------------------------------------------ */

static void send_answer(struct xf_target *t, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_wire_answer a = {
        .version = XF_PROTOCOL_VERSION,
        .queues = (uint16_t)s->queues,
        .payload_bytes = s->shape.payload_bytes,
        .page_count = t->page_count,
        .udp_port = s->link->self.udp_port,
        .ipv4 = s->link->self.ipv4,
        .credit = t->credit,
    };

    memcpy(a.mac, s->link->self.mac, sizeof(a.mac));
    t->answer_due_us = now_us + XF_HELLO_US;
    if (XF_FAULT(target_answer_send))
        return;
    /* Every other one is as long as data will be: if only the short ones arrive, it is the MTU. */
    if (xf_session_send(s, XF_PACKET_ANSWER, 0, t->queues[0].sequence++, &a, sizeof(a),
                        t->answers % 2 ? 0 : s->shape.body_bytes))
        t->answers++;
    else
        t->answer_due_us = now_us + ANSWER_RETRY_US;
}

static void send_feedback(struct xf_target *t, unsigned queue, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct queue *q = &t->queues[queue];
    struct {
        struct xf_wire_feedback fb;
        struct xf_wire_range ranges[(XF_PAYLOAD_MIN - 96) / sizeof(struct xf_wire_range)];
    } m;
    const unsigned max = sizeof(m.ranges) / sizeof(m.ranges[0]);

    if (XF_FAULT(target_feedback_send) ||
        (t->phase == XF_PHASE_DONE && XF_FAULT(target_complete_send)))
        return;
    memset(&m.fb, 0, sizeof(m.fb));
    m.fb.round = t->round;
    m.fb.base = s->windows[queue].base;
    m.fb.ranges = (uint16_t)xf_window_missing(&s->windows[queue], m.ranges, max, &m.fb.horizon);
    m.fb.landed = t->landing.landed;
    m.fb.stamp_us = q->stamp_us;
    m.fb.credit = (uint16_t)t->credit;
    m.fb.late = xf_wire_late(now_us - t->unseen_since_us);
    m.fb.flags = (uint16_t)((t->ready ? XF_FEEDBACK_READY : 0) |
                            (t->phase == XF_PHASE_DONE ? XF_FEEDBACK_COMPLETE : 0));
    if (!xf_session_send(s, XF_PACKET_FEEDBACK, queue, q->sequence++, &m,
                         sizeof(m.fb) + m.fb.ranges * sizeof(m.ranges[0]), 0))
        return; /* asked stays: at the next step again */
    q->asked = false;
    q->news = 0;
    q->told_us = now_us;
}

static void send_due(struct xf_target *t, uint64_t now_us)
{
    if (t->phase == XF_PHASE_CONNECT) {
        if (now_us >= t->answer_due_us)
            send_answer(t, now_us);
        return;
    }
    for (unsigned i = 0; i < t->session.queues; i++) {
        struct queue *q = &t->queues[i];
        uint64_t since = now_us - q->told_us;

        if (q->asked || q->news >= FEEDBACK_PACKETS || (q->news && since >= FEEDBACK_US) ||
            since >= XF_HEARTBEAT_US)
            send_feedback(t, i, now_us);
    }
}

/* ---- the public functions ----------------------------------------------------------------- */

static int fail(struct xf_target *t, int rc, uint64_t now_us)
{
    struct xf_session *s = &t->session;

    if (t->phase != XF_PHASE_FAILED) {
        xf_session_fail(s, rc, "%s", strerror(-rc));
        if (rc != -ECONNABORTED && !XF_FAULT(target_refuse_send))
            xf_session_send_reason(s, &t->queues[0].sequence, rc, s->error);
        enter(t, XF_PHASE_FAILED, now_us);
    }
    return rc;
}

static int check_times(struct xf_target *t, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    int rc = XF_FAULT(target_health) ?: s->link->ops->health(s->link);

    if (rc)
        return xf_session_fail(s, rc, "the migration port failed: %s", strerror(-rc));
    uint64_t limit = t->heard ? t->config.peer_timeout_us : t->config.hello_timeout_us;

    if (now_us - s->heard_us <= limit)
        return 0;
    if (!t->heard)
        return xf_session_fail(s, -ETIMEDOUT,
                               "no packet from the source over the migration link in %llu s: check "
                               "port, cable, VLAN and MTU at both ends",
                               (unsigned long long)(limit / 1000000));
    return xf_session_fail(s, -ETIMEDOUT, "the source has been silent for %llu s",
                           (unsigned long long)(limit / 1000000));
}

int xf_target_step(struct xf_target *t, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_buf bufs[XF_BURST_MAX];
    int rc = 0;

    if (t->phase == XF_PHASE_FAILED)
        return -ECANCELED;
    t->idle = true;
    struct xf_laps *laps = &s->stats.laps;
    bool emptied = true;

    xf_laps_begin(laps);
    for (unsigned q = 0; q < s->link->queues && !rc; q++) {
        unsigned n = s->link->ops->rx_burst(s->link, q, bufs, XF_BURST_MAX);

        xf_lap(laps, XF_STAGE_receive);
        if (n) {
            t->idle = false;
            t->unseen_since_us = t->emptied_us;
        }
        emptied = emptied && n < XF_BURST_MAX;
        for (unsigned i = 0; i < n && !rc; i++) {
            rc = receive(t, &bufs[i], now_us);
            xf_lap_packet(laps, XF_STAGE_bookkeeping);
        }
        if (n)
            xf_lap_packets(laps, XF_STAGE_bookkeeping);
        s->link->ops->rx_free(s->link, q, bufs, n);
        xf_lap(laps, XF_STAGE_receive);
    }
    if (emptied)
        t->emptied_us = now_us;
    if (!rc)
        rc = end_round_if_complete(t, now_us); /* a sink may have asked to wait */
    if (!rc && t->phase != XF_PHASE_DONE)
        rc = check_times(t, now_us);
    if (rc)
        return fail(t, rc, now_us);
    xf_lap(laps, XF_STAGE_bookkeeping);
    send_due(t, now_us);
    xf_lap(laps, XF_STAGE_transmit);
    if (now_us - t->progress_us >= XF_PROGRESS_US)
        progress(t, now_us);
    xf_laps_end(laps, t->idle);
    return t->phase == XF_PHASE_DONE ? XF_SESSION_DONE : 0;
}

bool xf_target_idle(const struct xf_target *t)
{
    return t->idle;
}

void xf_target_ready(struct xf_target *t)
{
    t->ready = true;
    for (unsigned q = 0; q < t->session.queues; q++)
        t->queues[q].asked = true;
}

void xf_target_abort(struct xf_target *t, const char *reason)
{
    xf_session_fail(&t->session, -ECANCELED, "%s", reason);
    if (t->phase != XF_PHASE_DONE)
        fail(t, -ECANCELED, t->session.heard_us);
}

const char *xf_target_error(const struct xf_target *t)
{
    return t->session.error;
}

const struct xf_stats *xf_target_stats(const struct xf_target *t)
{
    return &t->session.stats;
}
