/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, reflector: what a target says, without one. */
#include "bench_reflector.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/seal.h"

/* As transport/target_lane.c and session.h have them. */
#define FEEDBACK_PACKETS 32u
#define FEEDBACK_US      500u
#define HEARTBEAT_US     100000u
#define HELLO_US         50000u
#define CREDIT           4096u

/* With what a NIC's frame has around a payload. */
#define FRAME_BYTES  42u
#define BUFFER_BYTES 9216u
static_assert(BUFFER_BYTES % 64 == 0, "buffers begin at a cache line");

struct queue {
    _Alignas(64) uint64_t expected; /* the next sequence */
    uint64_t sequence;              /* ours */
    uint64_t stamp_us;              /* of the newest PING */
    uint64_t told_us;
    uint32_t arrived; /* since then */
    uint32_t told_round;
    bool asked; /* for feedback at once */
    unsigned next;
    uint8_t *buffers;
    _Alignas(64) uint8_t plain[XF_PAYLOAD_MAX], sealed[XF_PAYLOAD_MAX];
};

struct xf_reflector {
    struct xf_link link; /* first */
    struct xf_seal *seal;
    struct xf_wire_shape shape;
    uint64_t page_count;
    uint32_t tag;
    xf_reflector_keep *keep;
    void *keep_arg;
    struct queue *queues;
    uint64_t answered_us; /* queue 0's */
    _Alignas(64) _Atomic uint32_t round;
    _Atomic bool complete, heard, broken;
};

static struct xf_reflector *of(struct xf_link *link)
{
    return (struct xf_reflector *)link;
}

/* ---- from the source ------------------------------------------------------------------------ */

static unsigned tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct queue *q = &of(link)->queues[queue];

    for (unsigned i = 0; i < n; i++)
        bufs[i] = (struct xf_buf){
            .data = q->buffers + (size_t)(q->next++ % XF_REFLECTOR_BUFFERS) * BUFFER_BYTES,
            .cap = link->payload_bytes,
        };
    return n;
}

static void tx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    (void)link;
    (void)queue;
    (void)bufs;
    (void)n;
}

/* All lanes have sent all of the round by then, and nothing was lost. */
static void end_round(struct xf_reflector *r, const struct xf_wire_barrier *b)
{
    if (b->round != atomic_load_explicit(&r->round, memory_order_relaxed))
        return; /* once more */
    if (b->flags & XF_BARRIER_FINAL)
        atomic_store_explicit(&r->complete, true, memory_order_relaxed);
    atomic_store_explicit(&r->round, b->round + 1, memory_order_release);
}

/* A PING or BARRIER. False: it is none. */
static bool take_small(struct xf_reflector *r, struct queue *q, const struct xf_wire_header *h,
                       const struct xf_buf *buf)
{
    const size_t len = buf->len - sizeof(*h) - XF_TAG_BYTES;
    const uint8_t *body = buf->data + sizeof(*h);
    struct xf_wire_barrier barrier;
    struct xf_wire_ping ping;

    if (xf_seal_open(r->seal, h, body, len, body + len, q->plain))
        return false;
    q->asked = true;
    if (h->type == XF_PACKET_PING && len >= sizeof(ping)) {
        memcpy(&ping, q->plain, sizeof(ping));
        q->stamp_us = ping.stamp_us;
        return true;
    }
    if (h->type != XF_PACKET_BARRIER || len < sizeof(barrier))
        return false;
    memcpy(&barrier, q->plain, sizeof(barrier));
    end_round(r, &barrier);
    return true;
}

static void take(struct xf_reflector *r, unsigned queue, const struct xf_buf *buf)
{
    struct queue *q = &r->queues[queue];
    struct xf_wire_header h;

    memcpy(&h, buf->data, sizeof(h));
    if (r->keep)
        r->keep(r->keep_arg, queue, atomic_load_explicit(&r->round, memory_order_relaxed),
                buf->data, buf->len);
    if (h.queue != queue || h.session_tag != r->tag || h.sequence != q->expected++ ||
        (h.type != XF_PACKET_DATA && h.type != XF_PACKET_ABORT && !take_small(r, q, &h, buf)))
        atomic_store_explicit(&r->broken, true, memory_order_relaxed);
    q->arrived++;
}

static unsigned tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_reflector *r = of(link);

    for (unsigned i = 0; i < n; i++)
        take(r, queue, &bufs[i]);
    if (n && !atomic_load_explicit(&r->heard, memory_order_relaxed))
        atomic_store_explicit(&r->heard, true, memory_order_relaxed);
    return n;
}

/* ---- to the source -------------------------------------------------------------------------- */

/* Of the first len bytes of `plain`. */
static void say(struct xf_reflector *r, unsigned queue, enum xf_packet_type type, size_t len,
                struct xf_buf *buf)
{
    struct queue *q = &r->queues[queue];
    const struct xf_wire_header h = {.version = XF_WIRE_VERSION,
                                     .type = (uint8_t)type,
                                     .queue = (uint16_t)queue,
                                     .session_tag = r->tag,
                                     .sequence = q->sequence++};
    struct xf_seal_run run;

    memcpy(q->sealed, &h, sizeof(h));
    xf_seal_begin(r->seal, &run, &h);
    xf_seal_update(r->seal, &run, q->sealed + sizeof(h), q->plain, len);
    xf_seal_end(r->seal, &run, q->sealed + sizeof(h) + len);
    *buf = (struct xf_buf){.data = q->sealed, .len = (uint32_t)(sizeof(h) + len + XF_TAG_BYTES)};
}

static void say_answer(struct xf_reflector *r, struct xf_buf *buf)
{
    const struct xf_wire_answer a = {
        .version = XF_PROTOCOL_VERSION,
        .queues = (uint16_t)r->link.queues,
        .payload_bytes = r->link.payload_bytes,
        .page_count = r->page_count,
        .credit = CREDIT,
    };
    uint8_t *plain = r->queues[0].plain;

    memset(plain, 0, r->shape.body_bytes);
    memcpy(plain, &a, sizeof(a));
    say(r, 0, XF_PACKET_ANSWER, r->shape.body_bytes, buf); /* as long as data */
}

static void say_feedback(struct xf_reflector *r, unsigned queue, uint32_t round, uint64_t now_us,
                         struct xf_buf *buf)
{
    struct queue *q = &r->queues[queue];
    const bool complete = atomic_load_explicit(&r->complete, memory_order_relaxed);
    const struct xf_wire_feedback fb = {
        .round = round,
        .base = q->expected,
        .horizon = q->expected,
        .stamp_us = q->stamp_us,
        .credit = CREDIT,
        .flags = (uint16_t)(XF_FEEDBACK_READY | (complete ? XF_FEEDBACK_COMPLETE : 0)),
    };

    memcpy(q->plain, &fb, sizeof(fb));
    say(r, queue, XF_PACKET_FEEDBACK, sizeof(fb), buf);
    q->asked = false;
    q->arrived = 0;
    q->told_us = now_us;
    q->told_round = round;
}

/* One at a time. */
static unsigned rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_reflector *r = of(link);
    struct queue *q = &r->queues[queue];
    const uint32_t round = atomic_load_explicit(&r->round, memory_order_acquire);
    const uint64_t now_us = xf_now_us(), since = now_us - q->told_us;

    if (!n)
        return 0;
    if (!atomic_load_explicit(&r->heard, memory_order_relaxed)) {
        if (queue || (r->answered_us && now_us - r->answered_us < HELLO_US))
            return 0;
        r->answered_us = now_us;
        say_answer(r, bufs);
        return 1;
    }
    if (!q->asked && round == q->told_round && q->arrived < FEEDBACK_PACKETS &&
        !(q->arrived && since >= FEEDBACK_US) && since < HEARTBEAT_US)
        return 0;
    say_feedback(r, queue, round, now_us, bufs);
    return 1;
}

static void set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    (void)peer;
}

static void no_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    (void)link;
    memset(out, 0, sizeof(*out));
}

static int health(struct xf_link *link)
{
    return atomic_load_explicit(&of(link)->broken, memory_order_relaxed) ? -EPROTO : 0;
}

static void no_close(struct xf_link *link)
{
    (void)link;
}

/* ---- its life ------------------------------------------------------------------------------- */

static const struct xf_link_ops ops = {
    .tx_alloc = tx_alloc,
    .tx_burst = tx_burst,
    .tx_free = tx_free,
    .rx_burst = rx_burst,
    .rx_free = tx_free,
    .set_peer = set_peer,
    .stats = no_stats,
    .health = health,
    .close = no_close,
};

static int make(struct xf_reflector *r, struct xf_offer *offer)
{
    const size_t bytes = (size_t)XF_REFLECTOR_BUFFERS * BUFFER_BYTES;
    int rc = xf_wire_shape(&r->shape, r->link.payload_bytes);

    if (rc || r->link.payload_bytes > BUFFER_BYTES)
        return -EMSGSIZE;
    r->queues = aligned_alloc(_Alignof(struct queue), r->link.queues * sizeof(r->queues[0]));
    if (!r->queues)
        return -ENOMEM;
    memset(r->queues, 0, r->link.queues * sizeof(r->queues[0]));
    for (unsigned i = 0; i < r->link.queues; i++) {
        struct queue *q = &r->queues[i];

        q->told_round = 1;
        q->buffers = aligned_alloc(64, bytes);
        if (!q->buffers)
            return -ENOMEM;
        memset(q->buffers, 0, bytes);
    }
    rc = xf_offer_new(offer, &r->link, r->page_count);
    memcpy(&r->tag, offer->session_id, sizeof(r->tag));
    return rc ?: xf_seal_new(&r->seal, offer->secret, offer->session_id, XF_ROLE_TARGET);
}

int xf_reflector_new(struct xf_reflector **out, unsigned queues, uint32_t payload_bytes,
                     uint64_t page_count, struct xf_offer *offer)
{
    struct xf_reflector *r = aligned_alloc(_Alignof(struct xf_reflector), sizeof(*r));
    int rc;

    *out = NULL;
    if (!r)
        return -ENOMEM;
    memset(r, 0, sizeof(*r));
    r->link = (struct xf_link){
        .ops = &ops, .queues = queues, .payload_bytes = payload_bytes, .frame_bytes = FRAME_BYTES};
    r->page_count = page_count;
    atomic_init(&r->round, 1);
    rc = make(r, offer);
    if (rc) {
        xf_offer_wipe(offer);
        xf_reflector_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void xf_reflector_free(struct xf_reflector *r)
{
    if (!r)
        return;
    for (unsigned i = 0; r->queues && i < r->link.queues; i++)
        free(r->queues[i].buffers);
    free(r->queues);
    xf_seal_free(r->seal);
    free(r);
}

struct xf_link *xf_reflector_link(struct xf_reflector *r)
{
    return &r->link;
}

void xf_reflector_keep_with(struct xf_reflector *r, xf_reflector_keep *keep, void *arg)
{
    r->keep = keep;
    r->keep_arg = arg;
}
