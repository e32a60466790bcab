/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target state: what the target's parts share: target.c makes volumes and receives disks;
 * target_live.c is what comes while a guest's memory moves, and the end of that. Private to disks/.
 */
#ifndef XF_DISKS_TARGET_STATE_H
#define XF_DISKS_TARGET_STATE_H

#include "manifest.h"
#include "talk.h"
#include "transport/disk/disk.h"
#include "volume.h"

struct xf_link;

/* Of one disk, before anything is made. */
struct xf_target_disk {
    int rc; /* 0: it can come */
    uint64_t
        old_s; /* 1970: of when the older copy is that only changes come to; 0: there is none */
    uint64_t need_bytes; /* of the place, at the most */
    struct xf_volume_place place;
    char why[XF_MANIFEST_WHY_BYTES]; /* if it cannot */
};

struct xf_disks_target {
    struct xf_talk talk;
    struct xf_manifest manifest;
    char host[256]; /* the source's */
    bool overwrite, dry_run;
    bool replace; /* an earlier copy's disks, where it is off */
    bool live;    /* the guest runs, and its memory follows (live.h) */
    bool replica; /* its disks stay copies, for nobody runs them (sync.h) */
    bool noted;   /* the journal says incoming */
    bool begun;   /* pages have come */
    struct xf_target_disk disks[XF_MANIFEST_DISKS_MAX];
    bool zeros[XF_MANIFEST_DISKS_MAX];  /* the volume reads as zeros all over */
    bool old[XF_MANIFEST_DISKS_MAX];    /* the volume has an older copy of the disk */
    bool landed[XF_MANIFEST_DISKS_MAX]; /* all of it is there */
    struct xf_link *link;
    struct xf_disk open[XF_MANIFEST_DISKS_MAX]; /* for what comes by the talk */
    bool named;                                 /* the volumes have their own names, */
    bool synced; /* and have been whole since, so that the guest may have come */
    char why[XF_TALK_WHY_BYTES];
};

/* Puts a line in t->why, and returns rc. */
__attribute__((format(printf, 3, 4))) int xf_disks_target_fail(struct xf_disks_target *t, int rc,
                                                               const char *format, ...);

#endif
