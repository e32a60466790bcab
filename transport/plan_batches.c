/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plan, batches: one after the other until there are no more. */
#include "plan_batches.h"

static struct xf_plan_order next(struct xf_plan *plan, const struct xf_plan_ended *ended)
{
    struct xf_plan_batches *b = (struct xf_plan_batches *)plan;

    switch (ended->what) {
    case XF_ENDED_LOOK:
        if (ended->none_yet)
            return xf_order_just(XF_ORDER_WAIT);
        b->ended = !ended->round.dirty_pages;
        return xf_order_send(b->ended ? XF_SEND_NOTHING : XF_SEND_PAGES, b->ended);
    default:
        return xf_order_just(b->ended ? XF_ORDER_DONE : XF_ORDER_LOOK);
    }
}

void xf_plan_batches_init(struct xf_plan_batches *batches)
{
    *batches = (struct xf_plan_batches){.plan = {.next = next}};
}
