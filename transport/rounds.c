/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounds: the stop policy. */
#include "rounds.h"

#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "guest.h"

/* A rate taken from fewer pages than this says little. */
#define RATE_PAGES_MIN 256u
/* Fewer are compared in a millisecond or two: a stop may as well. */
#define COMPARE_PAGES_MIN 1024u

void xf_policy_init(struct xf_policy *policy)
{
    *policy = (struct xf_policy){
        .max_downtime_us = 300000,
        .max_rounds = XF_ROUNDS_MAX,
        .on_busy = XF_ON_BUSY_GO,
    };
}

/* The first round sends all of the guest: that less is dirty after it is no progress yet. */
static bool is_stalled(const struct xf_rounds *rounds, const struct xf_round *r)
{
    const uint64_t done =
        r->pages + r->hashed_pages; /* both take time, in which the guest writes */

    return rounds->done > 1 && r->dirty_pages > done - done / 8;
}

/* Little is dirty, as rounds go that do not shrink. Less than half of the least is better than a
   good moment: the guest has calmed down. */
static bool is_good_moment(struct xf_rounds *rounds, uint64_t dirty_pages)
{
    const uint64_t least = rounds->least_pages;
    const bool first = !rounds->has_least;

    if (first || dirty_pages < least)
        rounds->least_pages = dirty_pages;
    rounds->has_least = true;
    if (first)
        return true;
    if (dirty_pages < least / 2) {
        rounds->stalled = rounds->waited = 0;
        return false;
    }
    return dirty_pages <= least + least / 8;
}

/* Whether to decide now: rounds have not shrunk for long, and it gets no better. */
static bool is_over(const struct xf_policy *policy, struct xf_rounds *rounds, bool good)
{
    if (!rounds->waited && rounds->done < policy->max_rounds &&
        rounds->stalled < XF_STALLED_ROUNDS_MAX)
        return false;
    return good || rounds->waited++ >= XF_MOMENT_ROUNDS_MAX;
}

static uint64_t bytes_us(uint64_t pages, uint64_t bytes_per_s)
{
    if (!pages)
        return 0;
    return bytes_per_s
               ? (uint64_t)((double)pages * (double)XF_PAGE_BYTES * 1e6 / (double)bytes_per_s)
               : UINT64_MAX;
}

/* *verify_us: of it, what no round makes shorter. */
static uint64_t predict(const struct xf_round *r, uint64_t *verify_us)
{
    const uint64_t hash_bytes_per_s = r->hash_bytes_per_s ? r->hash_bytes_per_s : r->bytes_per_s;
    uint64_t copy_us = bytes_us(r->left_pages, r->bytes_per_s), again_us = 0;

    *verify_us = 0;
    if (r->verify) {
        *verify_us = bytes_us(r->clean_pages, hash_bytes_per_s);
        again_us = bytes_us(r->left_pages, hash_bytes_per_s);
    }
    if (copy_us == UINT64_MAX || again_us == UINT64_MAX || *verify_us == UINT64_MAX)
        return UINT64_MAX;
    return r->fixed_us + copy_us + again_us + *verify_us;
}

enum xf_round_next xf_policy_next(const struct xf_policy *policy, struct xf_rounds *rounds,
                                  const struct xf_round *r, uint64_t *predicted_us)
{
    const bool late = policy->until_us && r->now_us >= policy->until_us;
    uint64_t verify_us;
    bool good;

    rounds->done++;
    rounds->stalled = is_stalled(rounds, r) ? rounds->stalled + 1 : 0;
    *predicted_us = predict(r, &verify_us);
    /* It gets no better than nothing left. */
    if (!r->left_pages || policy->now ||
        (*predicted_us != UINT64_MAX &&
         *predicted_us - verify_us <=
             xf_budget_copy_us(policy->max_downtime_us, policy->fixed_us + verify_us)))
        return XF_ROUND_STOP;
    good = is_good_moment(rounds, r->dirty_pages);
    if (policy->throttle && rounds->stalled && rounds->halved < XF_HALVED_MAX) {
        rounds->halved++;
        rounds->stalled = 0;
    }
    if (!late && !is_over(policy, rounds, good))
        return XF_ROUND_AGAIN;
    return policy->on_busy == XF_ON_BUSY_ABORT ? XF_ROUND_GIVE_UP : XF_ROUND_STOP;
}

bool xf_rounds_compare_first(const struct xf_round *r, uint64_t before)
{
    if (!r->verify_live || r->clean_pages <= r->dirty_pages + COMPARE_PAGES_MIN)
        return false;
    return !before || r->clean_pages <= before / 2;
}

void xf_rounds_renew(struct xf_rounds *rounds)
{
    rounds->stalled = rounds->waited = 0;
    rounds->has_least = false;
}

void xf_policy_say_busy(char why[XF_BUSY_BYTES], const struct xf_policy *policy,
                        const struct xf_round *r, uint64_t predicted_us)
{
    double written = r->us ? (double)r->dirty_pages * (double)XF_PAGE_BYTES / (double)r->us : 0;

    snprintf(why, XF_BUSY_BYTES,
             "the guest dirties %.3f Gbit/s or more, the link carries %.3f: the downtime would be "
             "%.0f ms, not %.0f: allow that by --max-downtime,%s or by --on-busy=go",
             written * 8 / 1e3, (double)r->bytes_per_s * 8 / 1e9,
             ((double)predicted_us + (double)policy->fixed_us) / 1e3,
             (double)policy->max_downtime_us / 1e3,
             policy->throttle ? "" : " slow it down by --throttle,");
}

void xf_policy_say_late(char why[XF_BUSY_BYTES])
{
    snprintf(why, XF_BUSY_BYTES,
             "the deadline has passed before the downtime could be kept: allow more time by "
             "--deadline, more downtime by --max-downtime, or both by --on-busy=go");
}

void xf_speed_take(struct xf_speed *speed, uint64_t pages, uint64_t full, uint64_t us)
{
    const bool tells = full >= RATE_PAGES_MIN;

    if (!us || (!tells && speed->pages))
        return;
    /* The first round's pages are all of the guest's, those of the others what it writes. */
    if (++speed->rounds <= 2)
        speed->pages = speed->us = 0;
    speed->pages = speed->pages / 2 + (tells ? full : pages);
    speed->us = speed->us / 2 + us;
}

uint64_t xf_speed_bytes_per_s(const struct xf_speed *speed)
{
    if (!speed->us)
        return 0;
    return (uint64_t)((double)speed->pages * (double)XF_PAGE_BYTES * 1e6 / (double)speed->us);
}
