/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forecast.h"

#include "../../transport/guest.h"

static double us_of(uint64_t pages, uint64_t rate)
{
    return (double)pages * (double)XF_PAGE_BYTES * 1e6 / (double)rate;
}

void xf_forecast(uint64_t memory_bytes, uint64_t rate, uint64_t writes,
                 const struct xf_policy *policy, struct xf_forecast *f)
{
    const uint64_t all = memory_bytes / XF_PAGE_BYTES;
    struct xf_round_result r = {.dirty_pages = all, .bytes_per_s = rate};
    double time_us = 0, bytes = 0, last_us;

    do {
        double us = us_of(r.dirty_pages, rate);
        double dirty = us * (double)writes / 1e6 / (double)XF_PAGE_BYTES;

        time_us += us;
        bytes += (double)r.dirty_pages * (double)XF_PAGE_BYTES;
        r.round++;
        r.sent_pages = r.dirty_pages;
        r.dirty_pages = dirty < (double)all ? (uint64_t)dirty : all;
        /* As the source counts them: what the first one leaves says nothing yet. */
        r.stalled_rounds = r.round > 1 && xf_policy_stalled(r.sent_pages, r.dirty_pages)
                               ? r.stalled_rounds + 1
                               : 0;
    } while (xf_policy_next(policy, &r, NULL) == XF_ROUND_AGAIN);
    last_us = us_of(r.dirty_pages, rate) + (double)policy->fixed_costs_us;
    f->time_us = (uint64_t)(time_us + last_us);
    f->bytes = (uint64_t)bytes + r.dirty_pages * XF_PAGE_BYTES;
    f->blackout_us = (uint64_t)last_us;
    f->rounds = r.round + 1;
}
