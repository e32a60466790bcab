/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk source: a disk as the source of a session (transport/guest.h). Nobody writes to it
 * meanwhile, as it belongs to a guest that is shut off; or it is known what is written, and the
 * writers can be stopped.
 *
 * A few threads read what the lanes will ask for next, so that a slow disk keeps no lane from
 * hearing its peer: map() says -EAGAIN until a batch is there.
 *
 * Ownership: the disk stays the caller's and outlives the source. Threads: as in guest.h; new and
 * free by one thread, free after the session. Errors: -errno; of a failed read, from map().
 */
#ifndef XF_DISK_DISK_SOURCE_H
#define XF_DISK_DISK_SOURCE_H

#include "disk.h"
#include "transport/guest.h"

struct xf_disk_source;

/* Who writes to the disk meanwhile. Called by the thread that steps the session. */
struct xf_disk_writers {
    /* As xf_track_take(): what is read after it has all that was written before. */
    int (*take)(void *ctx, uint64_t *dirty, uint64_t *count);
    /* No write is under way or follows. */
    int (*stop)(void *ctx);
    void *ctx;
};

/* skip_holes: what a file has no data for is left out; the target's disk is known to be zeros
   there. */
int xf_disk_source_new(struct xf_disk_source **out, const struct xf_disk *disk, bool skip_holes);
/* Before the session. From now on they are noted: what was written before is in what is read. */
void xf_disk_source_written(struct xf_disk_source *s, const struct xf_disk_writers *writers);
/* Before the session: of the disk only these pages are sent, for the target has the others. The
   bitmap stays the caller's, and outlives the source. */
void xf_disk_source_only(struct xf_disk_source *s, const uint64_t *pages);
void xf_disk_source_free(struct xf_disk_source *s);

struct xf_guest_source xf_disk_source_guest(struct xf_disk_source *s);

#endif
