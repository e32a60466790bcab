/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Manifest: all that goes over with a guest that is shut off: its configuration, its disks, and
 * what must be at the target already. The source makes it of the configuration
 * (source_config.h); the target gets it as JSON, and checks it as it reads it.
 *
 * Threads: none. Memory: xf_manifest_fini().
 */
#ifndef XF_DISKS_MANIFEST_H
#define XF_DISKS_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define XF_MANIFEST_DISKS_MAX  32u
#define XF_MANIFEST_NEEDS_MAX  32u
#define XF_MANIFEST_PATH_BYTES 1024u
#define XF_MANIFEST_WHY_BYTES  2600 /* two paths, and words */

struct json_object;

enum xf_disk_kind {
    XF_DISK_FILE,
    XF_DISK_LV,     /* a logical volume; thick or thin */
    XF_DISK_DEVICE, /* another block device: never made, nor renamed */
    XF_DISK_KINDS
};

struct xf_manifest_disk {
    char vdev[16];
    char path[XF_MANIFEST_PATH_BYTES]; /* the same at both ends */
    enum xf_disk_kind kind;
    uint64_t bytes;
    mode_t mode; /* of a file */
    uid_t uid;
    gid_t gid;
    char vg[128], lv[128], pool[128]; /* of a logical volume; pool: "" of a thick one */
};

/* A file that is not moved: a kernel, an ISO image. */
struct xf_manifest_need {
    char path[XF_MANIFEST_PATH_BYTES];
    uint64_t bytes;
};

struct xf_manifest {
    char name[128];                      /* of the guest; also of its journal */
    char uuid[40];                       /* "": the configuration has none */
    char config[XF_MANIFEST_PATH_BYTES]; /* "": it does not go with the disks */
    char *text;                          /* of the configuration */
    mode_t config_mode;
    unsigned disks_n, needs_n;
    struct xf_manifest_disk disks[XF_MANIFEST_DISKS_MAX];
    struct xf_manifest_need needs[XF_MANIFEST_NEEDS_MAX];
};

void xf_manifest_fini(struct xf_manifest *m);

/* That of a guest's copy: its name and UUID; each disk has the copy's name after its own, a dot
   between. to: as if zeroed, and to be fini'ed. -ENAMETOOLONG, -ENOMEM; -ENOTSUP: a logical volume
   whose path is not /dev/GROUP/NAME. */
int xf_manifest_of_copy(struct xf_manifest *to, const struct xf_manifest *m, const char *name,
                        const char *uuid);

struct json_object *xf_manifest_print(const struct xf_manifest *m);

/* 0 or -EINVAL. */
int xf_manifest_read(struct xf_manifest *m, struct json_object *from,
                     char why[XF_MANIFEST_WHY_BYTES]);

/* Adds a file that is not moved, as it is here. -E2BIG; or it is not there. */
int xf_manifest_need(struct xf_manifest *m, const char *path, char why[XF_MANIFEST_WHY_BYTES]);

/* Puts a line for the user in why, and returns rc. */
__attribute__((format(printf, 3, 4))) int xf_manifest_fail(char why[XF_MANIFEST_WHY_BYTES], int rc,
                                                           const char *format, ...);

/* What both ends ask of it: 0 or -EINVAL. */
int xf_manifest_check(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES]);

#endif
