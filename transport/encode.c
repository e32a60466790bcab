/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encode: pages into packets. */
#include "encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "transport/fault_points.h"
#include "page.h"

/* How far ahead guest pages are fetched, whole: where the CPU is left to fetch the rest by itself,
   sealing waits for each page's (on an EPYC 1081 cycles a page, and 893 so). A page that goes as it
   is has that done while it is sealed, since a core has few fetches under way at once. */
#define PREFETCH_PAGES 2u
/* What xf_page_is_zero() reads of most pages: of one more, as a packet is full when a page does not
   fit. */
#define LOOK_LINES 2u
/* Behind a page of zeros there are often more, which are read in turn: the CPU fetches the rest. */
#define RUN_LINES 8u

int xf_encoder_init(struct xf_encoder *e, const struct xf_guest_source *guest, struct xf_lane *lane,
                    enum xf_compress_mode compress, uint64_t features, uint64_t (*clock_ns)(void))
{
    memset(e, 0, sizeof(*e));
    e->guest = guest;
    e->lane = lane;
    return xf_compress_init(&e->compress, compress, features, clock_ns);
}

static const struct xf_wire_shape *shape_of(const struct xf_encoder *e)
{
    return &e->lane->session->shape;
}

static void drop_batch(struct xf_encoder *e)
{
    if (e->batch_n && !e->awaited)
        e->guest->ops->unmap(e->guest->ctx, e->lane->stripe.lane);
    e->batch_n = e->batch_pos = 0;
    e->tried = e->awaited = false;
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

/* The first page of the round from gfn to below limit that is the lane's; limit: there is none. */
static uint64_t next_of_round(struct xf_encoder *e, uint64_t gfn, uint64_t limit)
{
    const struct xf_stripe *stripe = &e->lane->stripe;

    while (gfn < limit) {
        if (gfn >= e->stripe_end) {
            gfn = xf_stripe_next(stripe, gfn);
            if (gfn >= limit)
                break;
            e->stripe_end = xf_stripe_end(stripe, gfn, e->guest->page_count);
        }
        uint64_t end = e->stripe_end < limit ? e->stripe_end : limit;

        gfn = xf_bitmap_next(e->todo, end, gfn);
        if (gfn < end)
            return gfn;
    }
    return limit;
}

static uint64_t known(const struct xf_encoder *e)
{
    return atomic_load_explicit(e->known, memory_order_acquire);
}

/* Below it, all pages of the round are known and have memory. */
static uint64_t ready(const struct xf_encoder *e)
{
    if (!e->populated)
        return known(e);
    return e->waits_n ? e->waits[e->waits_at].records[0].index : e->memory_cursor;
}

void xf_encoder_clear(const struct xf_encoder *e, uint64_t *bitmap)
{
    const struct xf_stripe *stripe = &e->lane->stripe;
    const uint64_t pages = e->guest->page_count;
    uint64_t end;

    for (uint64_t gfn = xf_stripe_next(stripe, 0); gfn < pages; gfn = xf_stripe_next(stripe, end)) {
        end = xf_stripe_end(stripe, gfn, pages);
        memset(bitmap + gfn / 64, 0, xf_bitmap_words(end - gfn) * sizeof(bitmap[0]));
    }
}

void xf_encoder_round(struct xf_encoder *e, const uint64_t *todo, enum xf_round_kind kind,
                      uint64_t *populated, uint64_t *deferred)
{
    drop_batch(e);
    e->todo = todo;
    e->populated = populated;
    e->deferred = deferred;
    xf_count_set(&e->deferred_n, 0);
    e->memory_cursor = 0;
    e->waits_n = e->unsent_n = 0;
    e->kind = kind;
    e->repairs_n = 0;
    e->stripe_end = 0;
    e->cursor = populated ? 0 : next_of_round(e, 0, known(e));
    e->held = NULL;
    e->held_cursor = e->guest->page_count;
}

void xf_encoder_hold(struct xf_encoder *e, const uint64_t *held)
{
    e->held = held;
    e->held_cursor = xf_stripe_next(&e->lane->stripe, 0);
}

static struct xf_memory_wait *wait_at(struct xf_encoder *e, unsigned i)
{
    return &e->waits[(e->waits_at + i) % XF_MEMORY_PACKETS];
}

int xf_encoder_repair(struct xf_encoder *e, const struct xf_wire_record *records, unsigned n)
{
    if (n && records[0].kind == XF_RECORD_POPULATE) {
        for (unsigned i = 0; i < e->waits_n; i++) {
            struct xf_memory_wait *w = wait_at(e, i);

            if (w->records[0].index == records[0].index && w->sequence != UINT64_MAX) {
                w->sequence = UINT64_MAX;
                e->unsent_n++;
            }
        }
        return 0;
    }
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
    return e->batch_pos == e->batch_n && e->repairs_n == 0 && e->cursor >= e->guest->page_count &&
           e->held_cursor >= e->guest->page_count;
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Of a word's pages, those that are to go and have no memory. */
static uint64_t lacking(const struct xf_encoder *e, uint64_t word)
{
    return e->todo[word] & ~e->populated[word];
}

/* The first such page of the lane's from gfn to below limit; limit: there is none. */
static uint64_t next_lacking(const struct xf_encoder *e, uint64_t gfn, uint64_t limit)
{
    const struct xf_stripe *stripe = &e->lane->stripe;

    for (gfn = xf_stripe_next(stripe, gfn); gfn < limit; gfn = xf_stripe_next(stripe, gfn)) {
        uint64_t bits = lacking(e, gfn / 64) & (~UINT64_C(0) << (gfn % 64));

        if (bits) {
            gfn = gfn / 64 * 64 + (unsigned)__builtin_ctzll(bits);
            return gfn < limit ? gfn : limit;
        }
        gfn = (gfn / 64 + 1) * 64;
    }
    return limit;
}

/* Pages without memory from gfn on, at most to below limit: behind the last of them. */
static uint64_t end_of_lacking(const struct xf_encoder *e, uint64_t gfn, uint64_t limit)
{
    while (gfn < limit && lacking(e, gfn / 64) >> (gfn % 64) & 1) {
        uint64_t has = ~lacking(e, gfn / 64) >> (gfn % 64);

        gfn += has ? (unsigned)__builtin_ctzll(has) : 64 - gfn % 64;
    }
    return gfn < limit ? gfn : limit;
}

static bool wants_memory(const struct xf_encoder *e)
{
    return e->waits_n < XF_MEMORY_PACKETS && e->memory_cursor < known(e) &&
           e->memory_cursor <= e->cursor + (uint64_t)XF_MEMORY_AHEAD * e->lane->stripe.lanes;
}

/* The next packet that is to ask for memory, without a number yet; NULL: none is, now. */
static struct xf_memory_wait *next_wait(struct xf_encoder *e)
{
    for (unsigned i = 0; e->unsent_n && i < e->waits_n; i++)
        if (wait_at(e, i)->sequence == UINT64_MAX)
            return wait_at(e, i);
    if (!wants_memory(e))
        return NULL;
    struct xf_memory_wait *w = wait_at(e, e->waits_n);
    const uint64_t limit = known(e);
    uint64_t pages = 0;

    w->records_n = 0;
    w->sequence = UINT64_MAX;
    while (w->records_n < XF_RECORDS_MAX && pages < XF_MEMORY_PAGES) {
        uint64_t gfn = next_lacking(e, e->memory_cursor, limit), end = limit;

        e->memory_cursor = gfn;
        if (gfn == limit)
            break;
        uint64_t stripe_end = xf_stripe_end(&e->lane->stripe, gfn, e->guest->page_count);

        if (end > stripe_end)
            end = stripe_end;
        if (end > gfn + XF_MEMORY_PAGES - pages)
            end = gfn + XF_MEMORY_PAGES - pages;
        end = end_of_lacking(e, gfn, end);
        w->records[w->records_n++] = (struct xf_wire_record){
            .index = gfn, .count = (uint32_t)(end - gfn), .kind = XF_RECORD_POPULATE};
        xf_bitmap_set_range(e->populated, gfn, end - gfn);
        pages += end - gfn;
        e->memory_cursor = end;
    }
    if (!w->records_n)
        return NULL;
    e->waits_n++;
    e->unsent_n++;
    return w;
}

static bool next_memory(struct xf_encoder *e, struct xf_packet *p)
{
    const struct xf_memory_wait *w = e->populated ? next_wait(e) : NULL;

    if (!w)
        return false;
    memcpy(p->records, w->records, sizeof(p->records));
    p->records_n = w->records_n;
    p->memory = true;
    return true;
}

void xf_encoder_sent(struct xf_encoder *e, uint64_t sequence)
{
    for (unsigned i = 0; i < e->waits_n; i++)
        if (wait_at(e, i)->sequence == UINT64_MAX) {
            wait_at(e, i)->sequence = sequence;
            e->unsent_n--;
            return;
        }
}

void xf_encoder_acknowledge(struct xf_encoder *e, uint64_t una)
{
    for (; e->waits_n && e->waits[e->waits_at].sequence < una; e->waits_n--)
        e->waits_at = (e->waits_at + 1) % XF_MEMORY_PACKETS;
}

bool xf_encoder_has(const struct xf_encoder *e)
{
    if (e->batch_pos < e->batch_n || e->repairs_n || e->cursor < ready(e) ||
        e->held_cursor < e->guest->page_count)
        return true;
    if (!e->populated)
        return false;
    return e->unsent_n || wants_memory(e);
}

/* ---- pages --------------------------------------------------------------------------------- */

static uint8_t all_frags(const struct xf_encoder *e)
{
    return (uint8_t)((1u << shape_of(e)->frags) - 1);
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
    const uint64_t limit = ready(e);

    while (n < XF_MAP_BATCH_PAGES && !e->batch_repairs && e->cursor < limit) {
        e->cursor = next_of_round(e, e->cursor, limit);
        if (e->cursor == limit)
            break;
        e->gfns[n] = e->cursor++;
        e->frags_left[n++] = all;
    }
    if (!e->batch_repairs) /* whether there are more is known at once */
        e->cursor = next_of_round(e, e->cursor, limit);
    e->batch_n = n;
    e->batch_pos = 0;
}

/* Makes sure that a page is at hand: 1; 0: none is, now; or -errno. */
static int load(struct xf_encoder *e)
{
    if (e->batch_pos < e->batch_n && !e->awaited)
        return 1;
    /* Rare, and on a host what costs most: measured in every step. */
    xf_lap_packets(e->lane->laps, XF_STAGE_read);
    if (!e->awaited) {
        drop_batch(e);
        xf_lap(e->lane->laps, XF_STAGE_guest);
        collect(e);
        if (!e->batch_n)
            return 0;
        xf_lap_packets(e->lane->laps, XF_STAGE_read);
    }
    int rc = XF_FAULT(source_map)
                 ?: e->guest->ops->map(e->guest->ctx, e->lane->stripe.lane, e->gfns, e->batch_n,
                                       e->pages);

    xf_lap(e->lane->laps, XF_STAGE_guest);
    e->awaited = rc == -EAGAIN;
    if (e->awaited)
        return 0;
    if (rc) {
        e->batch_n = 0;
        return rc;
    }
    e->mapped += e->batch_n;
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
            shape_of(e)->body_bytes)
        return false;
    if (kind == XF_RECORD_RAW && p->whole_pages == shape_of(e)->pages_max)
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
        p->ahead[p->parts_n] = NULL;
        p->part_bytes[p->parts_n++] = bytes;
        p->payload_bytes += bytes;
    }
    return true;
}

/* Whether the page at batch_pos was there. Where not, who steps the session asks if that is so. */
static void note_deferred(struct xf_encoder *e)
{
    const uint64_t gfn = e->gfns[e->batch_pos], before = xf_count_of(&e->deferred_n);

    if (e->pages[e->batch_pos]) {
        if (before) /* what was lost and is repaired may be there again */
            xf_bitmap_clear(e->deferred, gfn);
        return;
    }
    if (!before)
        xf_encoder_clear(e, e->deferred);
    xf_count_set(&e->deferred_n, before + 1);
    xf_bitmap_set(e->deferred, gfn);
    xf_count_add(&e->lane->counts.pages_deferred, !e->batch_repairs);
}

static void next_page(struct xf_encoder *e)
{
    note_deferred(e);
    xf_count_add(&e->lane->counts.pages_sent, 1);
    if (e->batch_repairs)
        xf_count_add(&e->lane->counts.pages_repaired, 1);
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
                                          xf_wire_coded_bytes_max(shape_of(e)), &e->small_codec);
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
    xf_count_add(&e->lane->counts.pages_compressed, 1);
    xf_count_add(&e->lane->counts.bytes_saved, XF_PAGE_BYTES - bytes);
    xf_count_add(&e->pages_full, e->small_codec->ops->tells_speed);
    return true;
}

/* The page at batch_pos into the packet. False: it does not fit any more. */
static bool add_page(struct xf_encoder *e, struct xf_packet *p)
{
    const unsigned i = e->batch_pos;
    const uint64_t gfn = e->gfns[i];
    const uint8_t *page = e->pages[i];
    const uint8_t *ahead = i + PREFETCH_PAGES < e->batch_n ? e->pages[i + PREFETCH_PAGES] : NULL;

    if (i + PREFETCH_PAGES + 1 < e->batch_n)
        xf_page_prefetch(e->pages[i + PREFETCH_PAGES + 1], LOOK_LINES);
    if (!page) {
        xf_page_prefetch(ahead, XF_PAGE_LINES);
        /* Gone since the round began: the target must not wait for it. */
        if (!add(e, p, gfn, XF_RECORD_DEFER, 0, NULL, 0))
            return false;
    } else if (xf_page_is_zero(page)) {
        xf_page_prefetch(ahead, RUN_LINES);
        if (!add(e, p, gfn, XF_RECORD_ZERO, 0, NULL, 0))
            return false;
        xf_count_add(&e->lane->counts.pages_zero, 1);
    } else if (compresses(e, page)) {
        xf_page_prefetch(ahead, XF_PAGE_LINES);
        if (!add_compressed(e, p, gfn))
            return false;
    } else if (shape_of(e)->frags == 1) {
        if (!add(e, p, gfn, XF_RECORD_RAW, 0, page, XF_PAGE_BYTES))
            return false;
        p->ahead[p->parts_n - 1] = ahead;
        xf_count_add(&e->pages_full, 1);
    } else {
        unsigned frag = (unsigned)__builtin_ctz(e->frags_left[i]);
        const size_t at = (size_t)frag * shape_of(e)->frag_bytes;

        if (!add(e, p, gfn, XF_RECORD_FRAG, frag, page + at, xf_wire_frag_bytes(shape_of(e), frag)))
            return false;
        p->ahead[p->parts_n - 1] = ahead ? ahead + at : NULL;
        e->frags_left[i] &= (uint8_t)(e->frags_left[i] - 1);
        if (e->frags_left[i])
            return true;
        xf_count_add(&e->pages_full, 1);
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

static bool unsteady(const struct xf_encoder *e, const void *page)
{
    return e->guest->ops->unsteady && e->guest->ops->unsteady(e->guest->ctx, page);
}

/* The hashes of pages, gathered in one part. */
static int next_hashes(struct xf_encoder *e, struct xf_packet *p)
{
    uint32_t n = 0;
    int rc;

    while (n < shape_of(e)->hashes_max && (rc = load(e)) != 0) {
        if (rc < 0)
            return rc;
        const void *page = e->pages[e->batch_pos];

        if (page && unsteady(e, page))
            page = NULL;
        if (!add(e, p, e->gfns[e->batch_pos], page ? XF_RECORD_HASH : XF_RECORD_DEFER, 0, NULL, 0))
            break;
        if (page)
            xf_page_hash(page, e->hash_seed, e->made + n++ * XF_HASH_BYTES);
        xf_count_add(&e->lane->counts.pages_verified, page && !e->batch_repairs);
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

static bool next_held_run(struct xf_encoder *e, struct xf_wire_record *r)
{
    const uint64_t pages = e->guest->page_count;
    const struct xf_stripe *stripe = &e->lane->stripe;
    uint64_t first = xf_stripe_next(stripe, e->held_cursor), end = first;

    for (; first < pages; first = xf_stripe_next(stripe, end)) {
        end = xf_stripe_end(stripe, first, pages);
        first = xf_bitmap_next(e->held, end, first);
        if (first < end)
            break;
    }
    e->held_cursor = pages;
    if (first >= pages)
        return false;
    if (end > first + XF_RUN_PAGES_MAX)
        end = first + XF_RUN_PAGES_MAX;
    end = xf_bitmap_next_clear(e->held, end, first);
    *r = (struct xf_wire_record){
        .index = first, .count = (uint32_t)(end - first), .kind = XF_RECORD_HELD};
    e->held_cursor = end;
    return true;
}

/* Runs of pages whose hashes hold. What was lost of them goes as it was: nothing is hashed anew. */
static bool next_held(struct xf_encoder *e, struct xf_packet *p)
{
    while (p->records_n < XF_RECORDS_MAX && e->repairs_n &&
           e->repairs[e->repairs_n - 1].kind == XF_RECORD_HELD)
        p->records[p->records_n++] = e->repairs[--e->repairs_n];
    while (p->records_n < XF_RECORDS_MAX && e->held_cursor < e->guest->page_count &&
           next_held_run(e, &p->records[p->records_n]))
        p->records_n++;
    return p->records_n > 0;
}

int xf_encoder_next(struct xf_encoder *e, struct xf_packet *p)
{
    p->records_n = p->parts_n = p->whole_pages = 0;
    p->payload_bytes = p->made_bytes = 0;
    p->memory = false;
    if (next_memory(e, p))
        return 1;
    if (e->kind == XF_ROUND_PAGES)
        return next_pages(e, p);
    return next_held(e, p) ? 1 : next_hashes(e, p);
}
