/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Worst loss: sums of missing packets, of each target and of all. */
#include "worst_loss.h"

#define MISSING_MIN  32u /* to judge by */
#define MISSING_HALF 1024u

void xf_worst_loss_add(struct xf_worst_loss *w, unsigned of, const struct xf_told *told,
                       uint64_t horizon)
{
    for (unsigned i = 0; i < told->fb.ranges; i++) {
        uint64_t start = told->fb.base + told->ranges[i].start;
        uint64_t end = start + told->ranges[i].length;

        if (end > horizon)
            end = horizon;
        if (start < end)
            w->missing[of] += end - start;
    }
    if (of == XF_MEMBERS_MAX && w->missing[of] >= MISSING_HALF)
        for (unsigned i = 0; i <= XF_MEMBERS_MAX; i++)
            w->missing[i] /= 2;
}

unsigned xf_worst_loss_share(const struct xf_worst_loss *w)
{
    const uint64_t all = w->missing[XF_MEMBERS_MAX];
    uint64_t worst = 0;

    for (unsigned i = 0; i < XF_MEMBERS_MAX; i++)
        if (w->missing[i] > worst)
            worst = w->missing[i];
    if (all < MISSING_MIN || worst >= all)
        return XF_WORST_LOSS_ALL;
    return (unsigned)(XF_WORST_LOSS_ALL * worst / all) ?: 1;
}
