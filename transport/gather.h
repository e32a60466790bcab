/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gather: what several targets have said of one queue, as if one had said it that has received only
 * what all of them have: each number is the least favourable of any. So the source repairs what one
 * of them lacks, and ends a round when all have counted it.
 *
 * Threads: pure functions.
 */
#ifndef XF_TRANSPORT_GATHER_H
#define XF_TRANSPORT_GATHER_H

#include "member.h"
#include "wire.h"

/* One FEEDBACK, checked: its ranges ascend, below the horizon. */
struct xf_told {
    struct xf_wire_feedback fb;
    struct xf_wire_range ranges[XF_RANGES_MAX];
};

/* of: n of them, 1 .. XF_MEMBERS_MAX. Ranges that find no room lower the horizon. `late` is the
   first one's: when each was told, its caller knows. */
void xf_gather(struct xf_told *into, const struct xf_told *const *of, unsigned n);

#endif
