/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, reflector: a link whose other end is a perfect target in the same process. What a source
 * sends, it acknowledges as PROTOCOL.md, section 7, says: it counts sequences, which are in the
 * clear, opens no DATA and keeps no page. Nothing is copied or lost, and nothing waits. So the
 * source's own work is left: what one end costs at the least.
 *
 *     source --- tx_burst ---> count; open PING and BARRIER only
 *            <-- rx_burst ---- ANSWER until the first packet; FEEDBACK when it is due
 *
 * Threads: as link.h says; what is kept of a queue is its thread's.
 * Memory: buffers are handed out in turn, XF_REFLECTOR_BUFFERS a queue, and so few that they stay
 * in a core's cache, as a port's do that is emptied as fast as it is filled. Errors: a sequence
 * that is not the next one, or a PING or BARRIER that does not open, breaks the link: health() is
 * -EPROTO from then on.
 */
#ifndef XF_BENCH_BENCH_REFLECTOR_H
#define XF_BENCH_BENCH_REFLECTOR_H

#include "transport/link.h"
#include "transport/offer.h"

#define XF_REFLECTOR_BUFFERS 64u

struct xf_reflector;

/* Called in tx_burst with each packet, and the round (from 1) that the target is in then. */
typedef void xf_reflector_keep(void *arg, unsigned queue, uint32_t round, const uint8_t *data,
                               uint32_t len);

/*
 * payload_bytes: the largest UDP payload. Makes an offer for the source, too: yours, wipe it.
 * 0, -ENOMEM, or what keys or random numbers failed with.
 */
int xf_reflector_new(struct xf_reflector **out, unsigned queues, uint32_t payload_bytes,
                     uint64_t page_count, struct xf_offer *offer);
void xf_reflector_free(struct xf_reflector *r);

/* The source's link; close() does nothing. */
struct xf_link *xf_reflector_link(struct xf_reflector *r);

/* Before the source begins: to have a look at all packets. */
void xf_reflector_keep_with(struct xf_reflector *r, xf_reflector_keep *keep, void *arg);

#endif
