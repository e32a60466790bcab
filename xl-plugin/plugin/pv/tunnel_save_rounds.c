/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Xen's own save of a PV guest asks by its callbacks, in the caller's thread: another round,
   or the stop? By what has landed at the target, not by what was written. */
#include "tunnel_save_rounds.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/plugin/fault_points.h"
#include "xl-plugin/plugin/say.h"

/* All that the stock function has written so far has landed at the target. */
static int wait_landed(struct xf_pv_save *s, struct xf_tunnel_counts *counts)
{
    uint64_t one = 1;

    s->marks++;
    if (write(s->mark_fd, &one, sizeof(one)) != sizeof(one))
        return xf_tunnel_save_fail(s, -errno, "eventfd: %s", strerror(errno));
    return xf_tunnel_source_wait_landed(s->tunnel, s->marks, counts);
}

void xf_tunnel_save_say_round(struct xf_pv_save *s, const char *what,
                              const struct xf_tunnel_counts *now, uint64_t us)
{
    uint64_t pages = now->pages - s->round.before.pages;

    if (!pages)
        return;
    xf_say("source: round %u%s: %llu pages, %.1f ms, %.3f Gbit/s", ++s->rounds, what,
           (unsigned long long)pages, (double)us / 1e3,
           us ? (double)pages * (double)XF_PAGE_BYTES * 8 / ((double)us * 1e3) : 0.0);
    xf_events_round_end(&s->report.events, pages, us);
}

static void tell_round_begins(struct xf_pv_save *s)
{
    if (s->round.dirty > 0)
        xf_events_round_begin(&s->report.events, s->rounds + 1, (uint64_t)s->round.dirty,
                              s->round.began_us);
}

/* What the user has set meanwhile, lock held. What was measured with another bandwidth tells no
   speed: then true. */
static bool take_orders(struct xf_pv_save *s)
{
    const bool bandwidth = s->steer.what & XF_STEER_BANDWIDTH;

    if (s->steer.what)
        s->plan.plan.steer(&s->plan.plan, &s->steer);
    s->steer = (struct xf_steer){0};
    if (bandwidth)
        s->speed = (struct xf_speed){0};
    return bandwidth;
}

/* The end of a live round: by now all of it has been written, and is waited for. */
static int round_over(struct xf_pv_save *s)
{
    struct xf_tunnel_counts counts;

    if (wait_landed(s, &counts) || XF_FAULT(tunnel_save_round_end))
        return XGS_POLICY_ABORT;
    uint64_t now = xf_now_us();

    s->round.sent = counts.pages - s->round.before.pages;
    s->round.us = now - s->round.began_us;
    pthread_mutex_lock(&s->lock);
    const bool tells = !take_orders(s);
    pthread_mutex_unlock(&s->lock);
    if (tells)
        xf_speed_take(&s->speed, s->round.sent,
                      s->round.sent - (counts.zero - s->round.before.zero), s->round.us);
    xf_tunnel_save_say_round(s, "", &counts, s->round.us);
    s->round.before = counts;
    return XGS_POLICY_CONTINUE_PRECOPY;
}

/* What is dirty is sent once more while the guest runs, whatever is decided: a stop has to send
   what gets dirty meanwhile. */
static uint64_t left_pages(const struct xf_round *r)
{
    double sending_us, left;

    if (!r->bytes_per_s || !r->us)
        return r->dirty_pages;
    sending_us = (double)r->dirty_pages * (double)XF_PAGE_BYTES * 1e6 / (double)r->bytes_per_s;
    left = (double)r->dirty_pages * sending_us / (double)r->us;
    return left < (double)r->dirty_pages ? (uint64_t)left : r->dirty_pages;
}

/* How many pages are dirty is known: another live round, or the last before the stop? */
static int next_round(struct xf_pv_save *s, long dirty)
{
    struct xf_round r = {
        .pages = s->round.sent,
        .dirty_pages = (uint64_t)dirty,
        .us = s->round.us,
        .now_us = xf_now_us(),
        .verify = s->verify,
    };

    s->round.dirty = dirty;
    s->round.began_us = r.now_us;
    tell_round_begins(s);
    pthread_mutex_lock(&s->lock);
    take_orders(s);
    r.bytes_per_s = xf_speed_bytes_per_s(&s->speed);
    r.left_pages = left_pages(&r);
    r.clean_pages = s->round.all - r.left_pages; /* all pages come once more to be compared */
    struct xf_plan_order order =
        s->plan.plan.next(&s->plan.plan, &(struct xf_plan_ended){.what = XF_ENDED_LOOK,
                                                                 .cannot_slow = s->brake.refused,
                                                                 .round = r,
                                                                 .now_us = r.now_us});
    s->stopping = order.what == XF_ORDER_SUSPEND;
    pthread_mutex_unlock(&s->lock);
    s->predicted_us = order.predicted_us == UINT64_MAX ? 0 : order.predicted_us;
    switch (order.what) {
    case XF_ORDER_SEND:
        xf_brake_set(&s->brake, order.throttle_pct);
        return XGS_POLICY_CONTINUE_PRECOPY;
    case XF_ORDER_SUSPEND:
        return XGS_POLICY_STOP_AND_COPY;
    default:
        xf_tunnel_save_fail(s, -EBUSY, "%s", order.why);
        return XGS_POLICY_ABORT;
    }
}

static bool is_alone(struct xf_pv_save *s)
{
    char why[256] = "";
    int rc = s->p->alone ? s->p->alone(s->p->arg, why) : 0;

    if (rc)
        xf_tunnel_save_fail(s, rc, "%s", why);
    return !rc;
}

/*
 * Called by send_memory_live() of tools/libs/guest/xg_sr_save.c: before each round, with the number
 * of dirty pages, and after it, with -1. Before the first, iteration is 0 and all pages are dirty.
 */
static int precopy_policy(struct precopy_stats stats, void *data)
{
    struct xf_pv_save *s = data;

    if (xf_tunnel_source_failed(s->tunnel))
        return XGS_POLICY_ABORT;
    if (stats.dirty_count < 0) {
        int next = round_over(s);

        /* Before the read that comes now, which would take from another what is its own. */
        return is_alone(s) ? next : XGS_POLICY_ABORT;
    }
    if (!is_alone(s))
        return XGS_POLICY_ABORT;
    if (stats.iteration > 0)
        return next_round(s, stats.dirty_count);
    s->round.all = (uint64_t)stats.dirty_count;
    s->round.dirty = stats.dirty_count;
    s->round.began_us = xf_now_us();
    tell_round_begins(s);
    return XGS_POLICY_CONTINUE_PRECOPY;
}

static int suspend(void *data)
{
    struct xf_pv_save *s = data;

    struct xf_tunnel_counts counts;

    /* What is on its way need not be waited for with the guest stopped. */
    if (wait_landed(s, &counts) || XF_FAULT(tunnel_save_suspend))
        return 0;
    s->suspend_us = xf_now_us();
    xf_brake_release(&s->brake); /* to suspend is the guest's own work */
    xf_tunnel_save_say_round(s, "", &counts, s->suspend_us - s->round.began_us);
    s->round.before = counts;
    xf_events_suspend(&s->report.events, s->suspend_us, s->predicted_us);
    xf_events_round_begin(&s->report.events, s->rounds + 1, 0, s->suspend_us);
    int ok = s->p->callbacks->suspend(s->p->callbacks->data);
    s->suspended_us = xf_now_us();
    if (XF_FAULT(tunnel_save_suspended) || (ok == 1 && !is_alone(s)))
        return 0;
    if (ok == 1 && s->verify) {
        xf_tunnel_sleep(XF_UNSTEADY_SETTLE_US);
        s->unsteady_n = s->p->unsteady(s->p->arg, s->unsteady);
        if (s->unsteady_n < 0) {
            xf_tunnel_save_fail(s, s->unsteady_n, "cannot tell which pages to verify: %s",
                                strerror(-s->unsteady_n));
            return 0;
        }
    }
    return ok;
}

static int switch_qemu_logdirty(uint32_t domid, unsigned enable, void *data)
{
    struct xf_pv_save *s = data;

    return s->p->callbacks->switch_qemu_logdirty(domid, enable, s->p->callbacks->data);
}

void xf_tunnel_save_wrap(struct xf_pv_save *s, struct save_callbacks *wrapped)
{
    *wrapped = *s->p->callbacks;
    /* A plain migration calls no others. */
    wrapped->precopy_policy = precopy_policy;
    wrapped->suspend = suspend;
    if (wrapped->switch_qemu_logdirty)
        wrapped->switch_qemu_logdirty = switch_qemu_logdirty;
    wrapped->data = s;
}
