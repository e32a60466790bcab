/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounds: the stop policy. */
#include "rounds.h"

#include "guest.h"

/* Rounds in a row without progress after which more of them are pointless. */
#define STALLED_MAX 3

void xf_policy_init(struct xf_policy *policy)
{
    *policy = (struct xf_policy){
        .max_downtime_us = 300000,
        .fixed_costs_us = 0,
        .max_rounds = 30,
        .abort_if_busy = false,
    };
}

bool xf_policy_stalled(uint64_t dirty_before, uint64_t dirty_now)
{
    return dirty_now > dirty_before - dirty_before / 8;
}

enum xf_round_next xf_policy_next(const struct xf_policy *policy, const struct xf_round_result *r,
                                  uint64_t *predicted_us)
{
    uint64_t us = UINT64_MAX;

    if (r->dirty_pages == 0)
        us = policy->fixed_costs_us;
    else if (r->bytes_per_s)
        us = policy->fixed_costs_us + (uint64_t)((double)r->dirty_pages * (double)XF_PAGE_BYTES *
                                                 1e6 / (double)r->bytes_per_s);
    if (predicted_us)
        *predicted_us = us;

    if (us <= policy->max_downtime_us)
        return XF_ROUND_STOP;
    if (r->round < policy->max_rounds && r->stalled_rounds < STALLED_MAX)
        return XF_ROUND_AGAIN;
    return policy->abort_if_busy ? XF_ROUND_GIVE_UP : XF_ROUND_STOP;
}
