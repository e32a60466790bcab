/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, receiving: ANSWER, FEEDBACK and REFUSE, checked. */
#include "source_receive.h"

#include <errno.h>
#include <string.h>

#include "transport/fault_points.h"
#include "worst_loss.h"

/* A missing packet that is younger is taken for reordered. */
#define REORDER_MIN_US 1000u
/* What a target's echoes may make of the round trip: pings follow it, and never cease. */
#define RTT_MAX_US 1000000u

static enum xf_phase phase_of(const struct xf_source_lane *l)
{
    return atomic_load_explicit(&l->shared->phase, memory_order_relaxed);
}

/* Whether it fits is control's to say. */
static int receive_answer(struct xf_source_lane *l, const struct xf_worker *w, size_t len,
                          uint64_t now_us)
{
    (void)w;
    (void)now_us;
    if (phase_of(l) != XF_PHASE_CONNECT)
        return 0;
    memcpy(&l->news.answer, l->lane.plain, sizeof(l->news.answer));
    l->news.answer_bytes = (uint32_t)len;
    l->has_news = true;
    return 0;
}

static int repair_lost(void *arg, const struct xf_sent *sent)
{
    struct xf_source_lane *l = arg;

    xf_count_add(&l->lane.counts.packets_lost, 1);
    return xf_encoder_repair(&l->encoder, sent->records, sent->count);
}

static void take_rtt(struct xf_source_lane *l, uint64_t stamp_us, uint64_t now_us)
{
    if (stamp_us <= l->stamp_seen_us || stamp_us > now_us)
        return;
    l->stamp_seen_us = stamp_us;
    uint64_t sample = now_us - stamp_us < RTT_MAX_US ? now_us - stamp_us : RTT_MAX_US;
    uint64_t rtt_us = xf_count_of(&l->rtt_us);

    xf_count_set(&l->rtt_us, rtt_us - rtt_us / 8 + sample / 8);
}

/* More than one feedback may be told at once. */
static void tell_path(struct xf_source_lane *l, const struct xf_pace_news *path, uint64_t now_us)
{
    struct xf_pace_news *sum = &l->news.path;

    sum->acked_bytes += path->acked_bytes;
    sum->lost_bytes += path->lost_bytes;
    sum->acked += path->acked;
    sum->lost += path->lost;
    if (path->late_us > sum->late_us || !l->news.feedback)
        sum->late_us = path->late_us;
    if (path->newest_sent_us > sum->newest_sent_us)
        sum->newest_sent_us = path->newest_sent_us;
    l->news.feedback_us = now_us;
    l->news.feedback = l->has_news = true;
}

/* What paths lose besides the worst one has come, as far as that is concerned. */
static void take_worst(struct xf_source_lane *l, struct xf_pace_news *path)
{
    struct xf_link *link = l->lane.session->link;

    if (!link->ops->worst_loss || !path->lost)
        return;
    uint32_t parts = path->lost * link->ops->worst_loss(link, l->lane.queue) + l->lost_rest;
    uint32_t lost = parts / XF_WORST_LOSS_ALL;
    uint64_t bytes = path->lost_bytes * lost / path->lost;

    l->lost_rest = parts % XF_WORST_LOSS_ALL;
    path->acked += path->lost - lost;
    path->acked_bytes += path->lost_bytes - bytes;
    path->lost = lost;
    path->lost_bytes = bytes;
}

static int receive_feedback(struct xf_source_lane *l, const struct xf_worker *w, size_t len,
                            uint64_t now_us)
{
    struct xf_source_shared *shared = l->shared;
    const enum xf_phase phase = phase_of(l);
    struct xf_wire_feedback fb;
    struct xf_pace_news path;
    int rc = XF_FAULT(source_feedback_seen);

    if (rc)
        return rc;
    if (xf_wire_check_feedback(l->lane.plain, len, 0))
        return xf_lane_malformed(&l->lane, XF_PACKET_FEEDBACK);
    /* It overtook the ANSWER; or it says once more what ended the session. */
    if (phase == XF_PHASE_CONNECT || phase == XF_PHASE_DONE)
        return 0;
    memcpy(&fb, l->lane.plain, sizeof(fb));
    /* A round ends when its barrier was sent and counted, and one at a time. */
    if (fb.round > l->round + 1 ||
        (fb.round == l->round + 1 && l->round &&
         atomic_load_explicit(&shared->barred, memory_order_relaxed) < l->round)) {
        xf_lane_reject(&l->lane, XF_REJECT_dishonest_ack);
        return xf_lane_fail(&l->lane, -EPROTO, "the target counts rounds that were not sent");
    }
    take_rtt(l, fb.stamp_us, now_us);
    uint64_t rtt_us = xf_count_of(&l->rtt_us), reorder_us = rtt_us + rtt_us / 4;

    rc = xf_inflight_feedback(
        &l->inflight, &fb, (const struct xf_wire_range *)(l->lane.plain + sizeof(fb)), now_us,
        reorder_us < REORDER_MIN_US ? REORDER_MIN_US : reorder_us, repair_lost, l, &path);
    if (rc == -EBADMSG) {
        xf_lane_reject(&l->lane, XF_REJECT_dishonest_ack);
        return xf_lane_fail(&l->lane, -EPROTO, "the target acknowledges what was never sent");
    }
    if (rc)
        return rc;
    xf_encoder_acknowledge(&l->encoder, l->inflight.una);
    l->credit = fb.credit;
    take_worst(l, &path);
    path.late_us = (uint64_t)fb.late * XF_LATE_UNIT_US + w->late_us;
    tell_path(l, &path, now_us);
    l->heard_path = true;
    if (l->round && !l->counted && fb.round == l->round + 1) {
        l->counted = true;
        l->news.counted = l->round;
    }
    if (fb.flags & XF_FEEDBACK_READY)
        l->news.ready = true;
    return 0;
}

static int receive_refuse(struct xf_source_lane *l, const struct xf_worker *w, size_t len,
                          uint64_t now_us)
{
    char text[XF_REASON_BYTES + 1];

    (void)w;
    (void)now_us;
    return XF_FAULT(source_refuse_seen)
               ?: xf_lane_fail(&l->lane, -ECONNABORTED, "the target refuses: %s",
                               xf_lane_reason(&l->lane, len, text));
}

int xf_source_receive(struct xf_source_lane *l, const struct xf_worker *w, const struct xf_buf *buf,
                      uint64_t now_us)
{
#define HANDLER(NAME, number, name, least, most) [number] = receive_##name,
    static int (*const handlers[])(struct xf_source_lane *, const struct xf_worker *, size_t,
                                   uint64_t) = {XF_PACKETS_TO_SOURCE(HANDLER)};
#undef HANDLER
    struct xf_wire_header h;
    int len = xf_lane_open(&l->lane, buf, &h, now_us); /* lets no other types through */

    if (len < 0)
        return 0;
    xf_window_mark_sliding(&l->lane.window, h.sequence);
    int rc = xf_lane_check_length(&l->lane, h.type, (size_t)len);

    return rc ? rc : handlers[h.type](l, w, (size_t)len, now_us);
}
