/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest sink: the memory of an HVM or PVH domain of Xen that is being built, as the transport fills
 * it (transport/guest.h). It has handles of its own, because the stock restore uses the caller's at
 * the same time, and each lane has its own of these. One thread, but for the lanes' calls.
 */
#ifndef XF_PLUGIN_GUEST_SINK_H
#define XF_PLUGIN_GUEST_SINK_H

#include <stdint.h>

#include "transport/guest.h"
#include "special.h"

struct xf_xen_sink;

struct xf_xen_sink_stats {
    uint64_t superpages;         /* of 2 MiB */
    uint64_t small_pages;        /* of 4 KiB */
    uint64_t superpages_refused; /* ranges that could have been one, but Xen had none */
};

int xf_xen_sink_new(struct xf_xen_sink **out, uint32_t domid, uint64_t page_count);
struct xf_guest_sink xf_xen_sink_guest(struct xf_xen_sink *x);
struct xf_xen_sink_stats xf_xen_sink_stats(const struct xf_xen_sink *x);

/* Pages that libxl and its daemons have at the target: whoever sends one is refused. The first
   XF_SPECIAL_MAX count; copied. */
void xf_xen_sink_keep_out(struct xf_xen_sink *x, const uint64_t *gfns, unsigned n);

/* The memory is complete: what is unmapped from now on may stay mapped until after the process's
   end (linger.h). */
void xf_xen_sink_complete(struct xf_xen_sink *x);

/* Every chunk must have been unmapped. */
void xf_xen_sink_free(struct xf_xen_sink *x);

#endif
