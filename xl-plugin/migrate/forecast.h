/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forecast: how long a migration will take, by the policy that ends its rounds
 * (transport/rounds.h). Pure arithmetic. It takes every page as sent whole: pages of zeros and
 * those that compress make it less.
 */
#ifndef XF_MIGRATE_FORECAST_H
#define XF_MIGRATE_FORECAST_H

#include <stdint.h>

#include "transport/rounds.h"

struct xf_forecast {
    uint64_t time_us;     /* until the guest runs at the target */
    uint64_t bytes;       /* of pages, sent */
    uint64_t downtime_us; /* with fixed_us */
    unsigned rounds;      /* the last one, while the guest stands, included */
};

/*
 * A guest that writes `writes` bytes a second, each time to other pages until it has been to all of
 * them; pages leave at `rate` bytes a second, above 0. fixed_us: of the downtime, what does not
 * depend on pages (transport/budget.h). That the policy may slow the guest down is not taken into
 * account.
 */
void xf_forecast(uint64_t memory_bytes, uint64_t rate, uint64_t writes, uint64_t fixed_us,
                 const struct xf_policy *allowed, struct xf_forecast *f);

#endif
