/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plan, batches: one after the other until there are no more. */
#include "plan_batches.h"

static struct xf_plan_order send(enum xf_content content, bool final)
{
    return (struct xf_plan_order){.what = XF_ORDER_SEND, .content = content, .final = final};
}

static struct xf_plan_order just(enum xf_order what)
{
    return (struct xf_plan_order){.what = what};
}

static struct xf_plan_order next(struct xf_plan *plan, const struct xf_plan_ended *ended)
{
    struct xf_plan_batches *b = (struct xf_plan_batches *)plan;

    switch (ended->what) {
    case XF_ENDED_START:
        return send(XF_SEND_MEMORY, false);
    case XF_ENDED_LOOK:
        if (ended->none_yet)
            return just(XF_ORDER_WAIT);
        b->ended = !ended->round.dirty_pages;
        return send(b->ended ? XF_SEND_NOTHING : XF_SEND_PAGES, b->ended);
    default:
        return just(b->ended ? XF_ORDER_DONE : XF_ORDER_LOOK);
    }
}

void xf_plan_batches_init(struct xf_plan_batches *batches)
{
    *batches = (struct xf_plan_batches){.plan = {next}};
}
