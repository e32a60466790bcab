/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Chunks: which chunks of the sink's guest memory are mapped, and which of them goes when another
 * is wanted and there are as many as may be. Each is a mapping of the kernel's, which a host has
 * only so many of, and in a PVH dom0 each of its pages costs dom0 memory of its own.
 *
 * A round goes through the guest in ascending order, so a guest that writes all over touches every
 * chunk once in each round: there the least recently used is always the next to be wanted, and to
 * throw it out would map all of the guest anew in every round. So most mappings are kept as they
 * are as long as rounds touch them ("kept"; the share of the guest that they cover costs nothing),
 * and the others go through the rest, first in, first out ("passing"). What is kept and was not
 * touched when the round came by is given to another, so that the kept ones become those that the
 * guest writes to.
 *
 * What comes of a chunk in later rounds is often one page, so of one that has been mapped before a
 * part is mapped first, and all of it when some parts were not enough.
 *
 * Pages and chunks are a lane's own (stripe.h).
 *
 * Private to transport/. Threads: the lane's.
 */
#ifndef XF_TRANSPORT_CHUNKS_H
#define XF_TRANSPORT_CHUNKS_H

#include "guest.h"
#include "stripe.h"
#include "transport/base/bitmap.h"

struct xf_chunk {
    uint8_t *base;  /* of what is mapped of it: `pages` from `first` on; 0: nothing is */
    uint32_t round; /* when it was last touched; 0: never */
    uint32_t place; /* in kept, or PASSING and in passing */
    uint16_t first, pages;
    uint16_t parts; /* of it that were mapped one after the other */
    bool seen;      /* it has been mapped before */
};

struct xf_chunks {
    struct xf_guest_sink guest;
    struct xf_stripe stripe;
    struct xf_chunk *table; /* of all chunks of the lane */
    uint64_t count;
    uint32_t round;
    bool whole;           /* all pages come: no parts */
    uint64_t *seen_parts; /* of a sink that gives zeros: a bit each; else NULL */
    uint64_t *written; /* of a sink that wants to be told: a bit a page that was written to since it
                          was mapped; else NULL */
    uint32_t *kept, kept_n, kept_max, hand; /* chunk numbers */
    uint32_t *passing, passing_at, passing_n, passing_max;
    uint32_t mapped, mapped_most; /* now, and ever at once */
    uint64_t maps, pages_mapped;  /* that were made; pages in them */
};

/* On failure too, call fini. */
int xf_chunks_init(struct xf_chunks *c, const struct xf_guest_sink *guest,
                   const struct xf_stripe *stripe);
/* Unmaps all. */
void xf_chunks_fini(struct xf_chunks *c);

/* Where a page is mapped; NULL: it is not. */
static inline uint8_t *xf_chunks_at(struct xf_chunks *c, uint64_t own)
{
    struct xf_chunk *k = &c->table[own / XF_CHUNK_PAGES];
    uint64_t page = own % XF_CHUNK_PAGES - k->first;

    k->round = c->round;
    return page < k->pages ? k->base + page * XF_PAGE_BYTES : NULL;
}

/* A page that is mapped is written to. */
static inline void xf_chunks_wrote(struct xf_chunks *c, uint64_t own)
{
    if (c->written)
        xf_bitmap_set(c->written, own);
}

/* Of a sink that gives zeros: from own to below end, the first page that somebody may have seen. */
uint64_t xf_chunks_skip_unseen(const struct xf_chunks *c, uint64_t own, uint64_t end);

/* Maps a page that is not. If the kernel has no room for it, others go, and from then on there are
   fewer at once. 0 or the sink's -errno. */
int xf_chunks_map(struct xf_chunks *c, uint64_t own);

/* Unmaps one, if it is mapped, or all of them. */
void xf_chunks_unmap(struct xf_chunks *c, uint64_t chunk);
void xf_chunks_unmap_all(struct xf_chunks *c);

/* Another round of pages begins. */
void xf_chunks_next_round(struct xf_chunks *c);

/* For a moment in which nothing else is to be done: unmaps one that will not be wanted soon, so
   that later ones, of the last round above all, need not wait for that. False: there was none. */
bool xf_chunks_rest(struct xf_chunks *c);

#endif
