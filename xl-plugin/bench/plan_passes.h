/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan, passes: the same memory again and again, to measure a link. The first pass warms up, and as
 * many more as begin within the time to omit; the others are counted until there are enough or they
 * have lasted long enough.
 */
#ifndef XF_BENCH_PLAN_PASSES_H
#define XF_BENCH_PLAN_PASSES_H

#include "transport/plan.h"

struct xf_plan_passes {
    struct xf_plan plan;
    uint64_t wanted; /* passes that count; 0: as many as fit into wanted_us */
    uint64_t wanted_us;
    uint64_t omit_us, begun_us; /* to warm up, and since when */
    bool sending;               /* a pass, not the memory before it */
    bool ended;                 /* the last round is under way */
    uint64_t passes;            /* so far, of those that count */
    struct xf_stats warm;       /* when the last that does not count was over */
    uint64_t warm_us, end_us;   /* then, and when the newest was */
    bool is_warm;
};

void xf_plan_passes_init(struct xf_plan_passes *p, uint64_t wanted, uint64_t wanted_us,
                         uint64_t omit_us);

#endif
