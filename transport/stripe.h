/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stripe: which lane a page belongs to. A lane has every lanes-th chunk of the guest, so that all
 * that is kept of a page (its bits, its mapping) is one lane's alone, in cache lines of its own,
 * and a page and its repair are written one after the other. PROTOCOL.md, section 6.
 *
 *     chunk     0   1   2   3   4   5 ...        of two lanes, lane 1 has chunks 1, 3, 5 ...,
 *     lane      0   1   0   1   0   1            which are its own chunks 0, 1, 2 ...
 *
 * What a lane keeps is numbered by its own chunks ("own page"). One lane's own pages are the
 * guest's.
 *
 * Threads: pure functions.
 */
#ifndef XF_TRANSPORT_STRIPE_H
#define XF_TRANSPORT_STRIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"

struct xf_stripe {
    unsigned lane, lanes; /* lane < lanes */
};

/* Whether pages gfn .. gfn+count-1 are the lane's, and of one chunk unless it is the only lane. */
static inline bool xf_stripe_has(const struct xf_stripe *s, uint64_t gfn, uint64_t count)
{
    return s->lanes == 1 || (gfn / XF_CHUNK_PAGES % s->lanes == s->lane &&
                             gfn % XF_CHUNK_PAGES + count <= XF_CHUNK_PAGES);
}

static inline uint64_t xf_stripe_own_page(const struct xf_stripe *s, uint64_t gfn)
{
    if (s->lanes == 1)
        return gfn;
    return gfn / XF_CHUNK_PAGES / s->lanes * XF_CHUNK_PAGES + gfn % XF_CHUNK_PAGES;
}

static inline uint64_t xf_stripe_gfn(const struct xf_stripe *s, uint64_t own_page)
{
    if (s->lanes == 1)
        return own_page;
    return (own_page / XF_CHUNK_PAGES * s->lanes + s->lane) * XF_CHUNK_PAGES +
           own_page % XF_CHUNK_PAGES;
}

/* How many chunks the lane has of a guest of so many pages. */
static inline uint64_t xf_stripe_chunks(const struct xf_stripe *s, uint64_t page_count)
{
    uint64_t chunks = (page_count + XF_CHUNK_PAGES - 1) / XF_CHUNK_PAGES;

    return chunks > s->lane ? (chunks - s->lane + s->lanes - 1) / s->lanes : 0;
}

/* The first page at or after gfn that is the lane's. */
static inline uint64_t xf_stripe_next(const struct xf_stripe *s, uint64_t gfn)
{
    uint64_t chunk = gfn / XF_CHUNK_PAGES;
    unsigned lane = s->lanes == 1 ? 0 : (unsigned)(chunk % s->lanes);

    if (lane == s->lane)
        return gfn;
    return (chunk + (s->lane + s->lanes - lane) % s->lanes) * XF_CHUNK_PAGES;
}

/* Behind the last page that follows gfn, which is the lane's, without a gap. */
static inline uint64_t xf_stripe_end(const struct xf_stripe *s, uint64_t gfn, uint64_t page_count)
{
    uint64_t end = (gfn / XF_CHUNK_PAGES + 1) * XF_CHUNK_PAGES;

    return s->lanes == 1 || end > page_count ? page_count : end;
}

#endif
