/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan, batches: the pages are a buffer, which is filled again and again, and each filling is a
 * round (the tunnel of a PV guest's stream). A look that finds no pages says that there are no
 * more.
 */
#ifndef XF_TRANSPORT_PLAN_BATCHES_H
#define XF_TRANSPORT_PLAN_BATCHES_H

#include "plan.h"

struct xf_plan_batches {
    struct xf_plan plan;
    bool ended; /* the last round is under way */
};

void xf_plan_batches_init(struct xf_plan_batches *batches);

#endif
