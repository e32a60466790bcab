/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, search: the highest rate without loss, and with little, by bisection, in the manner of RFC
 * 2544: a trial as fast as the sender can, and then trials between the fastest that was good enough
 * and the slowest that was not, until the former is within 1 % of the latter. Each trial tells
 * about both goals. A path that is not good at a two-thousandth of the first rate is given up.
 * Pure: it says which rate to try, and is told how that went.
 */
#ifndef XF_BENCH_BENCH_SEARCH_H
#define XF_BENCH_BENCH_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_TRIALS_MAX     24u
#define BENCH_RESOLUTION_PCT 1.0
#define BENCH_RATE_MAX       UINT64_MAX /* as fast as the sender can */

enum { BENCH_LOSSLESS, BENCH_LOSSY, BENCH_GOALS };
extern const double xf_bench_goal_pct[BENCH_GOALS]; /* the loss that is borne: 0, 0.5 */

struct xf_bench_search {
    unsigned trials;
    double top_pps; /* the first one's; 0: there was none yet */
    struct {
        double good_pps, bad_pps; /* asked for */
        int best;                 /* the number of the fastest good trial, from 0; -1: none yet */
    } goals[BENCH_GOALS];
};

void xf_bench_search_init(struct xf_bench_search *s);

/* The next rate to try, in packets a second or BENCH_RATE_MAX; false: both are found, or
   BENCH_TRIALS_MAX trials were made. */
bool xf_bench_search_next(const struct xf_bench_search *s, uint64_t *pps);

/* What was sent in it, and how much of that was lost. */
void xf_bench_search_tell(struct xf_bench_search *s, uint64_t pps, double sent_pps,
                          double loss_pct);

#endif
