/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Demo, measure: to how many pages the simulated guest writes, before it moves; and what follows.
 */
#ifndef XF_DEMO_DEMO_MEASURE_H
#define XF_DEMO_DEMO_MEASURE_H

#include "transport/sim/simguest.h"
#include "transport/forecast.h"

#define XF_DEMO_LOOKS 8u

struct xf_demo_measured {
    struct xf_written looks[XF_DEMO_LOOKS]; /* the intervals double */
    unsigned n;                             /* 0: not measured */
};

/* Its writers run. Takes so many seconds. 0 or -errno. */
int xf_demo_measure(struct xf_simguest *guest, uint64_t seconds, struct xf_demo_measured *m);

#endif
