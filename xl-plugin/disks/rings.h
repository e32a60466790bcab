/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rings: what a guest asks of its disks' backends, and what these have answered (xen/io/blkif.h). A
 * guest that is suspended asks nothing more; its backends may still be writing. When each request
 * has its response, nothing is on its way to the disk any more. The kernel's own counters
 * (/sys/block/X/inflight) do not tell that: device mapper's do not count all.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_RINGS_H
#define XF_DISKS_RINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "manifest.h"

struct xf_rings;

/* Of all disks of that domain, mapped read-only until they are closed, which is to be before the
   domain is destroyed. */
int xf_rings_open(struct xf_rings **out, uint32_t domid, char why[XF_MANIFEST_WHY_BYTES]);
void xf_rings_close(struct xf_rings *r);

/* Whether a request has no response yet. */
bool xf_rings_are_busy(const struct xf_rings *r);

#endif
