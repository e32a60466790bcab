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

/* Disks that cannot move while the guest runs, each with the reason. */
struct xf_guest_refused {
    unsigned n;
    struct {
        char vdev[16];
        char path[XF_MANIFEST_PATH_BYTES]; /* "": dom0 has none for it */
        char why[XF_MANIFEST_WHY_BYTES];
    } disks[XF_MANIFEST_DISKS_MAX];
};

/*
 * Finds the domain and fills the manifest, without a configuration, and of each disk the path of
 * its block device: itself, or the loop device on its file. -ENOTSUP: a disk cannot move while the
 * guest runs; with refused not NULL it is put there instead, and is not in the manifest.
 * xf_manifest_fini() it, also after an error.
 */
int xf_guest_disks_read(struct xf_manifest *m,
                        char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES], const char *uuid,
                        uint32_t *domid, struct xf_guest_refused *refused,
                        char why[XF_MANIFEST_WHY_BYTES]);

/* The UUID of the guest of that name. -ENOENT. */
int xf_guest_disks_find(const char *name, char uuid[40], char why[XF_MANIFEST_WHY_BYTES]);

/* The UUIDs of all domains of this host but dom0, to be freed. How many, or -errno. */
int xf_guest_disks_list(char (**uuids)[40], char why[XF_MANIFEST_WHY_BYTES]);

#endif
