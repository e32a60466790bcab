/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk sink: a disk as the target of a session (transport/guest.h). What is mapped is a copy in
 * memory; when it is unmapped, a few threads write what was written to in it, and nothing else. At
 * the end of a round all is written and on the medium: so a session that is complete is durable.
 *
 * Ownership: the disk stays the caller's and outlives the sink. Threads: as in guest.h; new and
 * free by one thread, free after the session. Errors: -errno; of a failed write, from map and
 * end_round.
 */
#ifndef XF_DISK_DISK_SINK_H
#define XF_DISK_DISK_SINK_H

#include "disk.h"
#include "transport/guest.h"

struct xf_disk_sink;

/* zeros: the disk reads as zeros all over, as a file does that was just made. Pages of zeros are
   not written then, so that a sparse file stays one. */
int xf_disk_sink_new(struct xf_disk_sink **out, const struct xf_disk *disk, bool zeros);
void xf_disk_sink_free(struct xf_disk_sink *s);

struct xf_guest_sink xf_disk_sink_guest(struct xf_disk_sink *s);

#endif
