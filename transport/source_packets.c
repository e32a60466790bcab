/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, packets: the target's answers and feedback in, sealed packets out. */
#include "source_packets.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "transport/fault_points.h"

#define PING_US 20000u
/* A missing packet that is younger is taken for reordered. */
#define REORDER_MIN_US 1000u
#define PROBE_MAX_US   100000u
/* What a target's echoes may make of the round trip: pings follow it, and never cease. */
#define RTT_MAX_US 1000000u

static_assert(XF_PAYLOAD_MAX + 256 <= UINT16_MAX, "a packet's length fits struct xf_sent");

/* ---- in ----------------------------------------------------------------------------------- */

static int receive_answer(struct xf_source *s, unsigned queue, size_t len, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    struct xf_wire_answer a;
    struct xf_wire_shape shape;

    (void)queue;
    if (s->phase != XF_PHASE_CONNECT)
        return 0;
    memcpy(&a, ss->plain, sizeof(a));
    if (a.version != XF_PROTOCOL_VERSION || a.page_count != s->guest.page_count ||
        a.queues != ss->queues || a.payload_bytes > ss->link->payload_bytes || a.credit == 0 ||
        xf_wire_shape(&shape, a.payload_bytes)) {
        xf_session_reject(ss, XF_REJECT_malformed);
        return xf_session_fail(ss, -EPROTO, "the target's answer does not fit the offer");
    }
    struct xf_link_addr peer = {.udp_port = a.udp_port, .ipv4 = a.ipv4};

    memcpy(peer.mac, a.mac, sizeof(peer.mac));
    ss->link->ops->set_peer(ss->link, &peer);
    if (len != shape.body_bytes) {
        /* A short one shows only that the way exists, and whom to tell if that is all; wait for one
           as long as data will be. */
        if (!s->short_answers++)
            s->short_answer_us = now_us;
        return 0;
    }
    int rc = XF_FAULT(source_answer_seen);

    if (rc)
        return rc;
    ss->shape = shape;
    for (unsigned q = 0; q < ss->queues; q++)
        s->queues[q].credit = a.credit;
    xf_pace_init(&s->pace, ss->link->frame_bytes + a.payload_bytes, s->config.bandwidth_bytes_per_s,
                 now_us);
    return XF_SOURCE_ANSWERED;
}

static int repair_lost(void *arg, const struct xf_sent *sent)
{
    struct xf_source *s = arg;

    s->session.stats.packets_lost++;
    return xf_encoder_repair(&s->encoder, sent->records, sent->count);
}

static void take_rtt(struct xf_source *s, struct xf_source_queue *q, uint64_t stamp_us,
                     uint64_t now_us)
{
    if (stamp_us <= q->stamp_seen_us || stamp_us > now_us)
        return;
    q->stamp_seen_us = stamp_us;
    uint64_t sample = now_us - stamp_us < RTT_MAX_US ? now_us - stamp_us : RTT_MAX_US;

    s->rtt_us = s->rtt_us - s->rtt_us / 8 + sample / 8;
}

/* What is known of the path: for the statistics, and for whether compressing pays. While pace
   starts up, it knows only what has gone out so far; but the user's limit holds from the beginning.
 */
static void take_path(struct xf_source *s, uint64_t now_us)
{
    uint64_t rate = xf_pace_rate(&s->pace), limit = s->config.bandwidth_bytes_per_s;

    if (s->pace.phase == XF_PACE_STARTUP || (limit && limit < rate))
        rate = limit;
    xf_compress_link(&s->encoder.compress, rate, xf_pace_is_limited(&s->pace), now_us);
    s->session.stats.path_bytes_per_s = xf_pace_rate(&s->pace);
    s->session.stats.rtt_us = s->pace.rtt_base_us;
}

static int receive_feedback(struct xf_source *s, unsigned queue, size_t len, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    struct xf_source_queue *q = &s->queues[queue];
    struct xf_wire_feedback fb;
    uint64_t reorder_us = s->rtt_us + s->rtt_us / 4;
    struct xf_pace_news news;
    int rc = XF_FAULT(source_feedback_seen);

    if (rc)
        return rc;
    if (xf_wire_check_feedback(ss->plain, len))
        return xf_session_malformed(ss, XF_PACKET_FEEDBACK);
    /* It overtook the ANSWER; or it says once more what ended the session. */
    if (s->phase == XF_PHASE_CONNECT || s->phase == XF_PHASE_DONE)
        return 0;
    memcpy(&fb, ss->plain, sizeof(fb));
    /* A round ends when its barrier was sent and counted, and one at a time. */
    if (fb.round > s->round + 1 || (fb.round == s->round + 1 && s->round && !s->barrier_sent)) {
        xf_session_reject(ss, XF_REJECT_dishonest_ack);
        return xf_session_fail(ss, -EPROTO, "the target counts rounds that were not sent");
    }
    take_rtt(s, q, fb.stamp_us, now_us);
    rc = xf_inflight_feedback(
        &q->inflight, &fb, (const struct xf_wire_range *)(ss->plain + sizeof(fb)), now_us,
        reorder_us < REORDER_MIN_US ? REORDER_MIN_US : reorder_us, repair_lost, s, &news);
    if (rc == -EBADMSG) {
        xf_session_reject(ss, XF_REJECT_dishonest_ack);
        return xf_session_fail(ss, -EPROTO, "the target acknowledges what was never sent");
    }
    if (rc)
        return rc;
    q->credit = fb.credit;
    news.late_us = (uint64_t)fb.late * XF_LATE_UNIT_US + s->late_us;
    xf_pace_feedback(&s->pace, &news, now_us);
    take_path(s, now_us);
    if (s->round && !s->waiting && fb.round == s->round + 1)
        return XF_SOURCE_ROUND_COUNTED;
    return fb.flags & XF_FEEDBACK_READY ? XF_SOURCE_READY : XF_SOURCE_NOTHING;
}

static int receive_refuse(struct xf_source *s, unsigned queue, size_t len, uint64_t now_us)
{
    char text[XF_REASON_BYTES + 1];

    (void)queue;
    (void)now_us;
    return XF_FAULT(source_refuse_seen)
               ?: xf_session_fail(&s->session, -ECONNABORTED, "the target refuses: %s",
                                  xf_session_reason(&s->session, len, text));
}

int xf_source_receive(struct xf_source *s, const struct xf_buf *buf, uint64_t now_us)
{
#define HANDLER(NAME, number, name, least, most) [number] = receive_##name,
    static int (*const handlers[])(struct xf_source *, unsigned, size_t,
                                   uint64_t) = {XF_PACKETS_TO_SOURCE(HANDLER)};
#undef HANDLER
    struct xf_wire_header h;
    int len = xf_session_open(&s->session, buf, &h, now_us); /* lets no other types through */

    if (len < 0)
        return XF_SOURCE_NOTHING;
    struct xf_window *w = &s->session.windows[h.queue];

    xf_window_mark(w, h.sequence);
    /* What the target sends is not repaired, so its gaps never fill: the window slides. */
    if (w->horizon > XF_WINDOW_PACKETS / 2)
        xf_window_give_up(w, w->horizon - XF_WINDOW_PACKETS / 2);
    int rc = xf_session_check_length(&s->session, h.type, (size_t)len);

    return rc ? rc : handlers[h.type](s, h.queue, (size_t)len, now_us);
}

/* ---- out ---------------------------------------------------------------------------------- */

static void seal_packet(struct xf_source *s, unsigned queue, const struct xf_packet *p,
                        struct xf_buf *buf)
{
    struct xf_session *ss = &s->session;
    struct xf_inflight *f = &s->queues[queue].inflight;
    struct xf_seal_run run;
    struct xf_wire_header h;
    struct {
        struct xf_wire_data head;
        struct xf_wire_record records[XF_RECORDS_MAX];
    } body = {
        .head =
            {
                .round = s->round,
                .floor_delta = (uint32_t)(f->next - f->una),
                .records = (uint16_t)p->records_n,
            },
    };
    const size_t head_bytes = sizeof(body.head) + p->records_n * sizeof(body.records[0]);
    uint8_t *out = buf->data + sizeof(h);

    memcpy(body.records, p->records, p->records_n * sizeof(body.records[0]));
    xf_session_header(ss, &h, XF_PACKET_DATA, queue, f->next);
    memcpy(buf->data, &h, sizeof(h));
    xf_seal_begin(ss->seal, &run, &h);
    xf_seal_update(ss->seal, &run, out, &body, head_bytes);
    out += head_bytes;
    for (unsigned i = 0; i < p->parts_n; i++) {
        xf_seal_update(ss->seal, &run, out, p->parts[i], p->part_bytes[i]);
        out += p->part_bytes[i];
    }
    xf_seal_end(ss->seal, &run, out);
    buf->len = (uint32_t)(out + XF_TAG_BYTES - buf->data);
}

static void flush(struct xf_source *s, unsigned queue)
{
    struct xf_source_queue *q = &s->queues[queue];
    struct xf_link *link = s->session.link;

    if (!q->pending_n)
        return;
    unsigned sent = link->ops->tx_burst(link, queue, q->pending, q->pending_n);

    if (sent)
        s->idle = false;
    q->pending_n -= sent;
    memmove(q->pending, q->pending + sent, q->pending_n * sizeof(q->pending[0]));
}

/* How many packets of pages may go out on a queue now, if the path takes so many bytes. */
static unsigned allowance(const struct xf_source *s, const struct xf_source_queue *q,
                          uint64_t bytes)
{
    uint32_t room = xf_inflight_room(&q->inflight);
    uint64_t n = (bytes + s->pace.packet_bytes - 1) / s->pace.packet_bytes;
    uint32_t credit = q->credit > q->inflight.outstanding ? q->credit - q->inflight.outstanding : 0;

    room = room > XF_INFLIGHT_RESERVE ? room - XF_INFLIGHT_RESERVE : 0;
    if (n > credit)
        n = credit;
    if (n > room)
        n = room;
    return n > XF_SOURCE_BURST ? XF_SOURCE_BURST : (unsigned)n;
}

static int send_pages(struct xf_source *s, unsigned queue, uint64_t now_us)
{
    struct xf_source_queue *q = &s->queues[queue];
    struct xf_link *link = s->session.link;
    struct xf_stats *st = &s->session.stats;
    struct xf_laps *laps = &st->laps;
    struct xf_compress *compress = &s->encoder.compress;
    uint64_t bytes_before = st->bytes_wire, sending_ns = 0;
    unsigned n = 0, built = 0;
    bool timed;
    int rc = 1;

    xf_lap(laps, XF_STAGE_bookkeeping);
    flush(s, queue);
    xf_lap(laps, XF_STAGE_transmit);
    if (q->pending_n || xf_encoder_empty(&s->encoder))
        return 0;
    n = allowance(s, q, xf_pace_allowance(&s->pace, now_us));
    xf_lap(laps, XF_STAGE_bookkeeping);
    if (n)
        n = link->ops->tx_alloc(link, queue, q->pending, n);
    xf_lap(laps, XF_STAGE_transmit);
    timed = n && s->kind == XF_ROUND_PAGES && xf_compress_wants_time(compress);
    for (; built < n; built++) {
        struct xf_packet p;
        struct xf_buf *buf = &q->pending[built];

        rc = xf_encoder_next(&s->encoder, &p);
        xf_lap_packet(laps, XF_STAGE_read);
        if (rc <= 0)
            break;
        if (timed)
            sending_ns -= compress->clock_ns();
        seal_packet(s, queue, &p, buf);
        if (timed)
            sending_ns += compress->clock_ns();
        xf_lap_packet(laps, XF_STAGE_seal);
        uint32_t bytes = link->frame_bytes + buf->len;

        xf_inflight_add(&q->inflight, p.records, p.records_n, (uint16_t)bytes, now_us);
        xf_pace_sent(&s->pace, bytes);
        st->packets_sent++;
        st->bytes_wire += buf->len;
        xf_lap_packet(laps, XF_STAGE_bookkeeping);
    }
    if (built)
        xf_lap_packets(laps, XF_STAGE_bookkeeping);
    if (built < n)
        link->ops->tx_free(link, queue, q->pending + built, n - built);
    q->pending_n = built;
    if (built) {
        s->idle = false;
        int fault = XF_FAULT(source_data_send);

        if (fault)
            rc = fault;
    }
    if (timed)
        sending_ns -= compress->clock_ns();
    flush(s, queue);
    if (timed)
        xf_compress_sent(compress, st->bytes_wire - bytes_before,
                         sending_ns + compress->clock_ns());
    xf_lap(laps, XF_STAGE_transmit);
    if (rc < 0)
        return xf_session_fail(&s->session, rc, "cannot read the guest's memory: %s",
                               strerror(-rc));
    return 0;
}

/* A control packet, which takes a sequence number but has nothing to repair. */
static void send_small(struct xf_source *s, enum xf_packet_type type, unsigned queue,
                       const void *body, size_t len, size_t body_bytes, uint64_t now_us)
{
    struct xf_inflight *f = &s->queues[queue].inflight;

    if (!xf_inflight_room(f))
        return;
    xf_session_send(&s->session, type, queue, f->next, body, len, body_bytes);
    xf_inflight_add(f, NULL, 0, 0, now_us);
}

static void send_ping(struct xf_source *s, unsigned queue, uint64_t now_us)
{
    struct xf_source_queue *q = &s->queues[queue];
    struct xf_wire_ping ping = {.floor = q->inflight.una, .stamp_us = now_us};

    q->pinged_us = now_us;
    if (XF_FAULT(source_ping_send))
        return;
    /* While connecting as long as data will be, so that the target too knows that such ones pass.
     */
    send_small(s, XF_PACKET_PING, queue, &ping, sizeof(ping),
               s->phase == XF_PHASE_READY ? s->session.shape.body_bytes : 0, now_us);
}

void xf_source_send_barrier(struct xf_source *s, uint64_t now_us)
{
    struct xf_wire_barrier b = {
        .round = s->round,
        .flags = s->final && !s->pages_next ? XF_BARRIER_FINAL : 0,
        .pages = s->round_pages,
        .floor = s->queues[0].inflight.una,
    };

    s->barrier_sent = true;
    s->barrier_us = now_us;
    s->barrier_wait_us = s->barrier_wait_us ? s->barrier_wait_us * 2 : s->rtt_us + s->rtt_us / 2;
    if (s->barrier_wait_us > PROBE_MAX_US)
        s->barrier_wait_us = PROBE_MAX_US;
    if (!XF_FAULT(source_barrier_send))
        send_small(s, XF_PACKET_BARRIER, 0, &b, sizeof(b), 0, now_us);
    /* The last packets of other queues may be lost too, with nothing after them to show it. */
    for (unsigned q = 1; q < s->session.queues; q++)
        send_ping(s, q, now_us);
}

int xf_source_send_pages(struct xf_source *s, uint64_t now_us)
{
    int rc = 0;

    /* In turns: a small window must not be the first queue's alone. */
    for (unsigned i = 0; i < s->session.queues && !rc; i++)
        rc = send_pages(s, (s->turn + i) % s->session.queues, now_us);
    s->turn = (s->turn + 1) % s->session.queues;
    if (!rc && xf_pace_allowance(&s->pace, now_us))
        xf_pace_limited(&s->pace); /* by us: data, CPU, port; or by the receiver's credit */
    return rc;
}

bool xf_source_barrier_due(const struct xf_source *s, uint64_t now_us)
{
    return xf_encoder_empty(&s->encoder) &&
           (!s->barrier_sent || now_us - s->barrier_us >= s->barrier_wait_us);
}

void xf_source_send_pings(struct xf_source *s, uint64_t now_us)
{
    uint64_t every = s->phase == XF_PHASE_READY ? XF_HELLO_US
                     : s->rtt_us > PING_US      ? s->rtt_us
                                                : PING_US;

    for (unsigned q = 0; q < s->session.queues; q++) {
        if (now_us - s->queues[q].pinged_us >= every)
            send_ping(s, q, now_us);
    }
}
