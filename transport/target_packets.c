/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The target's packets: what the source sends is checked and goes into the guest; answers and
   feedback come out. */
#include "target_packets.h"

#include <errno.h>
#include <string.h>

#include "transport/fault_points.h"

/* Feedback at the latest after so many packets or so much time since the first of them. */
#define FEEDBACK_PACKETS 32u
#define FEEDBACK_US      500u
/* An ANSWER that our own port did not take, as a memif's server does not before it has noticed that
   its client is there: again so soon. */
#define ANSWER_RETRY_US 500u

/* Gives up what the source gave up on this queue. */
static int lower_floor(struct xf_target *t, unsigned queue, uint64_t sequence, uint64_t floor)
{
    if (floor > sequence) {
        xf_session_reject(&t->session, XF_REJECT_malformed);
        return xf_session_fail(&t->session, -EPROTO, "the source gave up packets not yet sent");
    }
    xf_window_give_up(&t->session.windows[queue], floor);
    return 0;
}

static int receive_data(struct xf_target *t, struct xf_target_queue *q,
                        const struct xf_wire_header *h, size_t len)
{
    struct xf_session *s = &t->session;
    const uint8_t *body = s->plain;
    struct xf_wire_data head;
    int rc = XF_FAULT(target_data_seen);

    if (rc)
        return rc;
    rc = xf_wire_check_data(&s->shape, t->landing.features, body, len, t->page_count);
    if (rc == -ERANGE) {
        xf_session_reject(s, XF_REJECT_outside_guest);
        return xf_session_fail(s, -EPROTO, "the source sent a page beyond the guest");
    }
    if (rc)
        return xf_session_malformed(s, h->type);
    memcpy(&head, body, sizeof(head));
    if (!t->ready) {
        /* Not marked as received: it will be reported missing and come again. */
        xf_session_reject(s, XF_REJECT_not_ready);
        return 0;
    }
    /* Once all is there no round begins any more: the guest may be running. */
    if (head.round > t->round || (head.round == t->round && t->phase == XF_PHASE_DONE)) {
        xf_session_reject(s, XF_REJECT_future_round);
        return xf_session_fail(s, -EPROTO, "the source sent pages of round %u during round %u",
                               head.round, t->round);
    }
    xf_window_mark(&s->windows[h->queue], h->sequence);
    rc = lower_floor(t, h->queue, h->sequence,
                     head.floor_delta > h->sequence ? UINT64_MAX : h->sequence - head.floor_delta);
    if (rc)
        return rc;
    q->news++;
    if (head.round < t->round) {
        xf_session_reject(s, XF_REJECT_stale_round);
        return 0;
    }
    const uint8_t *payload = body + sizeof(head) + head.records * sizeof(struct xf_wire_record);

    xf_lap_packet(&s->stats.laps, XF_STAGE_bookkeeping);
    for (unsigned i = 0; i < head.records; i++) {
        struct xf_wire_record r;

        memcpy(&r, body + sizeof(head) + i * sizeof(r), sizeof(r));
        rc = xf_landing_write(&t->landing, &r, &payload);
        if (rc)
            return rc;
    }
    xf_lap_packet(&s->stats.laps, XF_STAGE_write);
    return XF_TARGET_PAGES;
}

static int receive_barrier(struct xf_target *t, struct xf_target_queue *q,
                           const struct xf_wire_header *h, size_t len)
{
    struct xf_session *s = &t->session;
    struct xf_wire_barrier b;
    int rc = XF_FAULT(target_barrier_seen);

    (void)len; /* which its kind fixes */
    if (rc)
        return rc;
    memcpy(&b, s->plain, sizeof(b));
    if (b.round > t->round) {
        xf_session_reject(s, XF_REJECT_future_round);
        return xf_session_fail(s, -EPROTO, "the source ends round %u during round %u", b.round,
                               t->round);
    }
    if ((b.flags & ~XF_BARRIER_FINAL) || b.reserved || b.pages > t->page_count)
        return xf_session_malformed(s, h->type);
    xf_window_mark(&s->windows[h->queue], h->sequence);
    rc = lower_floor(t, h->queue, h->sequence, b.floor);
    if (rc)
        return rc;
    q->asked = true;
    if (b.round < t->round || t->phase == XF_PHASE_DONE)
        return 0; /* our answer to it was lost */
    t->barrier = true;
    t->want = b.pages;
    if (b.flags & XF_BARRIER_FINAL)
        t->final = true;
    return XF_TARGET_BARRIER;
}

static int receive_ping(struct xf_target *t, struct xf_target_queue *q,
                        const struct xf_wire_header *h, size_t len)
{
    struct xf_wire_ping p;
    int rc = XF_FAULT(target_ping_seen);

    if (rc)
        return rc;
    if (len != sizeof(p) && len != t->session.shape.body_bytes)
        return xf_session_malformed(&t->session, h->type);
    memcpy(&p, t->session.plain, sizeof(p));
    xf_window_mark(&t->session.windows[h->queue], h->sequence);
    q->stamp_us = p.stamp_us;
    q->asked = true;
    return lower_floor(t, h->queue, h->sequence, p.floor);
}

static int receive_abort(struct xf_target *t, struct xf_target_queue *q,
                         const struct xf_wire_header *h, size_t len)
{
    char text[XF_REASON_BYTES + 1];

    (void)q;
    (void)h;
    return XF_FAULT(target_abort_seen)
               ?: xf_session_fail(&t->session, -ECONNABORTED, "the source gave up: %s",
                                  xf_session_reason(&t->session, len, text));
}

int xf_target_receive(struct xf_target *t, const struct xf_buf *buf, uint64_t now_us)
{
#define HANDLER(NAME, number, name, least, most) [number] = receive_##name,
    static int (*const handlers[])(struct xf_target *, struct xf_target_queue *,
                                   const struct xf_wire_header *,
                                   size_t) = {XF_PACKETS_TO_TARGET(HANDLER)};
#undef HANDLER
    struct xf_session *s = &t->session;
    struct xf_wire_header h;
    int len = xf_session_open(s, buf, &h, now_us); /* lets no other types through */

    xf_lap_packet(&s->stats.laps, XF_STAGE_open);
    if (len < 0)
        return XF_TARGET_NOTHING;
    t->heard = true;
    if (t->phase == XF_PHASE_CONNECT)
        xf_target_enter(t, XF_PHASE_READY, now_us);
    int rc = xf_session_check_length(s, h.type, (size_t)len);

    return rc ? rc : handlers[h.type](t, &t->queues[h.queue], &h, (size_t)len);
}

/* ---- sending ------------------------------------------------------------------------------ */

static void send_answer(struct xf_target *t, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_wire_answer a = {
        .version = XF_PROTOCOL_VERSION,
        .queues = (uint16_t)s->queues,
        .payload_bytes = s->shape.payload_bytes,
        .page_count = t->page_count,
        .udp_port = s->link->self.udp_port,
        .ipv4 = s->link->self.ipv4,
        .credit = t->credit,
    };

    memcpy(a.mac, s->link->self.mac, sizeof(a.mac));
    t->answer_due_us = now_us + XF_HELLO_US;
    if (XF_FAULT(target_answer_send))
        return;
    /* Every other one is as long as data will be: if only the short ones arrive, it is the MTU. */
    const bool is_long = t->answers % 2 == 0;

    if (xf_session_send(s, XF_PACKET_ANSWER, 0, t->queues[0].sequence++, &a, sizeof(a),
                        is_long ? s->shape.body_bytes : 0)) {
        t->answers++;
        return;
    }
    t->answer_due_us = now_us + ANSWER_RETRY_US;
    /* Our own port may refuse it for its length. */
    if (is_long && now_us - t->short_answer_us >= XF_HELLO_US &&
        xf_session_send(s, XF_PACKET_ANSWER, 0, t->queues[0].sequence++, &a, sizeof(a), 0))
        t->short_answer_us = now_us;
}

static void send_feedback(struct xf_target *t, unsigned queue, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_target_queue *q = &t->queues[queue];
    struct {
        struct xf_wire_feedback fb;
        struct xf_wire_range ranges[(XF_PAYLOAD_MIN - 96) / sizeof(struct xf_wire_range)];
    } m;
    const unsigned max = sizeof(m.ranges) / sizeof(m.ranges[0]);

    if (XF_FAULT(target_feedback_send) ||
        (t->phase == XF_PHASE_DONE && XF_FAULT(target_complete_send)))
        return;
    memset(&m.fb, 0, sizeof(m.fb));
    m.fb.round = t->round;
    m.fb.base = s->windows[queue].base;
    m.fb.ranges = (uint16_t)xf_window_missing(&s->windows[queue], m.ranges, max, &m.fb.horizon);
    m.fb.landed = t->landing.landed;
    m.fb.stamp_us = q->stamp_us;
    m.fb.credit = (uint16_t)t->credit;
    m.fb.late = xf_wire_late(now_us - t->unseen_since_us);
    m.fb.flags = (uint16_t)((t->ready ? XF_FEEDBACK_READY : 0) |
                            (t->phase == XF_PHASE_DONE ? XF_FEEDBACK_COMPLETE : 0));
    if (!xf_session_send(s, XF_PACKET_FEEDBACK, queue, q->sequence++, &m,
                         sizeof(m.fb) + m.fb.ranges * sizeof(m.ranges[0]), 0))
        return; /* asked stays: at the next step again */
    q->asked = false;
    q->news = 0;
    q->told_us = now_us;
}

void xf_target_send_due(struct xf_target *t, uint64_t now_us)
{
    if (t->phase == XF_PHASE_CONNECT) {
        if (now_us >= t->answer_due_us)
            send_answer(t, now_us);
        return;
    }
    for (unsigned i = 0; i < t->session.queues; i++) {
        struct xf_target_queue *q = &t->queues[i];
        uint64_t since = now_us - q->told_us;

        if (q->asked || q->news >= FEEDBACK_PACKETS || (q->news && since >= FEEDBACK_US) ||
            since >= XF_HEARTBEAT_US)
            send_feedback(t, i, now_us);
    }
}
