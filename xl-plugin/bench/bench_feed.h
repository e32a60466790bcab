/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, feed: the packets of a whole session, kept, and a link that hands them to a target as fast
 * as it takes them, again and again. It hands out pointers to where they lie and copies nothing;
 * what the target says, it drops.
 *
 * A packet is not handed out before the target is in the round that it was kept in; its FEEDBACK
 * says so, and is opened up to the last round for that alone. Nor is DATA before xf_feed_go().
 *
 * The same keys and sequences serve each pass: those packets never leave the process.
 *
 * Threads: as link.h says; keep() of a queue by its thread, all else by one, while no target uses
 * the link, but for go().
 */
#ifndef XF_BENCH_BENCH_FEED_H
#define XF_BENCH_BENCH_FEED_H

#include "transport/link.h"
#include "transport/offer.h"

struct xf_feed;

/* Room for the packets of page_count whole pages. 0 or -ENOMEM. */
int xf_feed_new(struct xf_feed **out, unsigned queues, uint32_t payload_bytes, uint64_t page_count);
void xf_feed_free(struct xf_feed *f);

/* Keeps a packet (bench_reflector.h: arg is the feed). */
void xf_feed_keep(void *arg, unsigned queue, uint32_t round, const uint8_t *data, uint32_t len);

/* All was kept, of the session of this offer. -ENOSPC: there was no room for all. */
int xf_feed_kept(struct xf_feed *f, const struct xf_offer *offer);

/* From the first packet on, for another target. */
void xf_feed_rewind(struct xf_feed *f);

/* Now the DATA. */
void xf_feed_go(struct xf_feed *f);

/* The target's link; close() does nothing. */
struct xf_link *xf_feed_link(struct xf_feed *f);

#endif
