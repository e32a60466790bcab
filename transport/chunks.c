/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chunks: a bounded number of them is mapped. */
#include "chunks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bitmap.h"

/* In `place`: it is passing. */
#define PASSING (UINT32_C(1) << 31)
/* In passing: it was unmapped meanwhile. */
#define NONE UINT32_MAX
/* One in so many mappings is for those that pass. */
#define PASSING_SHARE 8u
/* Parts of a chunk after which it is mapped whole: it is one of which much comes. */
#define PARTS_MOST 4u
/* Kept chunks that are looked at for one that is not touched any more. */
#define LOOKS 4u

static void set_most(struct xf_chunks *c, uint32_t most)
{
    c->passing_max = most / PASSING_SHARE ? most / PASSING_SHARE : 1;
    c->kept_max = most < c->count ? most - c->passing_max : most; /* all of the guest is kept */
}

int xf_chunks_init(struct xf_chunks *c, const struct xf_guest_sink *guest,
                   const struct xf_stripe *stripe)
{
    uint64_t most = (guest->chunks_max ? guest->chunks_max : XF_CHUNKS_MAX) / stripe->lanes;

    memset(c, 0, sizeof(*c));
    c->guest = *guest;
    c->stripe = *stripe;
    c->count = xf_stripe_chunks(stripe, guest->page_count);
    c->round = 1;
    if (most > c->count)
        most = c->count;
    if (!most)
        most = 1;
    if (c->count >= PASSING)
        return -EFBIG;
    set_most(c, (uint32_t)most);
    c->table = calloc(c->count + 1, sizeof(c->table[0]));
    c->kept = calloc(most, sizeof(c->kept[0]));
    c->passing = calloc(most / PASSING_SHARE + 1, sizeof(c->passing[0]));
    if (guest->gives_zeros && guest->parts)
        c->seen_parts = xf_bitmap_new((c->count + 1) * (XF_CHUNK_PAGES / XF_PART_PAGES));
    if (guest->wants_written)
        c->written = xf_bitmap_new((c->count + 1) * XF_CHUNK_PAGES);
    return c->table && c->kept && c->passing &&
                   (c->seen_parts || !guest->gives_zeros || !guest->parts) &&
                   (c->written || !guest->wants_written)
               ? 0
               : -ENOMEM;
}

void xf_chunks_fini(struct xf_chunks *c)
{
    if (c->table && c->kept && c->passing)
        xf_chunks_unmap_all(c);
    free(c->written);
    free(c->seen_parts);
    free(c->passing);
    free(c->kept);
    free(c->table);
    memset(c, 0, sizeof(*c));
}

/* Of what is mapped there, what was written to. */
static void tell_written(struct xf_chunks *c, uint64_t first, const struct xf_chunk *k)
{
    const uint64_t end = first + k->pages;

    for (uint64_t own = xf_bitmap_next(c->written, end, first); own < end;) {
        uint64_t behind = xf_bitmap_next_clear(c->written, end, own);

        c->guest.ops->wrote(c->guest.ctx, c->stripe.lane, xf_stripe_gfn(&c->stripe, own),
                            behind - own, k->base);
        own = xf_bitmap_next(c->written, end, behind);
    }
    xf_bitmap_clear_range(c->written, first, k->pages);
}

static void unmap(struct xf_chunks *c, uint32_t chunk)
{
    struct xf_chunk *k = &c->table[chunk];
    const unsigned lane = c->stripe.lane;
    uint64_t gfn = xf_stripe_gfn(&c->stripe, (uint64_t)chunk * XF_CHUNK_PAGES);

    if (c->written)
        tell_written(c, (uint64_t)chunk * XF_CHUNK_PAGES + k->first, k);
    if (k->pages == XF_CHUNK_PAGES)
        c->guest.ops->unmap_chunk(c->guest.ctx, lane, gfn / XF_CHUNK_PAGES, k->base);
    else
        c->guest.ops->unmap_part(c->guest.ctx, lane, gfn + k->first, k->base);
    k->base = NULL;
    k->pages = k->parts = 0;
    c->mapped--;
}

/* The passing chunk that has been mapped the longest goes. */
static void drop_oldest(struct xf_chunks *c)
{
    uint32_t chunk = c->passing[c->passing_at];

    if (chunk != NONE)
        unmap(c, chunk);
    c->passing_at = (c->passing_at + 1) % c->passing_max;
    c->passing_n--;
}

static void drop_kept(struct xf_chunks *c, uint32_t place)
{
    uint32_t last = c->kept[--c->kept_n];

    unmap(c, c->kept[place]);
    if (place < c->kept_n) {
        c->kept[place] = last;
        c->table[last].place = place;
    }
}

void xf_chunks_unmap(struct xf_chunks *c, uint64_t chunk)
{
    struct xf_chunk *k = &c->table[chunk];

    if (!k->pages)
        return;
    if (k->place & PASSING) {
        c->passing[k->place & ~PASSING] = NONE;
        unmap(c, (uint32_t)chunk);
    } else {
        drop_kept(c, k->place);
    }
}

void xf_chunks_unmap_all(struct xf_chunks *c)
{
    while (c->passing_n)
        drop_oldest(c);
    while (c->kept_n)
        drop_kept(c, c->kept_n - 1);
}

/* One that the round has come by without touching it, or that the round before did not touch. */
static bool is_left(const struct xf_chunks *c, uint32_t kept, uint64_t wanted)
{
    uint32_t round = c->table[kept].round;

    return round + 1 < c->round || (round < c->round && kept < wanted);
}

/* Makes room among the kept ones if there is or may be some. */
static bool room_in_kept(struct xf_chunks *c, uint64_t wanted)
{
    if (c->kept_n < c->kept_max)
        return true;
    for (unsigned i = 0; i < LOOKS && c->kept_n; i++) {
        c->hand = (c->hand + 1) % c->kept_n;
        if (is_left(c, c->kept[c->hand], wanted)) {
            drop_kept(c, c->hand);
            return true;
        }
    }
    return false;
}

/* The kernel has no more: an eighth of what there is goes, and does not come back. */
static void shrink(struct xf_chunks *c)
{
    uint32_t most = c->mapped - (c->mapped + PASSING_SHARE - 1) / PASSING_SHARE;

    while (c->passing_n) /* its size changes */
        drop_oldest(c);
    c->passing_at = 0;
    set_most(c, most ? most : 1);
    while (c->kept_n > c->kept_max)
        drop_kept(c, c->kept_n - 1);
}

uint64_t xf_chunks_skip_unseen(const struct xf_chunks *c, uint64_t own, uint64_t end)
{
    uint64_t part = own / XF_PART_PAGES, parts = (end + XF_PART_PAGES - 1) / XF_PART_PAGES;
    uint64_t seen = xf_bitmap_next(c->seen_parts, parts, part);

    if (seen == part)
        return own;
    return seen * XF_PART_PAGES < end ? seen * XF_PART_PAGES : end;
}

/* Maps the chunk, or the part with the page in it. */
static int map(struct xf_chunks *c, uint64_t own)
{
    const uint64_t chunk = own / XF_CHUNK_PAGES, part = own / XF_PART_PAGES;
    const uint64_t gfn = xf_stripe_gfn(&c->stripe, own);
    const unsigned lane = c->stripe.lane;
    struct xf_chunk *k = &c->table[chunk];
    bool in_parts =
        c->seen_parts || (c->guest.parts && !c->whole && k->seen && k->parts < PARTS_MOST);
    void *base;
    int rc = in_parts ? c->guest.ops->map_part(c->guest.ctx, lane,
                                               gfn / XF_PART_PAGES * XF_PART_PAGES, &base)
                      : c->guest.ops->map_chunk(c->guest.ctx, lane, gfn / XF_CHUNK_PAGES, &base);

    if (rc)
        return rc;
    k->base = base;
    k->first = in_parts ? (uint16_t)(part * XF_PART_PAGES % XF_CHUNK_PAGES) : 0;
    k->pages = in_parts ? XF_PART_PAGES : XF_CHUNK_PAGES;
    k->seen = true;
    if (c->seen_parts)
        xf_bitmap_set(c->seen_parts, part);
    c->maps++;
    c->pages_mapped += k->pages;
    if (++c->mapped > c->mapped_most)
        c->mapped_most = c->mapped;
    return 0;
}

int xf_chunks_map(struct xf_chunks *c, uint64_t own)
{
    const uint32_t chunk = (uint32_t)(own / XF_CHUNK_PAGES);
    struct xf_chunk *k = &c->table[chunk];
    uint16_t parts = k->pages ? (uint16_t)(k->parts + 1) : 0;

    xf_chunks_unmap(c, chunk); /* another part of it */
    k->parts = parts;
    bool keeps = room_in_kept(c, chunk);
    int rc;

    if (!keeps && c->passing_n == c->passing_max)
        drop_oldest(c);
    while ((rc = map(c, own)) == -ENOMEM && c->mapped) {
        shrink(c);
        keeps = false;
    }
    if (rc)
        return rc;
    if (keeps) {
        k->place = c->kept_n;
        c->kept[c->kept_n++] = chunk;
        return 0;
    }
    uint32_t at = (c->passing_at + c->passing_n++) % c->passing_max;

    k->place = PASSING | at;
    c->passing[at] = chunk;
    return 0;
}

void xf_chunks_next_round(struct xf_chunks *c)
{
    c->round++;
}

bool xf_chunks_rest(struct xf_chunks *c)
{
    /* The newer half may be where the round is now. */
    if (c->passing_n <= c->passing_max / 2)
        return false;
    drop_oldest(c);
    return true;
}
