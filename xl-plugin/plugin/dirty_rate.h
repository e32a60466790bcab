/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dirty rate: to how many pages a guest writes in how long, by Xen's log of it (dirty_log.h), while
 * nothing else reads that. It is looked at without clearing, so a page counts once however often
 * it is written to: that is what a round of a move of that length would have to send again. The
 * guest runs all the time; its first write to each page is a little slower, as in a move.
 */
#ifndef XF_PLUGIN_DIRTY_RATE_H
#define XF_PLUGIN_DIRTY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

#define XF_DIRTY_SAMPLES   8u
#define XF_DIRTY_WHY_BYTES 256u

/* Since the log was turned on. */
struct xf_dirty_sample {
    uint64_t us, pages;
};

struct xf_dirty_rate {
    xc_interface *xch;
    uint32_t domid;
    uint64_t duration_us;
    bool was_left; /* the log may be on: of one that was killed while it measured */
    int stop;      /* a file that has input when it is to end early; -1: none */

    /* What came of it. */
    struct xf_dirty_sample samples[XF_DIRTY_SAMPLES]; /* the intervals double */
    unsigned n;
    bool log_on; /* our log is on still: it could not be turned off */
    char why[XF_DIRTY_WHY_BYTES];
};

/* 0, or -errno and why: -EBUSY if the guest moves or is saved, -ESTALE if that began meanwhile,
   -ECANCELED. Turns the log off again, but not another's. */
int xf_dirty_rate(struct xf_dirty_rate *r);

#endif
