/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tunnel sink: the buffer between the transport and Xen's own restore at the target. Batches land
 * in its two halves in turn; while one is being taken out the other is being filled, and while both
 * are full the source waits.
 *
 * Threads: one that steps the session, one that takes. A wait ends with -ECANCELED after
 * xf_tunnel_sink_fail(), which both may call.
 */
#ifndef XF_PLUGIN_TUNNEL_SINK_H
#define XF_PLUGIN_TUNNEL_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/guest.h"
#include "transport/base/stats.h"

struct xf_tunnel_sink;

/* -EPROTONOSUPPORT: not a buffer of ours, by its size (the offer's page count). */
int xf_tunnel_sink_new(struct xf_tunnel_sink **out, uint64_t page_count);
void xf_tunnel_sink_free(struct xf_tunnel_sink *t);

struct xf_guest_sink xf_tunnel_sink_guest(struct xf_tunnel_sink *t);

/*
 * The next `pages` (at least 1) that have landed, in a row at *from; waits for them. They stay
 * until give_back(). -EBADMSG: so many do not stand in the batch; records never span two.
 */
int xf_tunnel_sink_take(struct xf_tunnel_sink *t, uint32_t pages, const uint8_t **from);
void xf_tunnel_sink_give_back(struct xf_tunnel_sink *t);

/* Pages have landed that were not taken yet, or all have and the end is held. */
bool xf_tunnel_sink_has_pages(struct xf_tunnel_sink *t);

/* While it is held, the session does not end: the source is not told that all is well. */
void xf_tunnel_sink_hold(struct xf_tunnel_sink *t, bool hold);

/* The step said XF_SESSION_DONE, with these counters; they are copied. */
void xf_tunnel_sink_done(struct xf_tunnel_sink *t, const struct xf_stats *stats);
void xf_tunnel_sink_fail(struct xf_tunnel_sink *t);
bool xf_tunnel_sink_failed(struct xf_tunnel_sink *t);

/*
 * Waits for done(), with its counters in *stats. *left: pages that have landed and were not taken.
 * -ETIMEDOUT.
 */
int xf_tunnel_sink_wait_done(struct xf_tunnel_sink *t, unsigned timeout_ms, struct xf_stats *stats,
                             uint64_t *left);

#endif
