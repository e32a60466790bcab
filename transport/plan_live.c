/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plan, live: rounds while the guest runs, the stop, and the rest. */
#include "plan_live.h"

static struct xf_plan_order send(struct xf_plan_live *live, enum xf_content content, bool final)
{
    live->sent = content;
    return xf_order_send(content, final);
}

/* What is dirty is known: once more while the guest runs, the stop, or neither? */
static struct xf_plan_order decide(struct xf_plan_live *live, const struct xf_plan_ended *ended)
{
    struct xf_plan_order order;
    uint64_t predicted_us;

    if (ended->none_yet)
        return xf_order_just(XF_ORDER_WAIT);
    if (ended->cannot_slow)
        live->policy.throttle = false; /* a guest that cannot be slowed down is busy */
    switch (xf_policy_next(&live->policy, &live->rounds, &ended->round, &predicted_us)) {
    case XF_ROUND_AGAIN:
        order = send(live, XF_SEND_PAGES, false);
        order.throttle_pct = xf_rounds_throttle_pct(&live->rounds);
        break;
    case XF_ROUND_STOP:
        order = xf_order_just(XF_ORDER_SUSPEND);
        break;
    default:
        order = xf_order_just(XF_ORDER_GIVE_UP);
        xf_policy_say_busy(order.why, &live->policy, &ended->round, predicted_us);
        break;
    }
    order.predicted_us = predicted_us;
    return order;
}

static struct xf_plan_order after_send(struct xf_plan_live *live)
{
    switch (live->sent) {
    case XF_SEND_PAGES:
        if (!live->stopped)
            return xf_order_just(XF_ORDER_LOOK);
        return live->verify ? send(live, XF_SEND_HASHES, true) : xf_order_just(XF_ORDER_DONE);
    default:
        return xf_order_just(XF_ORDER_DONE);
    }
}

static struct xf_plan_order next(struct xf_plan *plan, const struct xf_plan_ended *ended)
{
    struct xf_plan_live *live = (struct xf_plan_live *)plan;

    switch (ended->what) {
    case XF_ENDED_START:
        return send(live, XF_SEND_PAGES, false);
    case XF_ENDED_SEND:
        return after_send(live);
    case XF_ENDED_LOOK:
        return decide(live, ended);
    case XF_ENDED_SUSPEND:
        live->stopped = true;
        return send(live, XF_SEND_PAGES, !live->verify);
    default:
        return xf_order_just(XF_ORDER_LOOK);
    }
}

void xf_plan_live_init(struct xf_plan_live *live, const struct xf_policy *policy, bool verify)
{
    *live = (struct xf_plan_live){.plan = {next}, .policy = *policy, .verify = verify};
}
