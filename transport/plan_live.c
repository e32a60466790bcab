/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plan, live: rounds while the guest runs, the stop, and the rest. */
#include "plan_live.h"

#include <errno.h>

static struct xf_plan_order send(struct xf_plan_live *live, enum xf_content content, bool final)
{
    live->sent = content;
    return xf_order_send(content, final);
}

static bool is_late(const struct xf_plan_live *live, uint64_t now_us)
{
    return live->policy.until_us && now_us >= live->policy.until_us;
}

/* The deadline, while the guest runs. Who is to go needs what is under way. */
static struct xf_plan_order at_deadline(const struct xf_plan_live *live)
{
    struct xf_plan_order order = xf_order_just(XF_ORDER_WAIT);

    if (live->policy.on_busy == XF_ON_BUSY_ABORT && !live->policy.now) {
        order.what = XF_ORDER_GIVE_UP;
        xf_policy_say_late(order.why);
    }
    return order;
}

static struct xf_plan_order send_hashes(struct xf_plan_live *live,
                                        const struct xf_plan_ended *ended)
{
    live->compared = ended->round.clean_pages;
    return send(live, XF_SEND_HASHES, false);
}

/* What is dirty is known: once more while the guest runs, the stop, or neither? */
static struct xf_plan_order decide(struct xf_plan_live *live, const struct xf_plan_ended *ended)
{
    const bool compare = xf_rounds_compare_first(&ended->round, live->compared);
    struct xf_plan_order order;
    uint64_t predicted_us;

    if (ended->none_yet)
        return xf_order_just(XF_ORDER_WAIT);
    if (compare && !live->compared)
        return send_hashes(live, ended);
    if (ended->cannot_slow)
        live->policy.throttle = false; /* a guest that cannot be slowed down is busy */
    switch (xf_policy_next(&live->policy, &live->rounds, &ended->round, &predicted_us)) {
    case XF_ROUND_AGAIN:
        order = send(live, XF_SEND_PAGES, false);
        order.throttle_pct = xf_rounds_throttle_pct(&live->rounds);
        break;
    case XF_ROUND_STOP:
        order = compare ? send_hashes(live, ended) : xf_order_just(XF_ORDER_SUSPEND);
        break;
    default:
        order = xf_order_just(XF_ORDER_GIVE_UP);
        if (is_late(live, ended->round.now_us))
            xf_policy_say_late(order.why);
        else
            xf_policy_say_busy(order.why, &live->policy, &ended->round, predicted_us);
        break;
    }
    order.predicted_us = predicted_us;
    return order;
}

static struct xf_plan_order after_send(struct xf_plan_live *live)
{
    if (!live->stopped)
        return xf_order_just(XF_ORDER_LOOK);
    return live->verify && live->sent == XF_SEND_PAGES ? send(live, XF_SEND_HASHES, true)
                                                       : xf_order_just(XF_ORDER_DONE);
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
    case XF_ENDED_TIME:
        return at_deadline(live);
    default:
        return xf_order_just(XF_ORDER_LOOK);
    }
}

static int steer(struct xf_plan *plan, const struct xf_steer *to)
{
    struct xf_plan_live *live = (struct xf_plan_live *)plan;
    struct xf_policy *policy = &live->policy;

    if (!(to->what & ~(uint32_t)XF_STEER_BANDWIDTH)) {
        xf_rounds_renew(&live->rounds); /* they will be longer, or shorter */
        return 0;
    }
    if (live->stopped)
        return -EALREADY;
    if (to->what & XF_STEER_MAX_DOWNTIME)
        policy->max_downtime_us = to->max_downtime_us;
    if (to->what & XF_STEER_THROTTLE) {
        policy->throttle = to->throttle;
        if (!to->throttle)
            live->rounds.halved = 0;
    }
    policy->now |= (to->what & XF_STEER_NOW) != 0;
    xf_rounds_renew(&live->rounds);
    return 0;
}

void xf_plan_live_init(struct xf_plan_live *live, const struct xf_policy *policy, bool verify)
{
    *live = (struct xf_plan_live){
        .plan = {.next = next, .steer = steer, .until_us = policy->until_us},
        .policy = *policy,
        .verify = verify,
    };
}
