/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forecast: how long a migration will take, by the policy that ends its rounds
 * (transport/rounds.h). Pure arithmetic. It takes every page as sent whole: pages of zeros and
 * those that compress make it less.
 */
#ifndef XF_TRANSPORT_FORECAST_H
#define XF_TRANSPORT_FORECAST_H

#include <stdint.h>

#include "transport/rounds.h"

/* When pages are compared (--verify): not at all; most while the guest runs; all while it stands,
   as a PV guest's. That is as fast as they leave, as far as is known before. */
enum xf_forecast_verify {
    XF_FORECAST_NOT_VERIFIED,
    XF_FORECAST_VERIFIED_LIVE,
    XF_FORECAST_VERIFIED_STOPPED
};

/* So many pages are written to at least once in so long. */
struct xf_written {
    uint64_t us, pages;
};

/* By the shortest time in which pages were written to, as few of them are twice then: bytes a
   second. */
uint64_t xf_written_rate(const struct xf_written *looks, unsigned n);

struct xf_forecast_of {
    uint64_t memory_bytes;
    uint64_t rate;   /* at which pages leave, bytes a second, above 0 */
    uint64_t writes; /* the guest's, bytes a second, if it was not measured */
    /* By growing time; what comes later is as fast as between the last two. 0: not measured. */
    const struct xf_written *written;
    unsigned written_n;
    uint64_t fixed_us; /* of the downtime, what does not depend on pages (transport/budget.h) */
    enum xf_forecast_verify verify;
};

struct xf_forecast {
    uint64_t time_us;     /* until the guest runs at the target */
    uint64_t bytes;       /* of pages, sent */
    uint64_t downtime_us; /* with fixed_us */
    unsigned rounds;      /* the last one, while the guest stands, included */
};

/* A guest that was not measured writes each time to other pages until it has been to all of them.
   That the policy may slow it down is not taken into account. */
void xf_forecast(const struct xf_forecast_of *of, const struct xf_policy *allowed,
                 struct xf_forecast *f);

#endif
