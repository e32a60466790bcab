/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Landing: where a lane's packets become guest memory. Knows which pages have memory, and counts
 * the distinct pages that have landed in the current round, whole or by fragments. What it keeps is
 * of its lane's own pages (stripe.h). Private to transport/.
 *
 * To verify, it compares pages with the source's hashes of them, and remembers those that were the
 * same, until they are written again. While the guest runs a page that differs is one that has
 * changed meanwhile, and comes again. In the last round none may.
 *
 * Threads: the lane's; `landed`, `differ` and `has_pages` may be read by control.
 */
#ifndef XF_TRANSPORT_LANDING_H
#define XF_TRANSPORT_LANDING_H

#include "chunks.h"
#include "guest.h"
#include "lane.h"

/* Pages that are named when a verification fails. */
#define XF_DIFFERING_MAX 12

struct xf_landing {
    struct xf_lane *lane; /* for its stripe, counters and error, and the session's shape */
    struct xf_guest_sink guest;
    uint64_t own_pages;
    xf_count landed;     /* distinct pages of this round */
    uint64_t *populated; /* a bit a page */
    /* stride bits a page: which fragments have landed in this round. Cleared a block at a time,
       when a round first looks at it: to clear all of a large guest's would be felt, in its pause
       too. */
    uint64_t *bits;
    uint32_t *block_round;  /* of each block, the round that its bits are of */
    uint32_t round;         /* counted here */
    _Atomic bool has_pages; /* this round's records are of pages, not of hashes */
    bool took_pages;        /* one of pages has come */
    uint64_t *same;         /* VERIFY_LIVE, else NULL: a bit a page, as compared since written */
    uint64_t hash_seed;
    xf_count differ;                      /* pages of this round whose hash was another one */
    uint64_t differing[XF_DIFFERING_MAX]; /* the first of them: gfns */
    unsigned stride;
    struct xf_chunks chunks;
    uint64_t blocks_cleared; /* of bits: what rounds have cost besides their pages */
    _Alignas(64) uint8_t decoded[XF_PAGE_BYTES]; /* a page, before it is known to be one */
};

/* The session's shape is set; features: the offer's. On failure too, call fini. */
int xf_landing_init(struct xf_landing *l, struct xf_lane *lane, const struct xf_guest_sink *guest,
                    uint64_t features);
/* Unmaps the guest. */
void xf_landing_fini(struct xf_landing *l);

/* over: it was the last; what its hashes have shown stays. */
void xf_landing_next_round(struct xf_landing *l, bool over);

/* Unmaps what is mapped; pages map again when they are touched. */
void xf_landing_unmap(struct xf_landing *l);

/* For a moment in which nothing else is to be done. False: nor was there anything to do. */
bool xf_landing_rest(struct xf_landing *l);

/*
 * Writes one checked record (xf_wire_check_data) of the current round; *payload moves over the
 * bytes it used. On -errno the lane's error says why.
 */
int xf_landing_write(struct xf_landing *l, const struct xf_wire_record *r, const uint8_t **payload);

#endif
