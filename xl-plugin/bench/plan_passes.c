/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plan, passes: the same memory until enough has been measured. */
#include "plan_passes.h"

/* A pass is over. Whether it was the last. */
static bool enough(struct xf_plan_passes *p, const struct xf_plan_ended *ended)
{
    p->end_us = ended->now_us;
    if (!p->is_warm && ended->now_us - p->begun_us < p->omit_us)
        return false;
    if (!p->is_warm) {
        p->is_warm = true;
        p->warm = *ended->stats;
        p->warm_us = ended->now_us;
        return false;
    }
    p->passes++;
    return p->wanted ? p->passes >= p->wanted : p->end_us - p->warm_us >= p->wanted_us;
}

static struct xf_plan_order next(struct xf_plan *plan, const struct xf_plan_ended *ended)
{
    struct xf_plan_passes *p = (struct xf_plan_passes *)plan;

    if (p->ended)
        return xf_order_just(XF_ORDER_DONE);
    p->ended = p->sending && enough(p, ended);
    if (!p->sending)
        p->begun_us = ended->now_us;
    p->sending = true;
    return xf_order_send(p->ended ? XF_SEND_NOTHING : XF_SEND_PAGES, p->ended);
}

void xf_plan_passes_init(struct xf_plan_passes *p, uint64_t wanted, uint64_t wanted_us,
                         uint64_t omit_us)
{
    *p = (struct xf_plan_passes){
        .plan = {.next = next}, .wanted = wanted, .wanted_us = wanted_us, .omit_us = omit_us};
}
