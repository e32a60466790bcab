/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the target: bytes from the link, as they come and as a source that lies would seal them.
 * Checked: the sink is asked only for what the guest has, once; only pages that have memory are
 * written (the others are poisoned); a damaged packet changes nothing; nothing is written once the
 * target has said that all is there.
 */
#include "fuzz.h"

#include <errno.h>
#include <lz4.h>

#include "transport/target.h"

#define PAGES   600u /* more than a chunk, and no whole number of them */
#define CHUNKS  ((PAGES + XF_CHUNK_PAGES - 1) / XF_CHUNK_PAGES)
#define OPS_MAX 200

struct sink {
    uint8_t populated[PAGES];
    uint8_t mapped[CHUNKS];
    unsigned asked;
};

/* Kept between inputs: clearing it page by page as it is given out is faster. */
static uint8_t memory[CHUNKS * XF_CHUNK_PAGES][XF_PAGE_BYTES] __attribute__((aligned(4096)));

static int populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    (void)lane;
    struct sink *s = ctx;

    FUZZ_CHECK(count > 0 && first < PAGES && count <= PAGES - first);
    for (uint64_t i = first; i < first + count; i++) {
        FUZZ_CHECK(!s->populated[i]);
        s->populated[i] = 1;
        ASAN_UNPOISON_MEMORY_REGION(memory[i], XF_PAGE_BYTES);
        memset(memory[i], 0, XF_PAGE_BYTES);
    }
    return 0;
}

static int map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    (void)lane;
    struct sink *s = ctx;

    FUZZ_CHECK(chunk < CHUNKS && !s->mapped[chunk]);
    s->mapped[chunk] = 1;
    *base = memory[chunk * XF_CHUNK_PAGES];
    return 0;
}

static void unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)lane;
    struct sink *s = ctx;

    FUZZ_CHECK(chunk < CHUNKS && s->mapped[chunk] && base == memory[chunk * XF_CHUNK_PAGES]);
    s->mapped[chunk] = 0;
}

static int map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    (void)lane;
    struct sink *s = ctx;

    FUZZ_CHECK(first < PAGES && first % XF_PART_PAGES == 0 && !s->mapped[first / XF_CHUNK_PAGES]);
    s->mapped[first / XF_CHUNK_PAGES] = 1;
    *base = memory[first];
    return 0;
}

static void unmap_part(void *ctx, unsigned lane, uint64_t first, void *base)
{
    (void)lane;
    struct sink *s = ctx;

    FUZZ_CHECK(first < PAGES && s->mapped[first / XF_CHUNK_PAGES] && base == memory[first]);
    s->mapped[first / XF_CHUNK_PAGES] = 0;
}

/* A tunnel's: now and then it is not ready for more. */
static int end_round(void *ctx, uint64_t count)
{
    struct sink *s = ctx;

    FUZZ_CHECK(count <= PAGES);
    for (unsigned c = 0; c < CHUNKS; c++)
        FUZZ_CHECK(!s->mapped[c]);
    return s->asked++ % 3 == 1 ? -EAGAIN : 0;
}

static const struct xf_guest_sink_ops guest_ops = {
    .lanes = xf_guest_lanes,
    .populate = populate,
    .map_chunk = map_chunk,
    .unmap_chunk = unmap_chunk,
    .map_part = map_part,
    .unmap_part = unmap_part,
    .wrote = xf_sink_wrote,
    .end_round = xf_sink_end_round,
};
static const struct xf_guest_sink_ops tunnel_ops = {
    .lanes = xf_guest_lanes,
    .populate = populate,
    .map_chunk = map_chunk,
    .unmap_chunk = unmap_chunk,
    .map_part = xf_sink_map_part,
    .unmap_part = xf_sink_unmap_part,
    .wrote = xf_sink_wrote,
    .end_round = end_round,
};

struct harness {
    struct fuzz_in in;
    struct fuzz_link link;
    struct sink sink;
    struct xf_seal *seal; /* the source's */
    struct xf_target *target;
    struct xf_wire_shape shape;
    uint64_t next[2]; /* sequence */
    uint32_t round;
    uint64_t now_us;
    int rc;
    uint64_t sum_when_done;
    uint8_t packet[XF_PAYLOAD_MAX + 64];
    uint8_t body[XF_PAYLOAD_MAX];
};

static uint64_t memory_sum(const struct sink *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        for (unsigned j = 0; s->populated[i] && j < XF_PAGE_BYTES; j += 8) {
            uint64_t word;

            memcpy(&word, &memory[i][j], sizeof(word));
            sum = sum * 31 + word + i;
        }
    }
    return sum;
}

static uint64_t rejects(struct xf_target *t)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        n += xf_target_stats(t)->rejects[i];
    return n;
}

static void step(struct harness *h)
{
    int before = h->rc;

    h->now_us += 50;
    h->rc = xf_target_step(h->target, h->now_us);
    FUZZ_CHECK(before >= 0 || h->rc < 0); /* a failure is for good */
    if (before != XF_SESSION_DONE && h->rc == XF_SESSION_DONE)
        h->sum_when_done = memory_sum(&h->sink);
    if (h->rc < 0)
        FUZZ_CHECK(xf_target_error(h->target)[0]);
}

/* A packet of the source: the queue, and how far its number is from the next, come from the input.
 */
static size_t seal(struct harness *h, uint8_t type, size_t len)
{
    unsigned queue = fuzz_u8(&h->in) % 2;
    int8_t jump = fuzz_s8(&h->in);
    uint64_t sequence = h->next[queue] + (uint64_t)(int64_t)jump;

    if (jump >= 0)
        h->next[queue] = sequence + 1;
    return fuzz_seal(h->seal, h->packet, type, (uint16_t)queue, sequence, h->body, len);
}

static void deliver(struct harness *h, size_t len)
{
    fuzz_deliver(&h->link, fuzz_u8(&h->in) % h->link.link.queues, h->packet, len);
    step(h);
}

static void op_raw(struct harness *h)
{
    size_t len = fuzz_u16(&h->in) % 512;

    fuzz_take(&h->in, h->packet, len);
    deliver(h, len);
}

static void op_sealed(struct harness *h)
{
    uint8_t type = fuzz_u8(&h->in);
    size_t len = fuzz_u16(&h->in) % 512;

    fuzz_take(&h->in, h->body, len);
    deliver(h, seal(h, type, len));
}

/* Compressed pages at body[at]: such as they should be, or with a length or bytes of the input.
   Returns their length. */
static size_t put_compressed(struct harness *h, size_t at, unsigned count)
{
    static uint8_t page[XF_PAGE_BYTES];
    size_t begin = at;

    while (count-- && sizeof(h->body) - at >= XF_CODED_HEAD_BYTES + 2 * XF_PAGE_BYTES) {
        uint8_t how = fuzz_u8(&h->in);
        uint16_t bytes;

        /* A page in 20 bytes, and now and then one that is too short, too long, or no block. */
        memset(page, how, sizeof(page));
        int n = LZ4_compress_default((const char *)page, (char *)h->body + at + XF_CODED_HEAD_BYTES,
                                     how % 8 == 1 ? (int)XF_PAGE_BYTES - 1 : (int)XF_PAGE_BYTES,
                                     (int)XF_PAGE_BYTES);

        bytes = (uint16_t)n;
        if (how % 8 == 2)
            bytes = fuzz_u16(&h->in) % (XF_PAGE_BYTES + 2);
        if (how % 8 == 3)
            fuzz_take(&h->in, h->body + at + XF_CODED_HEAD_BYTES, bytes);
        memcpy(h->body + at, &bytes, sizeof(bytes));
        at += XF_CODED_HEAD_BYTES + bytes;
    }
    return at - begin;
}

/* DATA whose payload has the length that its records ask for, give or take what the input says. */
static void op_data(struct harness *h)
{
    struct xf_wire_data head = {0};
    struct xf_wire_record r[XF_RECORDS_MAX + 2];

    head.round = h->round + (uint32_t)fuzz_s8(&h->in);
    head.floor_delta = fuzz_u8(&h->in);
    head.records = fuzz_u8(&h->in) % (XF_RECORDS_MAX + 2);
    size_t len = sizeof(head) + head.records * sizeof(r[0]);

    memset(r, 0, sizeof(r));
    for (unsigned i = 0; i < head.records; i++) {
        uint8_t kind = fuzz_u8(&h->in);

        r[i].kind = kind % (XF_RECORD_LZ4 + 1); /* any, and 0, which is none */
        r[i].space = kind == 0xff;
        r[i].frag = fuzz_u8(&h->in);
        r[i].index = fuzz_u16(&h->in);
        r[i].count = fuzz_u16(&h->in);
        if (kind & 0x40) { /* the likely values are few among all */
            r[i].index %= PAGES;
            r[i].count %= 4;
            r[i].frag = 0;
        }
    }
    memcpy(h->body, &head, sizeof(head));
    memcpy(h->body + sizeof(head), r, head.records * sizeof(r[0]));
    uint64_t payload = 0, compressed = 0;

    for (unsigned i = 0; i < head.records; i++) {
        if (r[i].kind == XF_RECORD_LZ4 && payload == compressed) { /* those that come first */
            payload += put_compressed(h, len + payload, r[i].count);
            compressed = payload;
        }
        if (r[i].kind == XF_RECORD_RAW)
            payload += (uint64_t)r[i].count * XF_PAGE_BYTES;
        if (r[i].kind == XF_RECORD_HASH)
            payload += (uint64_t)r[i].count * XF_HASH_BYTES;
        if (r[i].kind == XF_RECORD_FRAG)
            payload += xf_wire_frag_bytes(&h->shape, r[i].frag % h->shape.frags);
    }
    payload += (uint64_t)(int64_t)fuzz_s8(&h->in);
    if (payload > sizeof(h->body) - len)
        payload = fuzz_u8(&h->in);
    if (compressed > payload)
        compressed = payload;
    memset(h->body + len + compressed, fuzz_u8(&h->in), payload - compressed);
    deliver(h, seal(h, XF_PACKET_DATA, len + payload));
}

static void op_barrier(struct harness *h)
{
    struct xf_wire_barrier b = {0};

    b.round = h->round + (uint32_t)fuzz_s8(&h->in);
    b.pages = fuzz_u16(&h->in);
    b.flags = fuzz_u8(&h->in);
    b.floor = fuzz_u16(&h->in);
    if (b.flags & 0x80)
        h->round++;
    if (b.flags & 0x40)
        b.reserved = 1;
    b.flags &= b.flags & 0x20 ? 0x3f : XF_BARRIER_FINAL;
    memcpy(h->body, &b, sizeof(b));
    deliver(h, seal(h, XF_PACKET_BARRIER, sizeof(b)));
}

static void op_ping(struct harness *h)
{
    struct xf_wire_ping p;

    p.floor = fuzz_u16(&h->in);
    p.stamp_us = fuzz_u16(&h->in);
    size_t len = fuzz_u8(&h->in) & 1 ? h->shape.body_bytes : sizeof(p);

    memset(h->body, 0, len);
    memcpy(h->body, &p, sizeof(p));
    deliver(h, seal(h, XF_PACKET_PING, len));
}

/* A packet with one bit turned is dropped and counted, whatever bit it is. */
static void op_damaged(struct harness *h)
{
    struct xf_wire_ping p = {.stamp_us = h->now_us};
    unsigned bit = fuzz_u16(&h->in);

    memcpy(h->body, &p, sizeof(p));
    size_t len = seal(h, XF_PACKET_PING, sizeof(p));

    bit %= (unsigned)len * 8;
    h->packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    uint64_t before = rejects(h->target);
    bool alive = h->rc >= 0;

    deliver(h, len);
    FUZZ_CHECK(!alive || rejects(h->target) == before + 1);
}

static void op_clock(struct harness *h)
{
    h->now_us += UINT64_C(1) << fuzz_u8(&h->in) % 26;
    step(h);
}

static void op_host(struct harness *h)
{
    uint8_t what = fuzz_u8(&h->in);

    h->link.tx_room = what & 0x10 ? 0 : XF_BURST_MAX;
    switch (what & 0x0f) {
    case 0:
        h->link.health = -5;
        break;
    case 1:
        xf_target_abort(h->target, "enough of it");
        FUZZ_CHECK(h->rc == XF_SESSION_DONE || xf_target_step(h->target, h->now_us) < 0);
        break;
    default:
        xf_target_ready(h->target);
    }
    step(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h;
    static void (*const ops[])(struct harness *) = {op_raw,  op_sealed,  op_data,  op_barrier,
                                                    op_ping, op_damaged, op_clock, op_host};
    struct xf_target_config config;
    struct xf_guest_sink guest = {.ctx = &h.sink, .page_count = PAGES, .chunks_max = 1};

    memset(&h, 0, offsetof(struct harness, packet));
    h.in = (struct fuzz_in){data, size};
    h.round = 1;
    uint8_t settings = fuzz_u8(&h.in);

    ASAN_POISON_MEMORY_REGION(memory, sizeof(memory));
    /* A target may have fewer queues than the source. */
    fuzz_link_init(&h.link, (settings & 129) == 1 ? 2 : 1,
                   settings & 2   ? 8972
                   : settings & 4 ? 2100
                                  : 1472);
    h.link.link.rx_ring = settings & 8 ? 256 : 0;
    FUZZ_CHECK(!xf_wire_shape(&h.shape, h.link.link.payload_bytes));
    h.seal = fuzz_keys(XF_ROLE_SOURCE);
    guest.ops = settings & 64 ? &tunnel_ops : &guest_ops;
    guest.parts = !(settings & 64);
    guest.unmapped_rounds = settings & 64;
    xf_target_config_init(&config);
    config.offer = fuzz_offer(&h.link.link, PAGES);
    config.offer.queues = settings & 1 ? 2 : 1;
    config.offer.features = (settings & 32 ? XF_FEATURE_VERIFY : 0) |
                            (settings & 4 ? XF_FEATURE_LZ4 : 0) |
                            ((settings & (32 | 64 | 8)) == 32 ? XF_FEATURE_VERIFY_LIVE : 0);
    FUZZ_CHECK(!xf_target_new(&h.target, &config, &guest, &h.link.link, h.now_us));
    if (settings & 16)
        xf_target_ready(h.target);
    for (unsigned i = 0; i < OPS_MAX && h.in.left; i++)
        ops[fuzz_u8(&h.in) % (sizeof(ops) / sizeof(ops[0]))](&h);
    if (h.rc == XF_SESSION_DONE)
        FUZZ_CHECK(memory_sum(&h.sink) == h.sum_when_done);
    xf_target_free(h.target);
    for (unsigned c = 0; c < CHUNKS; c++)
        FUZZ_CHECK(!h.sink.mapped[c]);
    fuzz_link_fini(&h.link);
    return 0;
}
