/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forecast: simulates the rounds of a migration by the round policy, for a rate and a rate of
 * writes.
 */
#include "forecast.h"

#include "transport/budget.h"
#include "transport/guest.h"

static double us_of(uint64_t pages, uint64_t rate)
{
    return (double)pages * (double)XF_PAGE_BYTES * 1e6 / (double)rate;
}

void xf_forecast(uint64_t memory_bytes, uint64_t rate, uint64_t writes, uint64_t fixed_us,
                 const struct xf_policy *allowed, struct xf_forecast *f)
{
    const uint64_t all = memory_bytes / XF_PAGE_BYTES;
    struct xf_round r = {.left_pages = all, .bytes_per_s = rate};
    struct xf_policy policy = *allowed;
    struct xf_rounds rounds = {0};
    uint64_t predicted_us;
    double time_us = 0, bytes = 0;

    policy.max_downtime_us = xf_budget_copy_us(allowed->max_downtime_us, fixed_us);
    do {
        double us = us_of(r.left_pages, rate);
        double dirty = us * (double)writes / 1e6 / (double)XF_PAGE_BYTES;

        time_us += us;
        bytes += (double)r.left_pages * (double)XF_PAGE_BYTES;
        r.pages = r.left_pages;
        r.dirty_pages = r.left_pages = dirty < (double)all ? (uint64_t)dirty : all;
    } while (xf_policy_next(&policy, &rounds, &r, &predicted_us) == XF_ROUND_AGAIN);
    f->downtime_us = predicted_us + fixed_us;
    f->time_us = (uint64_t)(time_us + (double)f->downtime_us);
    f->bytes = (uint64_t)bytes + r.left_pages * XF_PAGE_BYTES;
    f->rounds = rounds.done + 1;
}
