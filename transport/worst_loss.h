/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Worst loss: several targets lose packets each by itself, and what any of them lacks is sent again
 * to all. So of many that lose a little, nearly all packets get lost somewhere; but that is no
 * congestion, as long as no single path loses much. Here is counted which share of it the worst
 * path has.
 *
 * Threads: of the caller.
 */
#ifndef XF_TRANSPORT_WORST_LOSS_H
#define XF_TRANSPORT_WORST_LOSS_H

#include <stdint.h>

#include "gather.h"

#define XF_WORST_LOSS_ALL 256u /* a share of all */

struct xf_worst_loss {
    /* Of each target, and last of all together: packets that were missing, summed over what was
       told, fewer and fewer of the older ones. What is lost is missing for longer than what was
       overtaken. */
    uint64_t missing[XF_MEMBERS_MAX + 1];
};

/* What target `of` has said when the source is told, of packets below horizon; or,
   of = XF_MEMBERS_MAX, what was gathered of all, after each of them. */
void xf_worst_loss_add(struct xf_worst_loss *w, unsigned of, const struct xf_told *told,
                       uint64_t horizon);

/* 1 .. XF_WORST_LOSS_ALL, which it is too as long as little is known. */
unsigned xf_worst_loss_share(const struct xf_worst_loss *w);

#endif
