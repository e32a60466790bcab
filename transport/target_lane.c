/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target, lane: what control has ordered, what it is told, and what the source is. */
#include "target_lane.h"

#include <errno.h>
#include <string.h>

#include "page.h"
#include "target_receive.h"
#include "transport/fault_points.h"

/* Feedback at the latest after so many packets or so much time since the first of them. */
#define FEEDBACK_PACKETS 32u
#define FEEDBACK_US      500u
/* All targets of a group together send the source one at most in so much time, for each lane. */
#define FEEDBACK_GROUP_US 20u

int xf_target_lane_init(struct xf_target_lane *l, struct xf_target_shared *shared,
                        const struct xf_guest_sink *guest)
{
    l->shared = shared;
    l->round = l->told_round = 1;
    return xf_landing_init(&l->landing, &l->lane, guest, shared->features);
}

void xf_target_lane_fini(struct xf_target_lane *l)
{
    xf_landing_fini(&l->landing);
    xf_lane_fini(&l->lane);
}

static void fail(struct xf_target_lane *l, int rc)
{
    l->failed = l->has_news = true;
    l->news.failed = rc;
}

void xf_target_lane_receive(struct xf_target_lane *l, const struct xf_buf *buf, uint64_t now_us)
{
    if (l->failed)
        return;
    int rc = xf_target_receive(l, buf, now_us);

    if (rc)
        fail(l, rc);
}

void xf_target_lane_obey(struct xf_target_lane *l, struct xf_worker *w)
{
    struct xf_target_order order;

    l->lane.laps = &w->laps;
    while (xf_lane_order(&l->lane, &order)) {
        w->busy = true;
        l->had_pages = l->landing.took_pages;
        l->had_hashes = !l->landing.has_pages;
        if (order.unmap)
            xf_landing_unmap(&l->landing);
        xf_landing_next_round(&l->landing, order.over);
        l->round = order.round;
        l->over = order.over;
        xf_page_written();
        xf_lane_obeyed(&l->lane);
        w->calls = true;
    }
}

static void send_feedback(struct xf_target_lane *l, const struct xf_worker *w, uint64_t now_us)
{
    const struct xf_target_shared *shared = l->shared;
    struct {
        struct xf_wire_feedback fb;
        struct xf_wire_range ranges[XF_RANGES_MAX];
    } m;
    const uint32_t round = atomic_load_explicit(&shared->round, memory_order_acquire);
    const bool complete = atomic_load_explicit(&shared->complete, memory_order_acquire);
    const bool ready = atomic_load_explicit(&shared->ready, memory_order_acquire);

    if (XF_FAULT(target_feedback_send) || (complete && XF_FAULT(target_complete_send)))
        return;
    memset(&m.fb, 0, sizeof(m.fb));
    m.fb.receiver = l->lane.session->receiver;
    m.fb.round = round;
    m.fb.base = l->lane.window.base;
    m.fb.ranges =
        (uint16_t)xf_window_missing(&l->lane.window, m.ranges, XF_RANGES_MAX, &m.fb.horizon);
    m.fb.landed = atomic_load_explicit(&shared->landed, memory_order_relaxed);
    m.fb.stamp_us = l->stamp_us;
    m.fb.credit = (uint16_t)shared->credit;
    m.fb.late = xf_wire_late(now_us - w->unseen_since_us);
    m.fb.flags =
        (uint16_t)((ready ? XF_FEEDBACK_READY : 0) | (complete ? XF_FEEDBACK_COMPLETE : 0));
    if (!xf_lane_send(&l->lane, XF_PACKET_FEEDBACK, l->sequence++, &m,
                      sizeof(m.fb) + m.fb.ranges * sizeof(m.ranges[0]), 0))
        return; /* asked stays: at the next step again */
    l->asked = false;
    l->arrived = 0;
    l->told_us = now_us;
    l->told_ready = ready;
    l->told_round = round;
}

static void send_due(struct xf_target_lane *l, const struct xf_worker *w, uint64_t now_us)
{
    const struct xf_target_shared *shared = l->shared;
    const uint64_t turn_us = (uint64_t)l->lane.session->receivers * FEEDBACK_GROUP_US;
    const uint64_t since = now_us - l->told_us;

    if (atomic_load_explicit(&shared->phase, memory_order_relaxed) == XF_PHASE_CONNECT)
        return;
    if (atomic_load_explicit(&shared->round, memory_order_relaxed) != l->told_round ||
        atomic_load_explicit(&shared->ready, memory_order_relaxed) != l->told_ready)
        l->asked = true;
    if (l->asked || (l->arrived >= FEEDBACK_PACKETS && since >= turn_us) ||
        (l->arrived && since >= FEEDBACK_US && since >= turn_us) || since >= XF_HEARTBEAT_US)
        send_feedback(l, w, now_us);
}

void xf_target_lane_tell(struct xf_target_lane *l)
{
    if (!l->has_news || !xf_ring_put(&l->lane.news, &l->news))
        return;
    l->has_news = false;
    memset(&l->news, 0, sizeof(l->news));
}

void xf_target_lane_work(struct xf_target_lane *l, struct xf_worker *w, uint64_t now_us)
{
    xf_target_lane_obey(l, w);
    if (!l->failed) {
        xf_lap(&w->laps, XF_STAGE_bookkeeping);
        send_due(l, w, now_us);
        xf_lap(&w->laps, XF_STAGE_transmit);
        /* At the end what is mapped is the owner's to unmap, when nobody waits. */
        if (!w->busy && !l->over && xf_landing_rest(&l->landing))
            xf_lap(&w->laps, XF_STAGE_guest);
    }
    w->calls |= l->has_news;
    xf_target_lane_tell(l);
}

int xf_target_lane_answer(struct xf_target_lane *l, const struct xf_wire_answer *answer,
                          bool is_long)
{
    return xf_lane_send(&l->lane, XF_PACKET_ANSWER, l->sequence++, answer, sizeof(*answer),
                        is_long ? l->lane.session->shape.body_bytes : 0);
}

void xf_target_lane_refuse(struct xf_target_lane *l, int code, const char *text)
{
    xf_lane_send_reason(&l->lane, &l->sequence, code, text);
}
