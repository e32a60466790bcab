/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volume: where a disk is: a file, a logical volume (lvm2's tools), another block device. While it
 * arrives it has another name than its own, and what stays behind at the source gets another one,
 * so that nobody takes either for the guest's disk.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_VOLUME_H
#define XF_DISKS_VOLUME_H

#include "manifest.h"

#define XF_VOLUME_PATH_BYTES (XF_MANIFEST_PATH_BYTES + 32)

enum xf_volume_name {
    XF_VOLUME_OWN,      /* the disk's path */
    XF_VOLUME_INCOMING, /* .xlfast-incoming: it arrives */
    XF_VOLUME_LEFT,     /* .xlfast-left: the guest has gone with a copy of it */
};

/* Its path by that name. Another block device has one name only. */
void xf_volume_path(const struct xf_manifest_disk *d, enum xf_volume_name name,
                    char path[XF_VOLUME_PATH_BYTES]);

/* Fills in what a disk with that path is: all but vdev. -ENOENT: nothing is there. */
int xf_volume_look(struct xf_manifest_disk *d, char why[XF_MANIFEST_WHY_BYTES]);

/* Whether something has that name. */
bool xf_volume_is_there(const struct xf_manifest_disk *d, enum xf_volume_name name);

/* Where a file's or a logical volume's bytes come from, and what is left there: a file system, by
   where it is mounted; a volume group; a thin pool, whose volumes take what is written to them. */
struct xf_volume_place {
    char name[XF_MANIFEST_PATH_BYTES];
    uint64_t free_bytes;
    bool thin; /* how much of it a volume takes is not known before */
};

/* -ENOENT: there is no such folder, volume group or pool. */
int xf_volume_place(const struct xf_manifest_disk *d, struct xf_volume_place *place,
                    char why[XF_MANIFEST_WHY_BYTES]);

/* What a file takes of its file system, holes left out; of a volume all of it. 0: it is not there.
 */
uint64_t xf_volume_taken(const struct xf_manifest_disk *d, enum xf_volume_name name);

/* Makes one like d by that name. *zeros: all of it reads as zeros. -ENOSPC: there is too little
   room. */
int xf_volume_make(const struct xf_manifest_disk *d, enum xf_volume_name name, bool *zeros,
                   char why[XF_MANIFEST_WHY_BYTES]);

/* A file gets d's size; what it gains reads as zeros. */
int xf_volume_resize(const struct xf_manifest_disk *d, enum xf_volume_name name,
                     char why[XF_MANIFEST_WHY_BYTES]);

/* As durable as its contents. -EEXIST: there is one of the new name. Of a device nothing is done.
 */
int xf_volume_rename(const struct xf_manifest_disk *d, enum xf_volume_name from,
                     enum xf_volume_name to, char why[XF_MANIFEST_WHY_BYTES]);

/* Never of the disk's own name, and never of a device. One that is not there is removed. */
int xf_volume_remove(const struct xf_manifest_disk *d, enum xf_volume_name name,
                     char why[XF_MANIFEST_WHY_BYTES]);

/* A number that is another one once something was written to the disk; of one that others have open
   for writing it may change later. */
int xf_volume_stamp(const struct xf_manifest_disk *d, uint64_t *stamp,
                    char why[XF_MANIFEST_WHY_BYTES]);

/* The entry of the file or folder is on its medium. */
int xf_volume_sync_folder(const char *path);

#endif
