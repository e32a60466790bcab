/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pages that a guest takes into its memory while it moves. */
#ifndef XF_PLUGIN_GUEST_SOURCE_LATE_H
#define XF_PLUGIN_GUEST_SOURCE_LATE_H

#include "guest_source_state.h"

/* Each says what failed. */

/* present: of gfns first to below end, what had content when it began. first: of a whole word. */
void xf_xen_late_begin(struct xf_xen_source *x, const uint64_t *present, uint64_t first,
                       uint64_t end);
/* How much memory has the guest? To be called often. */
int xf_xen_late_count(struct xf_xen_source *x, xc_interface *xch);
/* Adds to `dirty` what the guest has taken into its memory since this was last called. */
int xf_xen_late_add(struct xf_xen_source *x, uint64_t *dirty, bool final);
/* Looks for up to `wanted` pages in what was empty; sets those that are so no more in `dirty`,
 *found of them. */
int xf_xen_late_find(struct xf_xen_source *x, uint64_t wanted, uint64_t *dirty, uint64_t *found);
/* Once the guest stands: memory beyond the gfns that it had is in no bitmap. */
int xf_xen_late_check_end(struct xf_xen_source *x);

#endif
