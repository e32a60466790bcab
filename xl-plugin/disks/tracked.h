/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tracked: the disks of a guest that runs, at the source: what it writes to them is noted, and sent
 * by the talk. Of a guest that moves (live.c) and of one that is synced (sync.c). Private to
 * disks/.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in s.why.
 */
#ifndef XF_DISKS_TRACKED_H
#define XF_DISKS_TRACKED_H

#include "guest_disks.h"
#include "rings.h"
#include "sender.h"

struct xf_track;

struct xf_tracked {
    const char *uuid;
    struct xf_move_off_options off; /* what the sender goes by */
    struct xf_disks_source s;
    char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES];
    struct xf_track *tracks[XF_MANIFEST_DISKS_MAX];
    struct xf_disk_writers writers[XF_MANIFEST_DISKS_MAX];
    struct xf_disk disks[XF_MANIFEST_DISKS_MAX];
    uint64_t *dirty[XF_MANIFEST_DISKS_MAX]; /* marks of pages: what was taken last */
    void *run;                              /* XF_LIVE_RUN_PAGES, on their way into the talk */
    struct xf_manifest there;               /* the target's */
    uint64_t sent;                          /* pages, by the talk */
    uint32_t domid;                         /* whose rings they are */
    struct xf_rings *rings;
};

/* Of s.manifest, devices and domid, as xf_guest_disks_read() fills them: from then on writes are
   noted. xf_tracked_close() it, also after an error. */
int xf_tracked_open(struct xf_tracked *t);
void xf_tracked_close(struct xf_tracked *t);

/* The base copies are there: from now on the target takes pages by the talk. */
int xf_tracked_take_names(struct xf_tracked *t);

/* Marks what was written to a disk since the last time; *count pages. -EAGAIN: for so long there
   were writes on their way; with wait_ms 0 that is no error, and has no line. */
int xf_tracked_take(struct xf_tracked *t, unsigned i, unsigned wait_ms, uint64_t *count);
/* All that is marked of a disk, in order, by runs of at most XF_LIVE_RUN_PAGES; until one is not 0.
 */
typedef int xf_tracked_run(struct xf_tracked *t, unsigned i, uint64_t page, uint64_t n, void *arg);
int xf_tracked_each_run(struct xf_tracked *t, unsigned i, xf_tracked_run *run, void *arg);
/* Sends all that is marked. */
int xf_tracked_send_marked(struct xf_tracked *t, unsigned i);
/* Both, of all disks. wait: until writes that are on their way have ended. */
int xf_tracked_send_written(struct xf_tracked *t, bool wait);
/* Of at most XF_LIVE_RUN_PAGES. */
int xf_tracked_read(struct xf_tracked *t, unsigned i, uint64_t page, uint64_t n, void *to);
int xf_tracked_send(struct xf_tracked *t, unsigned i, uint64_t page, uint64_t n, const void *data);
/* Marks what differs at the target. */
int xf_tracked_compare(struct xf_tracked *t, unsigned i);

/* Of a guest that asks nothing more: until its backends have answered. */
int xf_tracked_drain(struct xf_tracked *t, unsigned limit_ms);
/* Whether the kernel counts as many writes as were seen; it does so a moment after they are done,
   which is waited for. */
bool xf_tracked_is_witnessed(const struct xf_tracked *t, unsigned i);
/* A guest that has been started anew has other rings, and another loop device; and disks come and
   go. What was tracked is not theirs then: -ESTALE. */
int xf_tracked_check_same(struct xf_tracked *t);

#endif
