/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, search: halves what lies between good and bad, first for the goal that is met faster. */
#include "bench_search.h"

#define GIVE_UP 2000

const double xf_bench_goal_pct[BENCH_GOALS] = {[BENCH_LOSSLESS] = 0, [BENCH_LOSSY] = 0.5};

void xf_bench_search_init(struct xf_bench_search *s)
{
    *s = (struct xf_bench_search){0};
    for (unsigned g = 0; g < BENCH_GOALS; g++)
        s->goals[g].best = -1;
}

bool xf_bench_search_next(const struct xf_bench_search *s, uint64_t *pps)
{
    if (!s->trials) {
        *pps = BENCH_RATE_MAX;
        return true;
    }
    if (s->trials >= BENCH_TRIALS_MAX)
        return false;
    for (unsigned i = 1; i <= BENCH_GOALS; i++) {
        const unsigned g = BENCH_GOALS - i;
        double good = s->goals[g].good_pps, bad = s->goals[g].bad_pps;

        if (bad - good <= bad * BENCH_RESOLUTION_PCT / 100 || bad < s->top_pps / GIVE_UP ||
            bad + good < 2)
            continue;
        *pps = (uint64_t)((good + bad) / 2);
        return true;
    }
    return false;
}

void xf_bench_search_tell(struct xf_bench_search *s, uint64_t pps, double sent_pps, double loss_pct)
{
    double asked = pps == BENCH_RATE_MAX ? sent_pps : (double)pps;

    if (!s->trials) {
        s->top_pps = asked;
        for (unsigned g = 0; g < BENCH_GOALS; g++)
            s->goals[g].bad_pps = asked;
    }
    for (unsigned g = 0; g < BENCH_GOALS; g++) {
        if (loss_pct > xf_bench_goal_pct[g]) {
            if (asked < s->goals[g].bad_pps)
                s->goals[g].bad_pps = asked;
        } else if (asked >= s->goals[g].good_pps) {
            s->goals[g].good_pps = asked;
            s->goals[g].best = (int)s->trials;
        }
    }
    s->trials++;
}
