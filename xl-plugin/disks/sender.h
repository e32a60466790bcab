/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sender: what a guest that is shut off (source.c) and one that runs (live.c) have in common: their
 * disks go to the other host. Private to disks/.
 */
#ifndef XF_DISKS_SENDER_H
#define XF_DISKS_SENDER_H

#include <signal.h>
#include <sys/types.h>

#include "domains.h"
#include "manifest.h"
#include "move_off.h"
#include "talk.h"
#include "transport/base/stats.h"
#include "transport/disk/disk_source.h"
#include "xl-plugin/plugin/config.h"
#include "xl-plugin/recover/recover_reach.h"
#include "xl-plugin/screen/live.h"

struct xf_link;

struct xf_disks_moved {
    uint64_t stamp; /* before it was read */
    uint64_t us;
    uint64_t bytes_same; /* that were there */
    struct xf_stats stats;
};

struct xf_disks_source {
    const struct xf_move_off_options *o;
    enum xf_domains_guest guest;
    struct xf_manifest manifest;
    struct xf_reach reach;
    struct xf_talk talk;
    struct xf_config config;
    struct xf_link *link;
    struct xf_live live;
    pid_t ssh;
    bool zeros[XF_MANIFEST_DISKS_MAX]; /* at the target it reads as zeros all over */
    bool old[XF_MANIFEST_DISKS_MAX];   /* the target has an older copy of it */
    struct xf_disks_moved moved[XF_MANIFEST_DISKS_MAX];
    const struct xf_disk_writers *writers[XF_MANIFEST_DISKS_MAX]; /* NULL: nobody writes */
    unsigned disk;                                                /* that is under way */
    uint64_t began_us;
    uint64_t off_us; /* when it was shut off; at the end, how long that was ago */
    char host[256];  /* this one */
    char why[XF_TALK_WHY_BYTES];
};

/* Of a manifest: the guest runs; an earlier copy of that name is replaced; the disks stay a copy.
 */
#define XF_SEND_LIVE    1u
#define XF_SEND_REPLACE 2u
#define XF_SEND_REPLICA 4u

/* A signal that is to end it. */
extern volatile sig_atomic_t xf_disks_interrupted;

/* Puts a line in s->why, and returns rc. */
__attribute__((format(printf, 3, 4))) int xf_disks_source_fail(struct xf_disks_source *s, int rc,
                                                               const char *format, ...);

/* The guest is this process's until it ends; shared: and that of others who only copy it. */
int xf_disks_lock(struct xf_disks_source *s, bool shared);
/* Its disks could not be put aside where something of that name is. */
int xf_disks_check_left(struct xf_disks_source *s);
/* After a move that was not seen to end its disks may be old. */
int xf_disks_check_journal(struct xf_disks_source *s);
/* What the target is to have: the guest, or its copy of that name (NULL: none). */
int xf_disks_plan_there(struct xf_disks_source *s, struct xf_manifest *there, const char *copy,
                        const char *copy_uuid);

/* In this order (move_off.h). 0, or -errno with a line in s->why. */
int xf_disks_start_there(struct xf_disks_source *s);
/* there: what the target is to have, s->manifest or that of a copy. */
int xf_disks_send_manifest(struct xf_disks_source *s, const struct xf_manifest *there,
                           unsigned flags);
/* From then on the target has no copy of one moment any more, and nor has this journal. */
int xf_disks_receive_ready(struct xf_disks_source *s);
/* Opens the port, sends each disk, and closes it: once a process (ports.h). */
int xf_disks_send_all(struct xf_disks_source *s);

/* Sets in `pages` the bits of what is other at the target than in the disk, which has the number
   s->disk. Both ends read it meanwhile. */
int xf_disks_compare(struct xf_disks_source *s, const struct xf_disk *disk, uint64_t *pages);

/* How large a disk is, and what of it went over. */
#define XF_DISKS_MOVED_BYTES 160
const char *xf_disks_show_moved(const struct xf_disks_source *s, unsigned i,
                                char to[XF_DISKS_MOVED_BYTES]);

#endif
