/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encode: pages into packets. */
#include "encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "transport/fault_points.h"
#include "page.h"

/* How far ahead guest pages are fetched, and how much of each. */
#define PREFETCH_PAGES 2u
#define PREFETCH_LINES 8u

int xf_encoder_init(struct xf_encoder *e, const struct xf_guest_source *guest,
                    const struct xf_wire_shape *shape, struct xf_laps *laps,
                    enum xf_compress_mode compress, uint64_t features, uint64_t (*clock_ns)(void))
{
    memset(e, 0, sizeof(*e));
    e->guest = guest;
    e->shape = shape;
    e->laps = laps;
    return xf_compress_init(&e->compress, compress, features, clock_ns);
}

static void drop_batch(struct xf_encoder *e)
{
    if (e->batch_n)
        e->guest->ops->unmap(e->guest->ctx);
    e->batch_n = e->batch_pos = 0;
    e->tried = false;
}

void xf_encoder_fini(struct xf_encoder *e)
{
    if (e->guest)
        drop_batch(e);
    xf_compress_fini(&e->compress);
    free(e->repairs);
    e->repairs = NULL;
    e->repairs_n = e->repairs_cap = 0;
}

void xf_encoder_round(struct xf_encoder *e, const uint64_t *todo, enum xf_round_kind kind,
                      uint64_t *deferred)
{
    drop_batch(e);
    e->todo = todo;
    e->deferred = deferred;
    e->deferred_n = 0;
    e->cursor = xf_bitmap_next(todo, e->guest->page_count, 0);
    e->kind = kind;
    e->repairs_n = 0;
}

int xf_encoder_repair(struct xf_encoder *e, const struct xf_wire_record *records, unsigned n)
{
    if (e->repairs_n + n > e->repairs_cap) {
        size_t cap = e->repairs_cap ? e->repairs_cap * 2 : 256;
        void *p = realloc(e->repairs, cap * sizeof(e->repairs[0]));

        if (!p)
            return -ENOMEM;
        e->repairs = p;
        e->repairs_cap = cap;
    }
    for (unsigned i = 0; i < n; i++)
        e->repairs[e->repairs_n++] = records[i];
    return 0;
}

bool xf_encoder_empty(const struct xf_encoder *e)
{
    return e->batch_pos == e->batch_n && e->repairs_n == 0 && e->cursor >= e->guest->page_count;
}

static uint8_t all_frags(const struct xf_encoder *e)
{
    return (uint8_t)((1u << e->shape->frags) - 1);
}

/* Takes up to a batch of pages off the repairs, or else off the round. */
static void collect(struct xf_encoder *e)
{
    const uint8_t all = all_frags(e);
    unsigned n = 0;

    e->batch_repairs = e->repairs_n > 0;
    while (n < XF_MAP_BATCH_PAGES && e->repairs_n) {
        struct xf_wire_record *r = &e->repairs[e->repairs_n - 1];

        e->gfns[n] = r->index;
        e->frags_left[n] = r->kind == XF_RECORD_FRAG ? (uint8_t)(1u << r->frag) : all;
        n++;
        r->index++;
        if (--r->count == 0)
            e->repairs_n--;
    }
    for (; n < XF_MAP_BATCH_PAGES && !e->batch_repairs && e->cursor < e->guest->page_count; n++) {
        e->gfns[n] = e->cursor;
        e->frags_left[n] = all;
        e->cursor = xf_bitmap_next(e->todo, e->guest->page_count, e->cursor + 1);
    }
    e->batch_n = n;
    e->batch_pos = 0;
}

/* Makes sure that a page is at hand: 1; 0: none is left; or -errno. */
static int load(struct xf_encoder *e)
{
    if (e->batch_pos < e->batch_n)
        return 1;
    /* Rare, and on a host what costs most: measured in every step. */
    xf_lap_packets(e->laps, XF_STAGE_read);
    drop_batch(e);
    xf_lap(e->laps, XF_STAGE_guest);
    collect(e);
    if (!e->batch_n)
        return 0;
    xf_lap_packets(e->laps, XF_STAGE_read);
    int rc =
        XF_FAULT(source_map) ?: e->guest->ops->map(e->guest->ctx, e->gfns, e->batch_n, e->pages);

    xf_lap(e->laps, XF_STAGE_guest);
    if (rc) {
        e->batch_n = 0;
        return rc;
    }
    return 1;
}

/*
 * Adds a page, or a fragment of one, with `bytes` of payload: to the last record if it continues
 * that. False: the packet has no room for it.
 */
static bool add(const struct xf_encoder *e, struct xf_packet *p, uint64_t gfn,
                enum xf_record_kind kind, unsigned frag, const uint8_t *part, uint32_t bytes)
{
    struct xf_wire_record *r = p->records_n ? &p->records[p->records_n - 1] : NULL;
    bool extends = r && r->kind == kind && kind != XF_RECORD_FRAG && r->index + r->count == gfn &&
                   r->count < XF_RUN_PAGES_MAX;
    unsigned records = p->records_n + !extends;

    if (records > XF_RECORDS_MAX ||
        sizeof(struct xf_wire_data) + records * sizeof(*r) + p->payload_bytes + bytes >
            e->shape->body_bytes)
        return false;
    if (kind == XF_RECORD_RAW && p->whole_pages == e->shape->pages_max)
        return false;
    p->whole_pages += kind == XF_RECORD_RAW;
    if (extends) {
        r->count++;
    } else {
        p->records[p->records_n++] = (struct xf_wire_record){
            .index = gfn,
            .count = 1,
            .kind = (uint8_t)kind,
            .frag = (uint8_t)frag,
        };
    }
    if (extends && part == e->made + p->made_bytes) { /* a codec's, one after the other */
        p->part_bytes[p->parts_n - 1] += bytes;
        p->payload_bytes += bytes;
    } else if (bytes) {
        p->parts[p->parts_n] = part;
        p->part_bytes[p->parts_n++] = bytes;
        p->payload_bytes += bytes;
    }
    return true;
}

/* Whether the page at batch_pos was there. Where not, who steps the session asks if that is so. */
static void note_deferred(struct xf_encoder *e)
{
    const uint64_t gfn = e->gfns[e->batch_pos];

    if (e->pages[e->batch_pos]) {
        if (e->deferred_n) /* what was lost and is repaired may be there again */
            xf_bitmap_clear(e->deferred, gfn);
        return;
    }
    if (!e->deferred_n++)
        memset(e->deferred, 0, xf_bitmap_words(e->guest->page_count) * sizeof(e->deferred[0]));
    xf_bitmap_set(e->deferred, gfn);
    e->pages_deferred += !e->batch_repairs;
}

static void next_page(struct xf_encoder *e)
{
    note_deferred(e);
    e->pages_sent++;
    if (e->batch_repairs)
        e->pages_repaired++;
    e->batch_pos++;
    e->tried = false;
}

/* Whether the page at batch_pos goes compressed: then it is in e->small. Not if only some of its
   fragments are missing, which are fewer bytes. */
static bool compresses(struct xf_encoder *e, const uint8_t *page)
{
    if (e->frags_left[e->batch_pos] != all_frags(e))
        return false;
    if (!e->tried) {
        e->tried = true;
        e->small_bytes = xf_compress_page(&e->compress, page, e->small,
                                          xf_wire_coded_bytes_max(e->shape), &e->small_codec);
    }
    return e->small_bytes > 0;
}

static bool add_compressed(struct xf_encoder *e, struct xf_packet *p, uint64_t gfn)
{
    const uint16_t bytes = (uint16_t)e->small_bytes;
    uint8_t *to = e->made + p->made_bytes;

    if (!add(e, p, gfn, e->small_codec->record, 0, to, XF_CODED_HEAD_BYTES + bytes))
        return false;
    memcpy(to, &bytes, sizeof(bytes));
    memcpy(to + XF_CODED_HEAD_BYTES, e->small, bytes);
    p->made_bytes += XF_CODED_HEAD_BYTES + bytes;
    e->pages_compressed++;
    e->pages_full += e->small_codec->ops->tells_speed;
    e->bytes_saved += XF_PAGE_BYTES - bytes;
    return true;
}

/* The page at batch_pos into the packet. False: it does not fit any more. */
static bool add_page(struct xf_encoder *e, struct xf_packet *p)
{
    const unsigned i = e->batch_pos;
    const uint64_t gfn = e->gfns[i];
    const uint8_t *page = e->pages[i];

    if (i + PREFETCH_PAGES < e->batch_n)
        xf_page_prefetch(e->pages[i + PREFETCH_PAGES], PREFETCH_LINES);
    if (!page) {
        /* Gone since the round began: the target must not wait for it. */
        if (!add(e, p, gfn, XF_RECORD_DEFER, 0, NULL, 0))
            return false;
    } else if (xf_page_is_zero(page)) {
        if (!add(e, p, gfn, XF_RECORD_ZERO, 0, NULL, 0))
            return false;
        e->pages_zero++;
    } else if (compresses(e, page)) {
        if (!add_compressed(e, p, gfn))
            return false;
    } else if (e->shape->frags == 1) {
        if (!add(e, p, gfn, XF_RECORD_RAW, 0, page, XF_PAGE_BYTES))
            return false;
        e->pages_full++;
    } else {
        unsigned frag = (unsigned)__builtin_ctz(e->frags_left[i]);

        if (!add(e, p, gfn, XF_RECORD_FRAG, frag, page + frag * e->shape->frag_bytes,
                 xf_wire_frag_bytes(e->shape, frag)))
            return false;
        e->frags_left[i] &= (uint8_t)(e->frags_left[i] - 1);
        if (e->frags_left[i])
            return true;
        e->pages_full++;
    }
    next_page(e);
    return true;
}

static int next_pages(struct xf_encoder *e, struct xf_packet *p)
{
    for (;;) {
        /* The next batch would unmap what the parts point to. */
        if (e->batch_pos == e->batch_n && p->parts_n)
            return 1;
        int rc = load(e);

        if (rc < 0)
            return rc;
        if (rc == 0 || !add_page(e, p))
            return p->records_n > 0;
    }
}

/* The hashes of pages, gathered in one part. */
static int next_hashes(struct xf_encoder *e, struct xf_packet *p)
{
    uint32_t n = 0;
    int rc;

    while (n < e->shape->hashes_max && (rc = load(e)) != 0) {
        if (rc < 0)
            return rc;
        const void *page = e->pages[e->batch_pos];

        if (!add(e, p, e->gfns[e->batch_pos], page ? XF_RECORD_HASH : XF_RECORD_DEFER, 0, NULL, 0))
            break;
        if (page)
            xf_page_hash(page, e->hash_seed, e->made + n++ * XF_HASH_BYTES);
        e->pages_hashed += page && !e->batch_repairs;
        note_deferred(e);
        e->batch_pos++;
    }
    if (n) {
        p->parts[0] = e->made;
        p->part_bytes[0] = p->payload_bytes = n * XF_HASH_BYTES;
        p->parts_n = 1;
    }
    return p->records_n > 0;
}

/* A round of runs that shall get memory: records only. */
static int next_runs(struct xf_encoder *e, struct xf_packet *p)
{
    const uint64_t end = e->guest->page_count;

    if (e->repairs_n) {
        p->records[p->records_n++] = e->repairs[--e->repairs_n];
        return 1;
    }
    while (e->cursor < end && p->records_n < XF_RECORDS_MAX) {
        struct xf_wire_record *r = &p->records[p->records_n++];
        uint64_t most = e->cursor + XF_RUN_PAGES_MAX < end ? e->cursor + XF_RUN_PAGES_MAX : end;
        uint64_t after = xf_bitmap_next_clear(e->todo, most, e->cursor);

        *r = (struct xf_wire_record){
            .index = e->cursor,
            .count = (uint32_t)(after - e->cursor),
            .kind = XF_RECORD_POPULATE,
        };
        e->cursor = xf_bitmap_next(e->todo, end, after);
    }
    return p->records_n > 0;
}

int xf_encoder_next(struct xf_encoder *e, struct xf_packet *p)
{
    p->records_n = p->parts_n = p->whole_pages = 0;
    p->payload_bytes = p->made_bytes = 0;
    switch (e->kind) {
    case XF_ROUND_POPULATE:
        return next_runs(e, p);
    case XF_ROUND_HASHES:
        return next_hashes(e, p);
    default:
        return next_pages(e, p);
    }
}
