/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest disks: those of a guest that runs, as libxl has them, and the block devices that its
 * backends write to, by which the writes are tracked.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_GUEST_DISKS_H
#define XF_DISKS_GUEST_DISKS_H

#include "manifest.h"

#define XF_GUEST_DISK_BYTES 64

/*
 * Finds the domain and fills the manifest, without a configuration, and of each disk the path of
 * its block device: itself, or the loop device on its file. -ENOTSUP: a disk cannot move while the
 * guest runs. xf_manifest_fini() it, also after an error.
 */
int xf_guest_disks_read(struct xf_manifest *m,
                        char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES], const char *uuid,
                        uint32_t *domid, char why[XF_MANIFEST_WHY_BYTES]);

#endif
