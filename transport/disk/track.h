/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Track: which pages of a block device are written to, by whomever: seen by a program in the kernel
 * (track.bpf.c) that is not in the way of any write. It ends with the process.
 *
 * What can be tracked: a device with a request queue (SCSI, NVMe, virtio, loop) or a partition of
 * one, and a device of device mapper. Reads that follow xf_track_take() have all that was written
 * before it: read past the page cache, or the file itself that a loop device is on.
 *
 * A write that was not seen shows as -ENODATA. Then all of the disk may have changed. The kernel's
 * own count of the device's sectors is the second witness.
 *
 * Root, or CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN, on a kernel with BTF. Threads: one at a time.
 * Errors: 0 or -errno, and a line for the user in err.
 */
#ifndef XF_DISK_TRACK_H
#define XF_DISK_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "disk.h"

struct xf_track;

/* device: the path of a block device, whose pages are those of a disk of so many bytes. What was
   begun to be written before may still be under way: of device mapper it is waited for, of others
   the device's owner says that nothing is. */
int xf_track_new(struct xf_track **out, const char *device, uint64_t bytes,
                 char err[XF_DISK_ERR_BYTES]);
void xf_track_free(struct xf_track *t);

/* Whether it could, as far as can be told without a look at the device's writes. */
int xf_track_check(const char *device, uint64_t bytes, char err[XF_DISK_ERR_BYTES]);

/*
 * Overwrites `dirty` with the pages that were written since the last that was taken, or since it
 * began; *count: how many. Several pages may have one bit for all. -EAGAIN: writes that began
 * before have not ended; asked again soon. -ENODATA, -ETIMEDOUT (a write does not end): see above.
 */
int xf_track_take(void *track, uint64_t *dirty, uint64_t *count);

/* Whether the kernel's count can tell: not where the device was never at rest as this began. */
bool xf_track_has_witness(const struct xf_track *t);

/* Whether as many sectors were seen to be written as the kernel counts, at a moment in which nobody
   writes. False also if the kernel does not count (queue/iostats). */
bool xf_track_agrees(const struct xf_track *t);

#endif
