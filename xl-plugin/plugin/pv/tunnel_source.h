/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tunnel source: the buffer between Xen's own save and the transport at the source. To the
 * transport it is a guest whose dirty() gives the next batch (transport/guest.h); one half is being
 * sent while the other is being filled. Whatever is there when the transport asks is the next
 * batch, so batches grow exactly as far as the link is slower than the save.
 *
 * Threads: one that steps the session, one that fills, one that waits for either. Waits end with
 * -ECANCELED after xf_tunnel_source_fail(), which any of them may call.
 */
#ifndef XF_PLUGIN_TUNNEL_SOURCE_H
#define XF_PLUGIN_TUNNEL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/guest.h"
#include "transport/base/stats.h"

struct xf_tunnel_source;

int xf_tunnel_source_new(struct xf_tunnel_source **out, uint32_t half_pages);
void xf_tunnel_source_free(struct xf_tunnel_source *t);

struct xf_guest_source xf_tunnel_source_guest(struct xf_tunnel_source *t);

/* The session's own counters, to know how many pages were zero; before it is stepped. */
void xf_tunnel_source_watch(struct xf_tunnel_source *t, const struct xf_stats *stats);

/* ---- filling -------------------------------------------------------------------------------- */

/* Room for `pages` (at most a half) in a row, to be filled and given away by commit(). Waits. */
int xf_tunnel_source_reserve(struct xf_tunnel_source *t, uint32_t pages, uint8_t **room);
void xf_tunnel_source_commit(struct xf_tunnel_source *t);

/* All that was asked for before the n-th mark has been committed (see wait_landed). */
void xf_tunnel_source_mark(struct xf_tunnel_source *t);

/* There will be no more pages: the session ends once all have landed. */
void xf_tunnel_source_end(struct xf_tunnel_source *t);

/* ---- the session's ends --------------------------------------------------------------------- */

void xf_tunnel_source_done(struct xf_tunnel_source *t); /* the step said XF_SESSION_DONE */
void xf_tunnel_source_fail(struct xf_tunnel_source *t);
bool xf_tunnel_source_failed(struct xf_tunnel_source *t);

/* ---- waiting -------------------------------------------------------------------------------- */

/* The target is ready for pages: -EAGAIN if it is not in timeout_ms. */
int xf_tunnel_source_wait_started(struct xf_tunnel_source *t, unsigned timeout_ms);

struct xf_tunnel_counts {
    uint64_t pages; /* committed */
    uint64_t zero;  /* of those that have landed, without content */
};

/* The n-th mark was set, and all pages committed have landed. counts may be NULL. */
int xf_tunnel_source_wait_landed(struct xf_tunnel_source *t, unsigned marks,
                                 struct xf_tunnel_counts *counts);
int xf_tunnel_source_wait_done(struct xf_tunnel_source *t, struct xf_tunnel_counts *counts);

#endif
