/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target, receiving: DATA, BARRIER, PING and ABORT, checked. */
#include "target_receive.h"

#include <errno.h>
#include <string.h>

#include "features.h"
#include "transport/fault_points.h"

/* Gives up what the source gave up on this lane. */
static int lower_floor(struct xf_target_lane *l, uint64_t sequence, uint64_t floor)
{
    if (floor > sequence) {
        xf_lane_reject(&l->lane, XF_REJECT_malformed);
        return xf_lane_fail(&l->lane, -EPROTO, "the source gave up packets not yet sent");
    }
    xf_window_give_up(&l->lane.window, floor);
    return 0;
}

static int receive_data(struct xf_target_lane *l, const struct xf_wire_header *h, size_t len)
{
    struct xf_lane *lane = &l->lane;
    const struct xf_target_shared *shared = l->shared;
    const uint8_t *body = lane->plain;
    struct xf_wire_data head;
    int rc = XF_FAULT(target_data_seen);

    if (rc)
        return rc;
    rc = xf_wire_check_data(&lane->session->shape, shared->features, body, len, shared->page_count);
    if (rc == -ERANGE) {
        xf_lane_reject(lane, XF_REJECT_outside_guest);
        return xf_lane_fail(lane, -EPROTO, "the source sent a page beyond the guest");
    }
    if (rc)
        return xf_lane_malformed(lane, h->type);
    memcpy(&head, body, sizeof(head));
    if (!atomic_load_explicit(&shared->ready, memory_order_acquire)) {
        /* Not marked as received: it will be reported missing and come again. */
        xf_lane_reject(lane, XF_REJECT_not_ready);
        return 0;
    }
    /* Once all is there no round begins any more: the guest may be running. */
    if (head.round > l->round || (head.round == l->round && l->over)) {
        xf_lane_reject(lane, XF_REJECT_future_round);
        return xf_lane_fail(lane, -EPROTO, "the source sent pages of round %u during round %u",
                            head.round, l->round);
    }
    xf_window_mark(&lane->window, h->sequence);
    rc = lower_floor(l, h->sequence,
                     head.floor_delta > h->sequence ? UINT64_MAX : h->sequence - head.floor_delta);
    if (rc)
        return rc;
    l->arrived++;
    if (head.round < l->round) {
        xf_lane_reject(lane, XF_REJECT_stale_round);
        return 0;
    }
    const uint8_t *payload = body + sizeof(head) + head.records * sizeof(struct xf_wire_record);

    xf_lap_packet(lane->laps, XF_STAGE_bookkeeping);
    for (unsigned i = 0; i < head.records; i++) {
        struct xf_wire_record r;

        memcpy(&r, body + sizeof(head) + i * sizeof(r), sizeof(r));
        rc = xf_landing_write(&l->landing, &r, &payload);
        if (rc)
            return rc;
    }
    xf_lap_packet(lane->laps, XF_STAGE_write);
    if (!l->landed)
        l->landed = l->news.landed = l->has_news = true;
    return 0;
}

static int receive_barrier(struct xf_target_lane *l, const struct xf_wire_header *h, size_t len)
{
    struct xf_wire_barrier b;
    int rc = XF_FAULT(target_barrier_seen);

    (void)len; /* which its kind fixes */
    if (rc)
        return rc;
    memcpy(&b, l->lane.plain, sizeof(b));
    if (b.round > l->round) {
        xf_lane_reject(&l->lane, XF_REJECT_future_round);
        return xf_lane_fail(&l->lane, -EPROTO, "the source ends round %u during round %u", b.round,
                            l->round);
    }
    const uint32_t flags =
        XF_BARRIER_FINAL | (l->shared->features & XF_FEATURE_VERIFY_LIVE ? XF_BARRIER_HASHES : 0);

    if ((b.flags & ~flags) || b.reserved || b.pages > l->shared->page_count)
        return xf_lane_malformed(&l->lane, h->type);
    xf_window_mark(&l->lane.window, h->sequence);
    rc = lower_floor(l, h->sequence, b.floor);
    if (rc)
        return rc;
    l->asked = true;
    if (b.round < l->round || l->over)
        return 0; /* our answer to it was lost */
    l->news.barrier = b.round;
    l->news.want = b.pages;
    l->news.final = b.flags & XF_BARRIER_FINAL;
    l->news.hashes = b.flags & XF_BARRIER_HASHES;
    l->has_news = true;
    return 0;
}

static int receive_ping(struct xf_target_lane *l, const struct xf_wire_header *h, size_t len)
{
    struct xf_wire_ping p;
    int rc = XF_FAULT(target_ping_seen);

    if (rc)
        return rc;
    if (len != sizeof(p) && len != l->lane.session->shape.body_bytes)
        return xf_lane_malformed(&l->lane, h->type);
    memcpy(&p, l->lane.plain, sizeof(p));
    xf_window_mark(&l->lane.window, h->sequence);
    l->stamp_us = p.stamp_us;
    l->asked = true;
    return lower_floor(l, h->sequence, p.floor);
}

static int receive_abort(struct xf_target_lane *l, const struct xf_wire_header *h, size_t len)
{
    char text[XF_REASON_BYTES + 1];

    (void)h;
    return XF_FAULT(target_abort_seen)
               ?: xf_lane_fail(&l->lane, -ECONNABORTED, "the source gave up: %s",
                               xf_lane_reason(&l->lane, len, text));
}

int xf_target_receive(struct xf_target_lane *l, const struct xf_buf *buf, uint64_t now_us)
{
#define HANDLER(NAME, number, name, least, most) [number] = receive_##name,
    static int (*const handlers[])(struct xf_target_lane *, const struct xf_wire_header *,
                                   size_t) = {XF_PACKETS_TO_TARGET(HANDLER)};
#undef HANDLER
    struct xf_wire_header h;
    int len = xf_lane_open(&l->lane, buf, &h, now_us); /* lets no other types through */

    xf_lap_packet(l->lane.laps, XF_STAGE_open);
    if (len < 0)
        return 0;
    if (!l->heard)
        l->heard = l->news.heard = l->has_news = true;
    int rc = xf_lane_check_length(&l->lane, h.type, (size_t)len);

    return rc ? rc : handlers[h.type](l, &h, (size_t)len);
}
