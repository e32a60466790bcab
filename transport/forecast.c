/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forecast: simulates the rounds of a migration by the round policy, for a rate and a rate of
 * writes.
 */
#include "forecast.h"

#include "transport/guest.h"

static double us_of(uint64_t pages, uint64_t rate)
{
    return (double)pages * (double)XF_PAGE_BYTES * 1e6 / (double)rate;
}

uint64_t xf_written_rate(const struct xf_written *looks, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (looks[i].pages && looks[i].us)
            return (uint64_t)((double)looks[i].pages * (double)XF_PAGE_BYTES * 1e6 /
                              (double)looks[i].us);
    return 0;
}

/* The pages that the guest writes to in a round of so long. */
static double dirtied(const struct xf_forecast_of *of, double us)
{
    struct xf_written from = {0}, to = {0};
    double pages;

    if (!of->written_n)
        return us * (double)of->writes / 1e6 / (double)XF_PAGE_BYTES;
    for (unsigned i = 0; i < of->written_n && (!i || (double)to.us < us); i++) {
        from = to;
        to = of->written[i];
    }
    pages = to.us > from.us ? (double)from.pages + (us - (double)from.us) *
                                                       ((double)to.pages - (double)from.pages) /
                                                       (double)(to.us - from.us)
                            : (double)to.pages;
    return pages > 0 ? pages : 0;
}

void xf_forecast(const struct xf_forecast_of *of, const struct xf_policy *allowed,
                 struct xf_forecast *f)
{
    const uint64_t all = of->memory_bytes / XF_PAGE_BYTES;
    struct xf_round r = {.left_pages = all,
                         .bytes_per_s = of->rate,
                         .verify = of->verify != XF_FORECAST_NOT_VERIFIED};
    struct xf_policy policy = *allowed;
    struct xf_rounds rounds = {0};
    uint64_t predicted_us;
    double time_us = 0, bytes = 0;

    policy.fixed_us = of->fixed_us;
    r.hashed_pages = of->verify == XF_FORECAST_VERIFIED_LIVE ? all : 0;
    do {
        double us = us_of(r.left_pages + r.hashed_pages, of->rate);
        double dirty = dirtied(of, us);

        time_us += us;
        bytes += (double)r.left_pages * (double)XF_PAGE_BYTES;
        r.pages = r.left_pages;
        r.dirty_pages = r.left_pages = dirty < (double)all ? (uint64_t)dirty : all;
        if (of->verify == XF_FORECAST_VERIFIED_STOPPED)
            r.clean_pages = all - r.left_pages;
        r.hashed_pages = 0; /* later ones are of what few rounds have sent */
    } while (xf_policy_next(&policy, &rounds, &r, &predicted_us) == XF_ROUND_AGAIN);
    f->downtime_us = predicted_us + of->fixed_us;
    f->time_us = (uint64_t)(time_us + (double)f->downtime_us);
    f->bytes = (uint64_t)bytes + r.left_pages * XF_PAGE_BYTES;
    f->rounds = rounds.done + 1;
}
