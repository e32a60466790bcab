/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hub: of the one stream that libxl and the save helper write for several copies, gives each
 * receiver its own. All get the same bytes, but for the record in which the source tells its
 * targets apart (xl-plugin/plugin/several.h): each gets what is its own.
 *
 *     libxl, its helper                      receivers
 *     libxl's head, libxc's, XF_OFFER    ->  all
 *     XF_GROUP                           ->  XF_MEMBER, to each its own
 *     static data                        ->  all
 *     XF_DROPPED                             that one's stream ends
 *     XF_PAGES, context, END, ...        ->  all that are left
 *
 * A receiver that is gone, or takes nothing for XF_HUB_STALL_MS, is dropped, and the others go on;
 * the source hears of it by the link.
 *
 * Threads: run by one; the ends are its own until it returns.
 */
#ifndef XF_CLONE_HUB_H
#define XF_CLONE_HUB_H

#include <stdbool.h>

#define XF_HUB_WHY      300
#define XF_HUB_STALL_MS 5000

struct xf_hub_end {
    int to;    /* closed when it is dropped; then -1 */
    bool gone; /* it was */
    char why[XF_HUB_WHY];
};

/*
 * Until the stream has ended. Closes `from` in any case. 0, or -errno and why: no stream of ours;
 * or no receiver is left, or, with `all`, one is not; -ENODATA: it ends too early.
 */
int xf_hub_run(int from, struct xf_hub_end *ends, unsigned n, bool all, char why[XF_HUB_WHY]);

#endif
