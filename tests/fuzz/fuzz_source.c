/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the source: bytes from the link, as they come and as a target that lies would seal them,
 * mixed with what an honest one would say, so that all phases are reached. Checked: every packet
 * sent opens at the other end and no sequence number is used twice (it is the nonce); the guest is
 * asked only for pages it has; a damaged packet changes nothing; done is said only of a suspended
 * guest and only when the target said complete.
 */
#include "fuzz.h"

#include <errno.h>

#include "transport/base/bitmap.h"
#include "transport/plan_batches.h"
#include "transport/plan_live.h"
#include "transport/source.h"

#define PAGES    200u
#define PRESENT  150u /* the rest are holes */
#define OPS_MAX  200
#define SEEN_MAX 0x20000u

struct guest {
    uint64_t present[4], dirty[4]; /* PAGES bits */
    bool started, suspended, mapped;
    unsigned batches; /* a tunnel's: asked for so far */
};

static uint8_t memory[PAGES][XF_PAGE_BYTES];

struct harness {
    struct fuzz_in in;
    struct fuzz_link link;
    struct guest guest;
    struct xf_seal *seal; /* the target's */
    struct xf_source *source;
    uint64_t now_us;
    int rc;
    uint64_t next[2]; /* the target's sequence numbers */
    uint64_t sent[2]; /* packets that the source has sent on a queue, as the honest target knows */
    uint32_t round, barrier_round;
    bool barrier, final;
    uint8_t seen[2][SEEN_MAX / 8]; /* sequence numbers of the source */
    uint8_t packet[XF_PAYLOAD_MAX + 64];
    uint8_t body[XF_PAYLOAD_MAX];
    uint8_t plain[XF_PAYLOAD_MAX];
};

/* ---- the guest ---------------------------------------------------------------------------- */

static int guest_start(void *ctx, uint64_t *present, uint64_t *known)
{
    struct guest *g = ctx;

    (void)known;
    FUZZ_CHECK(!g->started);
    g->started = true;
    memcpy(present, g->present, sizeof(g->present));
    return 0;
}

static int guest_dirty(void *ctx, uint64_t *dirty, bool final, uint64_t *count)
{
    struct guest *g = ctx;

    FUZZ_CHECK(g->started && final == g->suspended);
    memcpy(dirty, g->dirty, sizeof(g->dirty));
    memset(g->dirty, 0, sizeof(g->dirty));
    *count = xf_bitmap_count(dirty, PAGES);
    return 0;
}

static int guest_present(void *ctx, uint64_t *candidates)
{
    struct guest *g = ctx;

    for (unsigned i = 0; i < 4; i++)
        candidates[i] &= g->present[i];
    return 0;
}

static int guest_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n, const void **pages)
{
    (void)lane;
    struct guest *g = ctx;

    FUZZ_CHECK(n >= 1 && n <= XF_MAP_BATCH_PAGES);
    for (unsigned i = 0; i < n; i++) {
        FUZZ_CHECK(gfns[i] < PAGES);
        pages[i] = xf_bitmap_test(g->present, gfns[i]) ? memory[gfns[i]] : NULL;
    }
    g->mapped = true;
    return 0;
}

static void guest_unmap(void *ctx, unsigned lane)
{
    (void)lane;
    ((struct guest *)ctx)->mapped = false;
}

static int guest_suspend(void *ctx)
{
    struct guest *g = ctx;

    FUZZ_CHECK(g->started && !g->suspended);
    g->suspended = true;
    return 0;
}

/* The policy has not asked for it. */
static int guest_throttle(void *ctx, unsigned percent)
{
    (void)ctx;
    FUZZ_CHECK(percent == 100);
    return 0;
}

/* A tunnel's: three batches, and each lets itself be waited for. Pages that were not there when
   they were to go come back at any time, and then it is asked once more at its end. */
static int tunnel_dirty(void *ctx, uint64_t *todo, bool final, uint64_t *count)
{
    struct guest *g = ctx;

    FUZZ_CHECK(g->started && !final);
    *count = 0;
    memset(todo, 0, xf_bitmap_words(PAGES) * sizeof(todo[0]));
    if (g->suspended)
        return 0;
    if (g->batches++ % 2 == 0)
        return -EAGAIN;
    if (g->batches <= 6) {
        for (unsigned i = 0; i < PRESENT; i += g->batches) {
            xf_bitmap_set(todo, i);
            ++*count;
        }
    } else {
        g->suspended = true; /* all has been handed over */
    }
    return 0;
}

static const struct xf_guest_source_ops tunnel_ops = {
    .lanes = xf_guest_lanes,
    .start = guest_start,
    .present = guest_present,
    .map = guest_map,
    .unmap = guest_unmap,
    .dirty = tunnel_dirty,
    .keep_still = xf_guest_still,
};

static const struct xf_guest_source_ops guest_ops = {
    .lanes = xf_guest_lanes,
    .start = guest_start,
    .dirty = guest_dirty,
    .present = guest_present,
    .map = guest_map,
    .unmap = guest_unmap,
    .keep_still = xf_guest_still,
};

static const struct xf_guest_control_ops guest_control = {
    .throttle = guest_throttle,
    .suspend = guest_suspend,
};

/* ---- the harness -------------------------------------------------------------------------- */

/* Called for each packet that the source sends. */
static void sent(void *arg, unsigned queue, const struct xf_buf *buf)
{
    struct harness *h = arg;
    struct xf_wire_header head;
    struct xf_wire_data data;
    struct xf_wire_barrier b;

    FUZZ_CHECK(buf->len >= sizeof(head) + XF_TAG_BYTES);
    memcpy(&head, buf->data, sizeof(head));
    size_t len = buf->len - sizeof(head) - XF_TAG_BYTES;

    FUZZ_CHECK(head.queue == queue && head.sequence < SEEN_MAX);
    FUZZ_CHECK(!xf_seal_open(h->seal, &head, buf->data + sizeof(head), len,
                             buf->data + buf->len - XF_TAG_BYTES, h->plain));
    uint8_t *seen = &h->seen[queue][head.sequence / 8];

    FUZZ_CHECK(!(*seen >> head.sequence % 8 & 1));
    *seen |= (uint8_t)(1u << head.sequence % 8);
    if (head.sequence >= h->sent[queue])
        h->sent[queue] = head.sequence + 1;
    switch (head.type) {
    case XF_PACKET_DATA:
        memcpy(&data, h->plain, sizeof(data));
        /* One that the link had no room for may come late; the target drops it. */
        h->round = data.round > h->round ? data.round : h->round;
        break;
    case XF_PACKET_BARRIER:
        FUZZ_CHECK(len == sizeof(b));
        memcpy(&b, h->plain, sizeof(b));
        h->round = b.round;
        h->barrier = true;
        h->barrier_round = b.round;
        h->final |= b.flags & XF_BARRIER_FINAL;
        break;
    default:
        FUZZ_CHECK(head.type == XF_PACKET_PING || head.type == XF_PACKET_ABORT);
    }
}

static uint64_t rejects(struct xf_source *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        n += xf_source_stats(s)->rejects[i];
    return n;
}

static void step(struct harness *h, uint64_t us)
{
    int before = h->rc;

    h->now_us += us;
    h->rc = xf_source_step(h->source, h->now_us);
    FUZZ_CHECK(before >= 0 || h->rc < 0);
    if (h->rc == XF_SESSION_DONE)
        FUZZ_CHECK(h->guest.suspended && h->final);
    if (h->rc < 0)
        FUZZ_CHECK(xf_source_error(h->source)[0]);
}

static size_t seal(struct harness *h, uint8_t type, unsigned queue, int8_t jump, size_t len)
{
    uint64_t sequence = h->next[queue] + (uint64_t)(int64_t)jump;

    if (jump >= 0)
        h->next[queue] = sequence + 1;
    return fuzz_seal(h->seal, h->packet, type, (uint16_t)queue, sequence, h->body, len);
}

static void deliver(struct harness *h, unsigned queue, size_t len)
{
    fuzz_deliver(&h->link, queue % h->link.link.queues, h->packet, len);
    step(h, 50);
}

static void op_raw(struct harness *h)
{
    size_t len = fuzz_u16(&h->in) % 512;

    fuzz_take(&h->in, h->packet, len);
    deliver(h, 0, len);
}

static void op_sealed(struct harness *h)
{
    uint8_t type = fuzz_u8(&h->in);
    unsigned queue = fuzz_u8(&h->in) % 2;
    int8_t jump = fuzz_s8(&h->in);
    size_t len = fuzz_u16(&h->in) % 512;

    fuzz_take(&h->in, h->body, len);
    deliver(h, queue, seal(h, type, queue, jump, len));
}

static void op_answer(struct harness *h)
{
    uint8_t lies = fuzz_u8(&h->in);
    struct xf_wire_shape shape;
    struct xf_wire_answer a = {0};

    a.version = lies & 1 ? fuzz_u16(&h->in) : XF_PROTOCOL_VERSION;
    a.queues = lies & 2 ? fuzz_u16(&h->in) : (uint16_t)h->link.link.queues;
    a.payload_bytes = lies & 4 ? fuzz_u16(&h->in) : h->link.link.payload_bytes;
    a.page_count = lies & 8 ? fuzz_u16(&h->in) : PAGES;
    a.credit = lies & 16 ? fuzz_u16(&h->in) : 1000;
    size_t len = sizeof(a);

    memset(h->body, 0, sizeof(h->body));
    memcpy(h->body, &a, sizeof(a));
    if (!(lies & 32) && !xf_wire_shape(&shape, a.payload_bytes))
        len = shape.body_bytes;
    deliver(h, 0, seal(h, XF_PACKET_ANSWER, 0, 0, len));
}

/* What an honest target would say that has received all. */
static struct xf_wire_feedback honest(const struct harness *h, unsigned queue)
{
    return (struct xf_wire_feedback){
        .round = h->barrier ? h->barrier_round + 1
                 : h->round ? h->round
                            : 1,
        .base = h->sent[queue],
        .horizon = h->sent[queue],
        .credit = 1000,
        .stamp_us = h->now_us,
        .flags = XF_FEEDBACK_READY,
    };
}

static void op_honest(struct harness *h)
{
    unsigned queue = fuzz_u8(&h->in) % h->link.link.queues;
    struct xf_wire_feedback fb = honest(h, queue);

    memcpy(h->body, &fb, sizeof(fb));
    deliver(h, queue, seal(h, XF_PACKET_FEEDBACK, queue, 0, sizeof(fb)));
}

static void op_feedback(struct harness *h)
{
    unsigned queue = fuzz_u8(&h->in) % 2;
    int8_t jump = fuzz_s8(&h->in);
    uint8_t lies = fuzz_u8(&h->in);
    struct xf_wire_feedback fb = honest(h, queue);
    struct xf_wire_range r[8] = {0};

    if (lies & 1)
        fb.round += (uint32_t)fuzz_s8(&h->in);
    if (lies & 2)
        fb.base -= fuzz_u8(&h->in);
    if (lies & 4)
        fb.horizon += (uint64_t)(int64_t)fuzz_s8(&h->in);
    if (lies & 8)
        fb.stamp_us -= fuzz_u16(&h->in);
    if (lies & 16)
        fb.credit = fb.late = fuzz_u16(&h->in);
    if (lies & 32)
        fb.flags = fuzz_u8(&h->in);
    if (lies & 64)
        fuzz_take(&h->in, &fb.base, sizeof(fb.base));
    if (lies & 128)
        fuzz_take(&h->in, &fb.horizon, sizeof(fb.horizon));
    fb.ranges = fuzz_u8(&h->in) % 8;
    for (unsigned i = 0, at = 0; i < fb.ranges; i++) {
        r[i].start = at + fuzz_u8(&h->in);
        r[i].length = fuzz_u8(&h->in);
        at = r[i].start + r[i].length;
    }
    memcpy(h->body, &fb, sizeof(fb));
    memcpy(h->body + sizeof(fb), r, fb.ranges * sizeof(r[0]));
    deliver(h, queue,
            seal(h, XF_PACKET_FEEDBACK, queue, jump, sizeof(fb) + fb.ranges * sizeof(r[0])));
}

static void op_refuse(struct harness *h)
{
    size_t len = sizeof(struct xf_wire_reason) + (size_t)(fuzz_u8(&h->in) % 2);

    fuzz_take(&h->in, h->body, len);
    deliver(h, 0, seal(h, XF_PACKET_REFUSE, 0, 0, len));
}

/* A packet with one bit turned is dropped and counted, whatever bit it is. */
static void op_damaged(struct harness *h)
{
    struct xf_wire_feedback fb = honest(h, 0);
    unsigned bit = fuzz_u16(&h->in);

    memcpy(h->body, &fb, sizeof(fb));
    size_t len = seal(h, XF_PACKET_FEEDBACK, 0, 0, sizeof(fb));

    bit %= (unsigned)len * 8;
    h->packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    uint64_t before = rejects(h->source);
    bool alive = h->rc == 0;

    deliver(h, 0, len);
    FUZZ_CHECK(!alive || rejects(h->source) == before + 1);
}

static void op_write(struct harness *h)
{
    unsigned n = fuzz_u8(&h->in) % 64;
    uint8_t from = fuzz_u8(&h->in);

    for (unsigned i = 0; i < n && !h->guest.suspended; i++) {
        unsigned gfn = (from + i * 7) % PAGES;

        memory[gfn][i] ^= 0x55;
        xf_bitmap_set(h->guest.dirty, gfn);
        if (from & 0x80) /* a hole gets memory, or memory goes, as ballooning does it */
            h->guest.present[gfn / 64] ^= UINT64_C(1) << gfn % 64;
    }
}

static void op_clock(struct harness *h)
{
    uint8_t v = fuzz_u8(&h->in);

    if (v & 0x80)
        step(h, UINT64_C(1) << v % 26);
    for (unsigned i = 0; !(v & 0x80) && i < v % 32u; i++)
        step(h, 500);
}

static void op_host(struct harness *h)
{
    uint8_t what = fuzz_u8(&h->in);

    h->link.tx_room = what & 0x10 ? 0 : what & 0x20 ? 3 : XF_BURST_MAX;
    if ((what & 0x0f) == 0)
        h->link.health = -5;
    if ((what & 0x0f) == 1)
        xf_source_abort(h->source, "enough of it");
    step(h, 50);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h;
    static void (*const ops[])(struct harness *) = {
        op_raw,    op_sealed,  op_answer, op_honest, op_feedback,
        op_refuse, op_damaged, op_write,  op_clock,  op_host,
    };
    struct xf_source_config config;
    struct xf_policy policy;
    struct xf_plan_live live;
    struct xf_plan_batches batches;
    struct xf_guest_source guest = {
        .control = &guest_control, .ctx = &h.guest, .page_count = PAGES};

    memset(&h, 0, offsetof(struct harness, packet));
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < PRESENT; i++) {
        xf_bitmap_set(h.guest.present, i);
        memory[i][0] = i % 3; /* a third of them zero */
    }
    h.in = (struct fuzz_in){data, size};
    h.now_us = 1000000;
    uint8_t settings = fuzz_u8(&h.in);

    fuzz_link_init(&h.link, settings & 1 ? 2 : 1, settings & 2 ? 8972 : settings & 4 ? 2100 : 1472);
    h.link.sent = sent;
    h.link.arg = &h;
    h.seal = fuzz_keys(XF_ROLE_TARGET);
    guest.ops = settings & 128 ? &tunnel_ops : &guest_ops;
    xf_source_config_init(&config);
    config.offer = fuzz_offer(&h.link.link, PAGES);
    config.offer.features = (settings & 64 ? XF_FEATURE_VERIFY : 0) |
                            (settings & 4 ? XF_FEATURE_LZ4 : 0) |
                            ((settings & (64 | 128 | 32)) == 64 ? XF_FEATURE_VERIFY_LIVE : 0);
    config.compress = XF_COMPRESS_LZ4;
    xf_policy_init(&policy);
    policy.on_busy = settings & 8 ? XF_ON_BUSY_ABORT : XF_ON_BUSY_GO;
    policy.max_downtime_us = settings & 16 ? 0 : 300000;
    xf_plan_live_init(&live, &policy, settings & 64);
    xf_plan_batches_init(&batches);
    config.plan = settings & 128 ? &batches.plan : &live.plan;
    config.bandwidth_bytes_per_s = settings & 32 ? 10000000 : 0;
    FUZZ_CHECK(!xf_source_new(&h.source, &config, &guest, &h.link.link, h.now_us));
    for (unsigned i = 0; i < OPS_MAX && h.in.left; i++)
        ops[fuzz_u8(&h.in) % (sizeof(ops) / sizeof(ops[0]))](&h);
    xf_source_free(h.source);
    FUZZ_CHECK(!h.guest.mapped);
    fuzz_link_fini(&h.link);
    return 0;
}
