/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Landing: a record's pages into guest memory, and the count of what has landed in this round.
   Pages are numbered as the lane's own (stripe.h), `i`, but in what is said and asked. */
#include "landing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "transport/fault_points.h"
#include "codecs.h"
#include "features.h"
#include "page.h"

/* Of the next page of a run, while one is looked at. */
#define PREFETCH_LINES 16u

/* Words of bits that are cleared at once: a few cache lines. */
#define BLOCK_WORDS 64u

static void set_has_pages(struct xf_landing *l, bool has)
{
    atomic_store_explicit(&l->has_pages, has, memory_order_relaxed);
}

int xf_landing_init(struct xf_landing *l, struct xf_lane *lane, const struct xf_guest_sink *guest,
                    uint64_t features)
{
    const unsigned frags = lane->session->shape.frags;

    memset(l, 0, sizeof(*l));
    l->lane = lane;
    set_has_pages(l, true);
    l->guest = *guest;
    l->own_pages = xf_stripe_chunks(&lane->stripe, guest->page_count) * XF_CHUNK_PAGES;
    l->stride = frags == 1 ? 1 : frags == 2 ? 2 : 4;
    l->round = 1;
    uint64_t blocks = xf_bitmap_words(l->own_pages * l->stride) / BLOCK_WORDS + 1;

    l->populated = xf_bitmap_new(l->own_pages);
    l->bits = calloc(blocks, BLOCK_WORDS * sizeof(l->bits[0]));
    l->block_round = calloc(blocks, sizeof(l->block_round[0]));
    if (features & XF_FEATURE_VERIFY_LIVE) {
        l->same = xf_bitmap_new(l->own_pages);
        if (!l->same)
            return -ENOMEM;
    }
    int rc = xf_chunks_init(&l->chunks, guest, &lane->stripe);

    return rc ? rc : l->populated && l->bits && l->block_round ? 0 : -ENOMEM;
}

void xf_landing_unmap(struct xf_landing *l)
{
    xf_chunks_unmap_all(&l->chunks);
}

void xf_landing_fini(struct xf_landing *l)
{
    xf_chunks_fini(&l->chunks);
    free(l->block_round);
    free(l->bits);
    free(l->populated);
    free(l->same);
    memset(l, 0, sizeof(*l));
}

void xf_landing_next_round(struct xf_landing *l, bool over)
{
    if (l->has_pages) {
        xf_chunks_next_round(&l->chunks);
    } else if (!over) {
        xf_count_set(&l->differ, 0);
        xf_count_set(&l->lane->counts.pages_verified, 0);
    }
    l->took_pages = l->chunks.whole = false;
    xf_count_set(&l->landed, 0);
    set_has_pages(l, true);
    l->round++;
}

bool xf_landing_rest(struct xf_landing *l)
{
    return xf_chunks_rest(&l->chunks);
}

/* The word of bits that page i's are in, as this round has left it. */
static uint64_t *word_of(struct xf_landing *l, uint64_t i)
{
    uint64_t w = i * l->stride / 64, block = w / BLOCK_WORDS;

    if (l->block_round[block] != l->round) {
        memset(l->bits + block * BLOCK_WORDS, 0, BLOCK_WORDS * sizeof(l->bits[0]));
        l->block_round[block] = l->round;
        l->blocks_cleared++;
    }
    return &l->bits[w];
}

static uint64_t full_of(const struct xf_landing *l)
{
    return (UINT64_C(1) << l->lane->session->shape.frags) - 1;
}

/* Whole pages have landed: counts those that had not. Returns how many. */
static uint64_t land_pages(struct xf_landing *l, uint64_t first, uint64_t count)
{
    const uint64_t full = full_of(l), end = first + count;
    uint64_t fresh = 0;

    for (uint64_t i = first; i < end;) {
        uint64_t *word = word_of(l, i);
        unsigned shift = (unsigned)(i * l->stride % 64);

        if (l->stride == 1) { /* a word at a time */
            uint64_t n = end - i < 64 - shift ? end - i : 64 - shift;
            uint64_t mask = (~UINT64_C(0) >> (64 - n)) << shift;

            fresh += (uint64_t)__builtin_popcountll(mask & ~*word);
            *word |= mask;
            i += n;
            continue;
        }
        if ((*word >> shift & full) != full) {
            *word |= full << shift;
            fresh++;
        }
        i++;
    }
    xf_count_add(&l->landed, fresh);
    return fresh;
}

static bool has_landed(const struct xf_landing *l, uint64_t i)
{
    uint64_t w = i * l->stride / 64;

    return l->block_round[w / BLOCK_WORDS] == l->round &&
           (l->bits[w] >> (i * l->stride % 64) & full_of(l)) == full_of(l);
}

static void land_frag(struct xf_landing *l, uint64_t i, unsigned frag)
{
    const uint64_t full = full_of(l);
    uint64_t *word = word_of(l, i);
    unsigned shift = (unsigned)(i * l->stride % 64);

    if ((*word >> shift & full) == full)
        return;
    *word |= UINT64_C(1) << (shift + frag);
    if ((*word >> shift & full) == full) {
        xf_count_add(&l->landed, 1);
        xf_count_add(&l->lane->counts.pages_sent, 1);
    }
}

static unsigned long long gfn_of(const struct xf_landing *l, uint64_t own)
{
    return xf_stripe_gfn(&l->lane->stripe, own);
}

static int not_populated(struct xf_landing *l, uint64_t i)
{
    xf_lane_reject(l->lane, XF_REJECT_not_populated);
    return xf_lane_fail(l->lane, -EPROTO, "the source sent page %#llx before its memory",
                        gfn_of(l, i));
}

/* Where page i is to be written; NULL (with the lane failed) if that cannot be. */
static uint8_t *page_at(struct xf_landing *l, uint64_t i, int *rc)
{
    if (!xf_bitmap_test(l->populated, i)) {
        *rc = not_populated(l, i);
        return NULL;
    }
    uint8_t *page = xf_chunks_at(&l->chunks, i);

    if (!page) {
        xf_lap_packets(l->lane->laps, XF_STAGE_write);
        *rc = XF_FAULT(target_map_chunk) ?: xf_chunks_map(&l->chunks, i);
        xf_lap(l->lane->laps, XF_STAGE_guest);
        if (*rc) {
            xf_lane_fail(l->lane, *rc, "cannot map the guest's memory at page %#llx: %s",
                         gfn_of(l, i), strerror(-*rc));
            return NULL;
        }
        page = xf_chunks_at(&l->chunks, i);
    }
    return page;
}

/* Gives memory to those pages of a run that have none. A run may come twice, as it may be taken for
   lost. */
static int populate(struct xf_landing *l, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;

    for (uint64_t i = xf_bitmap_next_clear(l->populated, end, first); i < end;) {
        uint64_t from = i;

        i = xf_bitmap_next(l->populated, end, from);
        xf_lap_packets(l->lane->laps, XF_STAGE_write);
        int rc = XF_FAULT(target_populate)
                     ?: l->guest.ops->populate(l->guest.ctx, l->lane->stripe.lane, gfn_of(l, from),
                                               i - from);

        xf_lap(l->lane->laps, XF_STAGE_guest);
        if (rc)
            return xf_lane_fail(l->lane, rc, "no memory for pages %#llx-%#llx of the guest: %s",
                                gfn_of(l, from), gfn_of(l, i - 1), strerror(-rc));
        xf_bitmap_set_range(l->populated, from, i - from);
        /* A mapping made before does not show them. */
        for (uint64_t c = from / XF_CHUNK_PAGES; c <= (i - 1) / XF_CHUNK_PAGES; c++)
            xf_chunks_unmap(&l->chunks, c);
        i = xf_bitmap_next_clear(l->populated, end, i);
    }
    return 0;
}

/* A round is of pages or of hashes: a page that came after its hash would not be compared. */
static int mixed(struct xf_landing *l)
{
    xf_lane_reject(l->lane, XF_REJECT_malformed);
    return xf_lane_fail(l->lane, -EPROTO, "the source sent pages and hashes in one round");
}

static int begin_compare(struct xf_landing *l)
{
    if (l->took_pages)
        return mixed(l);
    set_has_pages(l, false);
    return 0;
}

/* Before pages are written: what was compared is no more. */
static int begin_write(struct xf_landing *l, uint64_t first, uint64_t count)
{
    if (!l->has_pages)
        return mixed(l);
    l->took_pages = true;
    if (l->same)
        xf_bitmap_clear_range(l->same, first, count);
    return 0;
}

static void differs(struct xf_landing *l, uint64_t i)
{
    uint64_t n = xf_count_of(&l->differ);

    if (n < XF_DIFFERING_MAX)
        l->differing[n] = gfn_of(l, i);
    xf_count_set(&l->differ, n + 1);
}

/* Compares pages with the source's hashes of them. A page may be hashed again, as a lost one is; if
   it has changed in between, it comes again too. */
static int compare(struct xf_landing *l, const struct xf_wire_record *r, const uint8_t **payload)
{
    uint8_t hash[XF_HASH_BYTES];
    int rc = begin_compare(l);

    if (rc)
        return rc;
    l->chunks.whole = l->chunks.whole || r->count > XF_PART_PAGES;
    for (uint64_t i = r->index; i < r->index + r->count; i++) {
        const uint8_t *page = page_at(l, i, &rc);

        if (!page)
            return rc;
        xf_page_hash(page, l->hash_seed, hash);
        if (!memcmp(hash, *payload, sizeof(hash))) {
            if (l->same)
                xf_bitmap_set(l->same, i);
        } else if (!has_landed(l, i)) {
            differs(l, i);
        }
        *payload += sizeof(hash);
    }
    xf_count_add(&l->lane->counts.pages_verified, land_pages(l, r->index, r->count));
    return 0;
}

/* Pages whose hashes were sent before and still hold, says the source: they must have been found
   the same, and not have been written since. */
static int hold(struct xf_landing *l, const struct xf_wire_record *r)
{
    const uint64_t end = r->index + r->count;
    int rc = begin_compare(l);

    if (rc)
        return rc;
    for (uint64_t i = xf_bitmap_next_clear(l->same, end, r->index); i < end;
         i = xf_bitmap_next_clear(l->same, end, i + 1)) {
        if (!xf_bitmap_test(l->populated, i))
            return not_populated(l, i);
        if (!has_landed(l, i))
            differs(l, i);
    }
    xf_count_add(&l->lane->counts.pages_verified, land_pages(l, r->index, r->count));
    return 0;
}

/* Pages from i to below end are to be zeros: the first that has to be looked at. */
static uint64_t skip_zeros(const struct xf_landing *l, uint64_t i, uint64_t end)
{
    uint64_t unseen = xf_chunks_skip_unseen(&l->chunks, i, end);

    return unseen > i ? xf_bitmap_next_clear(l->populated, unseen, i) : i;
}

/* One page that a codec has encoded. It is decoded beside the guest: either all of it lands or
 * nothing.
 */
static int decompress(struct xf_landing *l, const struct xf_codec *codec, uint64_t i,
                      const uint8_t **payload)
{
    struct xf_counts *counts = &l->lane->counts;
    uint16_t bytes;
    int rc = 0;
    uint8_t *page = page_at(l, i, &rc);

    if (!page)
        return rc;
    memcpy(&bytes, *payload, sizeof(bytes));
    *payload += XF_CODED_HEAD_BYTES;
    if (!codec->ops->decode(*payload, bytes, l->decoded)) {
        xf_lane_reject(l->lane, XF_REJECT_undecodable);
        return xf_lane_fail(
            l->lane, -EPROTO,
            "the source sent page %#llx compressed, but it does not decompress to a page",
            gfn_of(l, i));
    }
    *payload += bytes;
    xf_page_write(page, l->decoded);
    xf_chunks_wrote(&l->chunks, i);
    if (land_pages(l, i, 1)) {
        xf_count_add(&counts->pages_sent, 1);
        xf_count_add(&counts->pages_compressed, 1);
        xf_count_add(&counts->bytes_saved, XF_PAGE_BYTES - bytes);
    }
    return 0;
}

/* A record of pages. */
static int write_pages(struct xf_landing *l, const struct xf_wire_record *r,
                       const uint8_t **payload)
{
    struct xf_counts *counts = &l->lane->counts;
    int rc = begin_write(l, r->index, r->count);

    if (rc)
        return rc;
    switch (r->kind) {
    case XF_RECORD_RAW:
        for (uint64_t i = r->index; i < r->index + r->count; i++) {
            uint8_t *page = page_at(l, i, &rc);

            if (!page)
                return rc;
            xf_page_write(page, *payload);
            xf_chunks_wrote(&l->chunks, i);
            *payload += XF_PAGE_BYTES;
        }
        xf_count_add(&counts->pages_sent, land_pages(l, r->index, r->count));
        return 0;
    case XF_RECORD_ZERO:
        for (uint64_t i = r->index; i < r->index + r->count; i++) {
            if (l->chunks.seen_parts) {
                i = skip_zeros(l, i, r->index + r->count);
                if (i == r->index + r->count)
                    break;
            }
            uint8_t *page = page_at(l, i, &rc);

            if (!page)
                return rc;
            if (i + 1 < r->index + r->count && (i + 1) % XF_PART_PAGES)
                xf_page_prefetch(page + XF_PAGE_BYTES, PREFETCH_LINES);
            /* Reading first leaves memory that is still untouched untouched. */
            if (!xf_page_is_zero(page))
                memset(page, 0, XF_PAGE_BYTES);
            xf_chunks_wrote(&l->chunks, i);
        }
        uint64_t fresh = land_pages(l, r->index, r->count);

        xf_count_add(&counts->pages_sent, fresh);
        xf_count_add(&counts->pages_zero, fresh);
        return 0;
    case XF_RECORD_FRAG: {
        uint8_t *page = page_at(l, r->index, &rc);
        uint32_t bytes = xf_wire_frag_bytes(&l->lane->session->shape, r->frag);

        if (!page)
            return rc;
        memcpy(page + r->frag * l->lane->session->shape.frag_bytes, *payload, bytes);
        *payload += bytes;
        xf_chunks_wrote(&l->chunks, r->index);
        land_frag(l, r->index, r->frag);
        return 0;
    }
    default: /* a codec's: xf_wire_check_data() lets no other kind through */
        for (uint64_t i = r->index; i < r->index + r->count && !rc; i++)
            rc = decompress(l, xf_codec_of(r->kind), i, payload);
        return rc;
    }
}

/* A record whose index is an own page. */
static int write(struct xf_landing *l, const struct xf_wire_record *r, const uint8_t **payload)
{
    switch (r->kind) {
    case XF_RECORD_HASH:
        return compare(l, r, payload);
    case XF_RECORD_HELD:
        return hold(l, r);
    case XF_RECORD_POPULATE:
        return populate(l, r->index, r->count);
    case XF_RECORD_DEFER:
        xf_count_add(&l->lane->counts.pages_deferred, land_pages(l, r->index, r->count));
        return 0;
    default:
        return write_pages(l, r, payload);
    }
}

int xf_landing_write(struct xf_landing *l, const struct xf_wire_record *r, const uint8_t **payload)
{
    struct xf_wire_record own = *r;

    /* Else two lanes could write to a page at once. */
    if (!xf_stripe_has(&l->lane->stripe, r->index, r->count)) {
        xf_lane_reject(l->lane, XF_REJECT_wrong_lane);
        return xf_lane_fail(l->lane, -EPROTO, "the source sent page %#llx on lane %u of %u",
                            (unsigned long long)r->index, l->lane->stripe.lane,
                            l->lane->stripe.lanes);
    }
    own.index = xf_stripe_own_page(&l->lane->stripe, r->index);
    return write(l, &own, payload);
}
