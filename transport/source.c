/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source: guest memory in, packets out. The sequence of messages is drawn in target.c.
 *
 *     CONNECT --ANSWER--> READY --FEEDBACK(ready)--> LIVE --stop--> FINAL --FEEDBACK(complete)--> DONE
 *        \_________________\__________________________\_______________\---> FAILED
 *
 * A round is: [a round of POPULATE records if pages are new to the target;] every page of the dirty
 * bitmap once; BARRIER, repeated until the target has counted them all. The bitmap is fetched (and
 * cleared) before the round's first page is read, so whatever changes after a page was read is in the
 * next bitmap: that is why a lost page can be read again, possibly newer, and is still right.
 *
 * The guest is suspended between the last live round and FINAL. Whoever owns the guest may resume it
 * after any failure: nothing here lets the target start before the final barrier is counted.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "encode.h"
#include "inflight.h"
#include "pace.h"
#include "session.h"

#define TX_BURST 32u
#define PING_US  20000u
/* Before a first sample. */
#define RTT_START_US 5000u
/* A missing packet that is younger is taken for reordered. */
#define REORDER_MIN_US 1000u
#define PROBE_MAX_US   100000u
/* A rate taken from fewer pages than this says little. */
#define RATE_PAGES_MIN 256u

struct queue {
    struct xf_inflight inflight;
    struct xf_pace pace;
    struct xf_buf pending[TX_BURST]; /* sealed, but the link had no room */
    unsigned pending_n;
    uint64_t pinged_us;
    uint64_t stamp_seen_us; /* newest echo of a ping */
};

struct xf_source {
    struct xf_session session;
    struct xf_source_config config;
    struct xf_guest_source guest;
    struct xf_encoder encoder;
    struct xf_bucket bucket;
    enum xf_phase phase;
    bool idle, target_ready;
    uint32_t short_answers; /* ANSWERs that came without padding */
    uint64_t rtt_us, phase_us, progress_us;

    uint32_t round;       /* on the wire; 0 before the first */
    uint32_t live_rounds; /* of pages, done */
    uint32_t stalled_rounds;
    bool populating;
    uint64_t round_us, round_pages, round_raw_before;
    uint64_t bytes_per_s; /* of the newest round that was long enough to tell */
    uint64_t predicted_us;
    bool barrier_sent;
    uint64_t barrier_us, barrier_wait_us;

    uint64_t *populated; /* pages that the target has memory for */
    uint64_t *todo;      /* pages of this round, or of the one after this round of POPULATE */
    uint64_t *fresh;     /* pages to populate */
    struct queue *queues;
};

void xf_source_config_init(struct xf_source_config *config)
{
    memset(config, 0, sizeof(*config));
    xf_policy_init(&config->policy);
    config->answer_timeout_us = 30000000;
    config->ready_timeout_us = 60000000;
    config->peer_timeout_us = 30000000;
}

static void progress(struct xf_source *s, uint64_t now_us)
{
    s->progress_us = now_us;
    if (!s->config.progress)
        return;
    uint64_t done = s->encoder.pages_sent - s->encoder.pages_repaired -
                    (s->session.stats.pages_sent - s->session.stats.pages_repaired);
    struct xf_progress p = {
        .phase = s->phase,
        .round = s->populating ? 0 : s->live_rounds + 1,
        .round_pages = s->round_pages,
        .round_done = s->populating ? 0 : done,
        .round_us = now_us - s->round_us,
        .bytes_per_s = s->bytes_per_s,
        .predicted_blackout_us = s->predicted_us,
        .now_us = now_us,
        .stats = &s->session.stats,
    };

    s->config.progress(s->config.progress_arg, &p);
}

static void enter(struct xf_source *s, enum xf_phase phase, uint64_t now_us)
{
    s->phase = phase;
    s->phase_us = now_us;
    progress(s, now_us);
}

int xf_source_new(struct xf_source **out, const struct xf_source_config *config,
                  const struct xf_guest_source *guest, struct xf_link *link, uint64_t now_us)
{
    struct xf_source *s;
    int rc = -EINVAL;

    *out = NULL;
    if (config->offer.queues == 0 || config->offer.queues > XF_QUEUES_MAX ||
        config->offer.queues > link->queues || config->offer.page_count != guest->page_count ||
        guest->page_count == 0)
        return -EINVAL;
    s = aligned_alloc(_Alignof(struct xf_source), sizeof(*s));
    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof(*s));
    s->config = *config;
    s->guest = *guest;
    xf_encoder_init(&s->encoder, &s->guest, &s->session.shape);
    rc = xf_session_init(&s->session, &config->offer, XF_ROLE_SOURCE, link, now_us);
    xf_offer_wipe(&s->config.offer); /* the keys are made: the secret is not needed again */
    if (!rc)
        rc = xf_wire_shape(&s->session.shape, link->payload_bytes);
    if (rc)
        goto fail;
    rc = -ENOMEM;
    s->populated = xf_bitmap_new(guest->page_count);
    s->todo = xf_bitmap_new(guest->page_count);
    s->fresh = xf_bitmap_new(guest->page_count);
    s->queues = calloc(s->session.queues, sizeof(s->queues[0]));
    if (!s->populated || !s->todo || !s->fresh || !s->queues)
        goto fail;
    for (unsigned q = 0; q < s->session.queues; q++) {
        rc = xf_inflight_init(&s->queues[q].inflight);
        if (rc)
            goto fail;
    }
    xf_bucket_init(&s->bucket, config->bandwidth_bytes_per_s, now_us);
    s->rtt_us = RTT_START_US;
    s->phase = XF_PHASE_CONNECT;
    s->phase_us = s->round_us = now_us;
    *out = s;
    return 0;
fail:
    xf_source_free(s);
    return rc;
}

void xf_source_free(struct xf_source *s)
{
    if (!s)
        return;
    xf_encoder_fini(&s->encoder);
    for (unsigned q = 0; s->queues && q < s->session.queues; q++) {
        struct xf_link *link = s->session.link;

        if (s->queues[q].pending_n)
            link->ops->tx_free(link, q, s->queues[q].pending, s->queues[q].pending_n);
        xf_inflight_fini(&s->queues[q].inflight);
    }
    free(s->queues);
    free(s->fresh);
    free(s->todo);
    free(s->populated);
    xf_session_fini(&s->session);
    free(s);
}

/* ---- rounds ------------------------------------------------------------------------------- */

static void begin_round(struct xf_source *s, bool populating, uint64_t now_us)
{
    s->round++;
    s->populating = populating;
    s->round_us = now_us;
    s->round_raw_before = s->encoder.pages_raw;
    s->barrier_sent = false;
    s->barrier_wait_us = 0;
    xf_encoder_round(&s->encoder, populating ? s->fresh : s->todo, populating);
    s->round_pages = xf_bitmap_count(populating ? s->fresh : s->todo, s->guest.page_count);
    progress(s, now_us);
}

/*
 * Pages of todo for which the target has no memory: those with content get a round of POPULATE first,
 * the others leave todo.
 */
static int begin_rounds_of_todo(struct xf_source *s, uint64_t now_us)
{
    const uint64_t words = xf_bitmap_words(s->guest.page_count);
    uint64_t any = 0;

    for (uint64_t w = 0; w < words; w++) {
        s->fresh[w] = s->todo[w] & ~s->populated[w];
        any |= s->fresh[w];
    }
    if (any) {
        int rc = s->guest.ops->present(s->guest.ctx, s->fresh);

        if (rc)
            return xf_session_fail(&s->session, rc, "cannot tell which pages the guest has: %s",
                                   strerror(-rc));
        any = 0;
        for (uint64_t w = 0; w < words; w++) {
            s->populated[w] |= s->fresh[w];
            s->todo[w] &= s->populated[w];
            any |= s->fresh[w];
        }
    }
    begin_round(s, any != 0, now_us);
    return 0;
}

static int start_live(struct xf_source *s, uint64_t now_us)
{
    int rc = s->guest.ops->start(s->guest.ctx, s->todo);

    if (rc)
        return xf_session_fail(&s->session, rc, "cannot start logging dirty pages: %s",
                               strerror(-rc));
    const uint64_t words = xf_bitmap_words(s->guest.page_count);

    memcpy(s->populated, s->todo, words * sizeof(s->todo[0]));
    memcpy(s->fresh, s->todo, words * sizeof(s->todo[0]));
    s->session.stats.pages_total = xf_bitmap_count(s->todo, s->guest.page_count);
    s->session.stats.live_us = now_us;
    enter(s, XF_PHASE_LIVE, now_us);
    begin_round(s, true, now_us);
    return 0;
}

static int fetch_dirty(struct xf_source *s, uint64_t *into, bool final, uint64_t *count)
{
    int rc = s->guest.ops->dirty(s->guest.ctx, into, final, count);

    return rc ? xf_session_fail(&s->session, rc, "cannot fetch the dirty bitmap: %s",
                                strerror(-rc))
              : 0;
}

/* Suspends the guest and makes todo the last round's: what was dirty, and what became so meanwhile. */
static int stop_and_copy(struct xf_source *s, uint64_t now_us)
{
    uint64_t count;
    int rc;

    s->session.stats.suspend_us = now_us;
    enter(s, XF_PHASE_FINAL, now_us);
    rc = s->guest.ops->suspend(s->guest.ctx);
    if (rc)
        return xf_session_fail(&s->session, rc, "the guest did not suspend: %s", strerror(-rc));
    rc = fetch_dirty(s, s->fresh, true, &count);
    if (rc)
        return rc;
    for (uint64_t w = 0; w < xf_bitmap_words(s->guest.page_count); w++)
        s->todo[w] |= s->fresh[w];
    return begin_rounds_of_todo(s, now_us);
}

static void measure_rate(struct xf_source *s, uint64_t now_us)
{
    const struct xf_stats *st = &s->session.stats;
    uint64_t raw = s->encoder.pages_raw - s->round_raw_before;
    uint64_t us = now_us - s->round_us;

    if (raw < RATE_PAGES_MIN && s->bytes_per_s)
        return;
    if (raw < RATE_PAGES_MIN) {
        raw = s->encoder.pages_sent;
        us = now_us - st->live_us;
    }
    if (us)
        s->bytes_per_s = (uint64_t)((double)raw * (double)XF_PAGE_BYTES * 1e6 / (double)us);
}

/* A round of pages is over while the guest runs: what next? */
static int after_live_round(struct xf_source *s, uint64_t now_us)
{
    struct xf_round_result r = {.sent_pages = s->round_pages};
    int rc;

    s->live_rounds++;
    rc = fetch_dirty(s, s->todo, false, &r.dirty_pages);
    if (rc)
        return rc;
    s->stalled_rounds = s->live_rounds > 1 && xf_policy_stalled(s->round_pages, r.dirty_pages)
                            ? s->stalled_rounds + 1
                            : 0;
    r.round = s->live_rounds;
    r.bytes_per_s = s->bytes_per_s;
    r.stalled_rounds = s->stalled_rounds;
    switch (xf_policy_next(&s->config.policy, &r, &s->predicted_us)) {
    case XF_ROUND_AGAIN:
        return begin_rounds_of_todo(s, now_us);
    case XF_ROUND_STOP:
        return stop_and_copy(s, now_us);
    default:
        return xf_session_fail(&s->session, -EBUSY,
                               "the guest writes memory faster than the link carries it: a stop now "
                               "would take %llu ms of at most %llu",
                               (unsigned long long)(s->predicted_us / 1000),
                               (unsigned long long)(s->config.policy.max_downtime_us / 1000));
    }
}

static void take_counts(struct xf_source *s)
{
    struct xf_stats *st = &s->session.stats;

    st->pages_sent = s->encoder.pages_sent;
    st->pages_zero = s->encoder.pages_zero;
    st->pages_repaired = s->encoder.pages_repaired;
}

/* The target has counted every page of the round. */
static int end_round(struct xf_source *s, uint64_t now_us)
{
    struct xf_stats *st = &s->session.stats;

    for (unsigned q = 0; q < s->session.queues; q++)
        xf_inflight_settle(&s->queues[q].inflight);
    if (s->populating) {
        begin_round(s, false, now_us);
        return 0;
    }
    st->rounds++;
    measure_rate(s, now_us);
    progress(s, now_us);
    take_counts(s);
    if (s->phase == XF_PHASE_LIVE)
        return after_live_round(s, now_us);
    st->done_us = now_us;
    enter(s, XF_PHASE_DONE, now_us);
    return 0;
}

/* ---- receiving ---------------------------------------------------------------------------- */

static int receive_answer(struct xf_source *s, size_t len, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    struct xf_wire_answer a;
    struct xf_wire_shape shape;

    if (s->phase != XF_PHASE_CONNECT)
        return 0;
    if (len < sizeof(a)) {
        xf_session_reject(ss, XF_REJECT_malformed);
        return xf_session_fail(ss, -EPROTO, "the target sent an answer that cannot be");
    }
    memcpy(&a, ss->plain, sizeof(a));
    if (a.version != XF_PROTOCOL_VERSION || a.page_count != s->guest.page_count ||
        a.queues != ss->queues || a.payload_bytes > ss->link->payload_bytes || a.credit == 0 ||
        xf_wire_shape(&shape, a.payload_bytes)) {
        xf_session_reject(ss, XF_REJECT_malformed);
        return xf_session_fail(ss, -EPROTO, "the target's answer does not fit the offer");
    }
    if (len != shape.body_bytes) {
        /* A short one shows only that the way exists; wait for one as long as data will be. */
        s->short_answers++;
        return 0;
    }
    struct xf_link_addr peer = {.udp_port = a.udp_port, .ipv4 = a.ipv4};

    memcpy(peer.mac, a.mac, sizeof(peer.mac));
    ss->shape = shape;
    ss->link->ops->set_peer(ss->link, &peer);
    for (unsigned q = 0; q < ss->queues; q++)
        xf_pace_init(&s->queues[q].pace, a.credit, now_us);
    enter(s, XF_PHASE_READY, now_us);
    return 0;
}

static int repair_lost(void *arg, const struct xf_sent *sent)
{
    struct xf_source *s = arg;

    s->session.stats.packets_lost++;
    return xf_encoder_repair(&s->encoder, sent->records, sent->count);
}

static void take_rtt(struct xf_source *s, struct queue *q, uint64_t stamp_us, uint64_t now_us)
{
    if (stamp_us <= q->stamp_seen_us || stamp_us > now_us)
        return;
    q->stamp_seen_us = stamp_us;
    uint64_t sample = now_us - stamp_us;

    s->rtt_us = s->rtt_us - s->rtt_us / 8 + sample / 8;
}

static int receive_feedback(struct xf_source *s, unsigned queue, size_t len, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    struct queue *q = &s->queues[queue];
    struct xf_wire_feedback fb;
    uint64_t reorder_us = s->rtt_us + s->rtt_us / 4;
    uint32_t acked = 0, lost = 0;
    int rc = xf_wire_check_feedback(ss->plain, len);

    if (rc) {
        xf_session_reject(ss, XF_REJECT_malformed);
        return xf_session_fail(ss, -EPROTO, "the target sent feedback that cannot be");
    }
    if (s->phase == XF_PHASE_CONNECT)
        return 0; /* it overtook the ANSWER */
    memcpy(&fb, ss->plain, sizeof(fb));
    /* A round ends when its barrier was sent and counted, and one at a time. */
    if (fb.round > s->round + 1 || (fb.round == s->round + 1 && s->round && !s->barrier_sent)) {
        xf_session_reject(ss, XF_REJECT_dishonest_ack);
        return xf_session_fail(ss, -EPROTO, "the target counts rounds that were not sent");
    }
    take_rtt(s, q, fb.stamp_us, now_us);
    rc = xf_inflight_feedback(&q->inflight, &fb,
                              (const struct xf_wire_range *)(ss->plain + sizeof(fb)), now_us,
                              reorder_us < REORDER_MIN_US ? REORDER_MIN_US : reorder_us,
                              repair_lost, s, &acked, &lost);
    if (rc == -EBADMSG) {
        xf_session_reject(ss, XF_REJECT_dishonest_ack);
        return xf_session_fail(ss, -EPROTO, "the target acknowledges what was never sent");
    }
    if (rc)
        return rc;
    xf_pace_feedback(&q->pace, acked, lost, fb.credit, s->rtt_us, now_us);
    if (fb.flags & XF_FEEDBACK_READY)
        s->target_ready = true;
    if (s->phase == XF_PHASE_READY && s->target_ready)
        return start_live(s, now_us);
    if (s->round && fb.round == s->round + 1)
        return end_round(s, now_us);
    return 0;
}

static int receive_refuse(struct xf_source *s, size_t len)
{
    struct xf_wire_reason r;
    char text[XF_REASON_BYTES + 1] = "";

    if (len == sizeof(r)) {
        memcpy(&r, s->session.plain, sizeof(r));
        xf_wire_reason_text(text, &r);
    }
    return xf_session_fail(&s->session, -ECONNABORTED, "the target refuses: %s", text);
}

static int receive(struct xf_source *s, const struct xf_buf *buf, uint64_t now_us)
{
    struct xf_wire_header h;
    int len = xf_session_open(&s->session, buf, &h, now_us);

    if (len < 0)
        return 0;
    struct xf_window *w = &s->session.windows[h.queue];

    xf_window_mark(w, h.sequence);
    /* What the target sends is not repaired, so its gaps never fill: the window slides. */
    if (w->horizon > XF_WINDOW_PACKETS / 2)
        xf_window_give_up(w, w->horizon - XF_WINDOW_PACKETS / 2);
    switch (h.type) {
    case XF_PACKET_ANSWER:
        return receive_answer(s, (size_t)len, now_us);
    case XF_PACKET_FEEDBACK:
        return receive_feedback(s, h.queue, (size_t)len, now_us);
    default:
        return receive_refuse(s, (size_t)len);
    }
}

/* ---- sending ------------------------------------------------------------------------------ */

static void seal_packet(struct xf_source *s, unsigned queue, const struct xf_packet *p,
                        struct xf_buf *buf)
{
    struct xf_session *ss = &s->session;
    struct xf_inflight *f = &s->queues[queue].inflight;
    struct xf_seal_run run;
    struct xf_wire_header h;
    struct {
        struct xf_wire_data head;
        struct xf_wire_record records[XF_RECORDS_MAX];
    } body = {
        .head =
            {
                .round = s->round,
                .floor_delta = (uint32_t)(f->next - f->una),
                .records = (uint16_t)p->records_n,
            },
    };
    const size_t head_bytes = sizeof(body.head) + p->records_n * sizeof(body.records[0]);
    uint8_t *out = buf->data + sizeof(h);

    memcpy(body.records, p->records, p->records_n * sizeof(body.records[0]));
    xf_session_header(ss, &h, XF_PACKET_DATA, queue, f->next);
    memcpy(buf->data, &h, sizeof(h));
    xf_seal_begin(ss->seal, &run, &h);
    xf_seal_update(ss->seal, &run, out, &body, head_bytes);
    out += head_bytes;
    for (unsigned i = 0; i < p->parts_n; i++) {
        xf_seal_update(ss->seal, &run, out, p->parts[i], p->part_bytes[i]);
        out += p->part_bytes[i];
    }
    xf_seal_end(ss->seal, &run, out);
    buf->len = (uint32_t)(out + XF_TAG_BYTES - buf->data);
}

static void flush(struct xf_source *s, unsigned queue)
{
    struct queue *q = &s->queues[queue];
    struct xf_link *link = s->session.link;

    if (!q->pending_n)
        return;
    unsigned sent = link->ops->tx_burst(link, queue, q->pending, q->pending_n);

    if (sent)
        s->idle = false;
    q->pending_n -= sent;
    memmove(q->pending, q->pending + sent, q->pending_n * sizeof(q->pending[0]));
}

/* How many packets of pages may go out now. */
static unsigned allowance(const struct queue *q)
{
    uint32_t room = xf_inflight_room(&q->inflight);
    uint32_t n = q->pace.window > q->inflight.outstanding
                     ? q->pace.window - q->inflight.outstanding
                     : 0;

    room = room > XF_INFLIGHT_RESERVE ? room - XF_INFLIGHT_RESERVE : 0;
    if (n > room)
        n = room;
    return n > TX_BURST ? TX_BURST : n;
}

static int send_pages(struct xf_source *s, unsigned queue, uint64_t now_us)
{
    struct queue *q = &s->queues[queue];
    struct xf_link *link = s->session.link;
    struct xf_stats *st = &s->session.stats;
    unsigned n = 0, built = 0;
    int rc = 1;

    flush(s, queue);
    if (q->pending_n || xf_encoder_empty(&s->encoder) || !xf_bucket_open(&s->bucket, now_us))
        return 0;
    n = allowance(q);
    if (n)
        n = link->ops->tx_alloc(link, queue, q->pending, n);
    for (; built < n; built++) {
        struct xf_packet p;
        struct xf_buf *buf = &q->pending[built];

        rc = xf_encoder_next(&s->encoder, &p);
        if (rc <= 0)
            break;
        seal_packet(s, queue, &p, buf);
        xf_inflight_add(&q->inflight, p.records, p.records_n, now_us);
        xf_bucket_take(&s->bucket, buf->len);
        st->packets_sent++;
        st->bytes_wire += buf->len;
    }
    if (built < n)
        link->ops->tx_free(link, queue, q->pending + built, n - built);
    q->pending_n = built;
    if (built)
        s->idle = false;
    flush(s, queue);
    if (rc < 0)
        return xf_session_fail(&s->session, rc, "cannot read the guest's memory: %s",
                               strerror(-rc));
    return 0;
}

/* A control packet, which takes a sequence number but has nothing to repair. */
static void send_small(struct xf_source *s, enum xf_packet_type type, unsigned queue,
                       const void *body, size_t len, size_t body_bytes, uint64_t now_us)
{
    struct xf_inflight *f = &s->queues[queue].inflight;

    if (!xf_inflight_room(f))
        return;
    xf_session_send(&s->session, type, queue, f->next, body, len, body_bytes);
    xf_inflight_add(f, NULL, 0, now_us);
}

static void send_ping(struct xf_source *s, unsigned queue, uint64_t now_us)
{
    struct queue *q = &s->queues[queue];
    struct xf_wire_ping ping = {.floor = q->inflight.una, .stamp_us = now_us};

    q->pinged_us = now_us;
    /* While connecting as long as data will be, so that the target too knows that such ones pass. */
    send_small(s, XF_PACKET_PING, queue, &ping, sizeof(ping),
               s->phase == XF_PHASE_READY ? s->session.shape.body_bytes : 0, now_us);
}

static void send_barrier(struct xf_source *s, uint64_t now_us)
{
    struct xf_wire_barrier b = {
        .round = s->round,
        .flags = s->phase == XF_PHASE_FINAL && !s->populating ? XF_BARRIER_FINAL : 0,
        .pages = s->round_pages,
        .floor = s->queues[0].inflight.una,
    };

    s->barrier_sent = true;
    s->barrier_us = now_us;
    s->barrier_wait_us = s->barrier_wait_us ? s->barrier_wait_us * 2 : s->rtt_us + s->rtt_us / 2;
    if (s->barrier_wait_us > PROBE_MAX_US)
        s->barrier_wait_us = PROBE_MAX_US;
    send_small(s, XF_PACKET_BARRIER, 0, &b, sizeof(b), 0, now_us);
    /* The last packets of other queues may be lost too, with nothing after them to show it. */
    for (unsigned q = 1; q < s->session.queues; q++)
        send_ping(s, q, now_us);
}

static int send_due(struct xf_source *s, uint64_t now_us)
{
    int rc = 0;

    if (s->phase == XF_PHASE_CONNECT || s->phase == XF_PHASE_DONE)
        return 0;
    if (s->phase != XF_PHASE_READY) {
        for (unsigned q = 0; q < s->session.queues && !rc; q++)
            rc = send_pages(s, q, now_us);
        if (rc)
            return rc;
        if (xf_encoder_empty(&s->encoder) &&
            (!s->barrier_sent || now_us - s->barrier_us >= s->barrier_wait_us))
            send_barrier(s, now_us);
    }
    uint64_t every = s->phase == XF_PHASE_READY ? XF_HELLO_US
                     : s->rtt_us > PING_US      ? s->rtt_us
                                                : PING_US;

    for (unsigned q = 0; q < s->session.queues; q++) {
        if (now_us - s->queues[q].pinged_us >= every)
            send_ping(s, q, now_us);
    }
    return 0;
}

/* ---- the public functions ----------------------------------------------------------------- */

static int fail(struct xf_source *s, int rc, uint64_t now_us)
{
    struct xf_session *ss = &s->session;

    if (s->phase != XF_PHASE_FAILED) {
        xf_session_fail(ss, rc, "%s", strerror(-rc));
        if (rc != -ECONNABORTED)
            xf_session_send_reason(ss, &s->queues[0].inflight.next, rc, ss->error);
        take_counts(s);
        enter(s, XF_PHASE_FAILED, now_us);
    }
    return rc;
}

static int check_times(struct xf_source *s, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    int rc = ss->link->ops->health(ss->link);

    if (rc)
        return xf_session_fail(ss, rc, "the migration port failed: %s", strerror(-rc));
    if (s->phase == XF_PHASE_CONNECT && now_us - s->phase_us > s->config.answer_timeout_us) {
        unsigned long long seconds = s->config.answer_timeout_us / 1000000;

        if (s->short_answers)
            return xf_session_fail(ss, -EMSGSIZE,
                                   "only short packets pass the migration link: set the same MTU "
                                   "on both ports and on what lies between them");
        return xf_session_fail(ss, -ETIMEDOUT,
                               "no answer over the migration link in %llu s: check port, address, "
                               "cable and VLAN at both ends",
                               seconds);
    }
    if (s->phase == XF_PHASE_READY && now_us - s->phase_us > s->config.ready_timeout_us)
        return xf_session_fail(ss, -ETIMEDOUT, "the target was not ready to take memory in %llu s",
                               (unsigned long long)(s->config.ready_timeout_us / 1000000));
    if (s->phase != XF_PHASE_CONNECT && now_us - ss->heard_us > s->config.peer_timeout_us)
        return xf_session_fail(ss, -ETIMEDOUT, "the target has been silent for %llu s",
                               (unsigned long long)(s->config.peer_timeout_us / 1000000));
    return 0;
}

int xf_source_step(struct xf_source *s, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    struct xf_buf bufs[XF_BURST_MAX];
    int rc = 0;

    if (s->phase == XF_PHASE_FAILED)
        return -ECANCELED;
    if (s->phase == XF_PHASE_DONE)
        return XF_SESSION_DONE;
    s->idle = true;
    for (unsigned q = 0; q < ss->link->queues && !rc; q++) {
        unsigned n = ss->link->ops->rx_burst(ss->link, q, bufs, XF_BURST_MAX);

        if (n)
            s->idle = false;
        for (unsigned i = 0; i < n && !rc; i++)
            rc = receive(s, &bufs[i], now_us);
        ss->link->ops->rx_free(ss->link, q, bufs, n);
    }
    if (!rc)
        rc = check_times(s, now_us);
    if (!rc)
        rc = send_due(s, now_us);
    if (rc)
        return fail(s, rc, now_us);
    if (now_us - s->progress_us >= XF_PROGRESS_US)
        progress(s, now_us);
    return s->phase == XF_PHASE_DONE ? XF_SESSION_DONE : 0;
}

bool xf_source_idle(const struct xf_source *s)
{
    return s->idle;
}

void xf_source_abort(struct xf_source *s, const char *reason)
{
    if (s->phase == XF_PHASE_DONE || s->phase == XF_PHASE_FAILED)
        return;
    xf_session_fail(&s->session, -ECANCELED, "%s", reason);
    fail(s, -ECANCELED, s->session.heard_us);
}

const char *xf_source_error(const struct xf_source *s)
{
    return s->session.error;
}

const struct xf_stats *xf_source_stats(const struct xf_source *s)
{
    return &s->session.stats;
}
