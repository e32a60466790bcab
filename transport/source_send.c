/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, sending: pages, barriers and pings, sealed. */
#include "source_send.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "transport/fault_points.h"

#define PING_US 20000u

static_assert(XF_PAYLOAD_MAX + 256 <= UINT16_MAX, "a packet's length fits struct xf_sent");

static void seal_packet(struct xf_source_lane *l, const struct xf_packet *p, struct xf_buf *buf)
{
    const struct xf_session *ss = l->lane.session;
    const struct xf_inflight *f = &l->inflight;
    struct xf_seal_run run;
    struct xf_wire_header h;
    struct {
        struct xf_wire_data head;
        struct xf_wire_record records[XF_RECORDS_MAX];
    } body = {
        .head =
            {
                .round = l->round,
                .floor_delta = (uint32_t)(f->next - f->una),
                .records = (uint16_t)p->records_n,
            },
    };
    const size_t head_bytes = sizeof(body.head) + p->records_n * sizeof(body.records[0]);
    uint8_t *out = buf->data + sizeof(h);

    memcpy(body.records, p->records, p->records_n * sizeof(body.records[0]));
    xf_session_header(ss, &h, XF_PACKET_DATA, l->lane.stripe.lane, f->next);
    memcpy(buf->data, &h, sizeof(h));
    xf_seal_begin(ss->seal, &run, &h);
    xf_seal_update(ss->seal, &run, out, &body, head_bytes);
    out += head_bytes;
    for (unsigned i = 0; i < p->parts_n; i++) {
        xf_seal_update_ahead(ss->seal, &run, out, p->parts[i], p->part_bytes[i], p->ahead[i]);
        out += p->part_bytes[i];
    }
    xf_seal_end(ss->seal, &run, out);
    buf->len = (uint32_t)(out + XF_TAG_BYTES - buf->data);
}

static void flush(struct xf_source_lane *l, struct xf_worker *w)
{
    struct xf_link *link = l->lane.session->link;

    if (!l->pending_n)
        return;
    unsigned sent = link->ops->tx_burst(link, l->lane.queue, l->pending, l->pending_n);

    if (sent)
        w->busy = true;
    l->pending_n -= sent;
    memmove(l->pending, l->pending + sent, l->pending_n * sizeof(l->pending[0]));
}

/* How many packets of pages may go out now but for the path. */
static unsigned room(const struct xf_source_lane *l)
{
    uint32_t n = xf_inflight_room(&l->inflight);
    uint32_t credit = l->credit > l->inflight.outstanding ? l->credit - l->inflight.outstanding : 0;

    n = n > XF_INFLIGHT_RESERVE ? n - XF_INFLIGHT_RESERVE : 0;
    if (n > credit)
        n = credit;
    return n > XF_SOURCE_BURST ? XF_SOURCE_BURST : n;
}

/* Takes up to so many bytes of what the path allows all lanes. */
static int64_t draw(struct xf_source_shared *shared, int64_t bytes)
{
    int64_t grant = atomic_load_explicit(&shared->grant, memory_order_relaxed), take;

    do {
        take = grant < bytes ? grant : bytes;
        if (take <= 0)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&shared->grant, &grant, grant - take,
                                                    memory_order_relaxed, memory_order_relaxed));
    return take;
}

/* How many packets may be sent now, and in *drawn the bytes of the path that were taken for them.
 */
static unsigned allowance(struct xf_source_lane *l, int64_t *drawn)
{
    const int64_t packet = l->shared->packet_bytes;
    unsigned n = room(l);

    *drawn = n ? draw(l->shared, n * packet) : 0;
    /* The last packet may be longer than what is left. */
    int64_t most = (*drawn + packet - 1) / packet;

    return most < n ? (unsigned)most : n;
}

/* In this step no page is sent. */
static void waited(struct xf_source_lane *l, enum xf_wait what)
{
    xf_count_add(&l->lane.counts.waits[what], 1);
}

int xf_source_send_pages(struct xf_source_lane *l, struct xf_worker *w, uint64_t now_us)
{
    struct xf_link *link = l->lane.session->link;
    struct xf_counts *counts = &l->lane.counts;
    struct xf_laps *laps = &w->laps;
    struct xf_compress *compress = &l->encoder.compress;
    const uint64_t mapped = l->encoder.mapped;
    uint64_t framed = 0, payload = 0, sending_ns = 0;
    unsigned n, built = 0;
    int64_t drawn;
    bool timed;
    int rc = 1;

    xf_lap(laps, XF_STAGE_bookkeeping);
    flush(l, w);
    xf_lap(laps, XF_STAGE_transmit);
    if (l->pending_n || !xf_encoder_has(&l->encoder)) {
        waited(l, l->pending_n ? XF_WAIT_port : XF_WAIT_pages);
        return 0;
    }
    n = allowance(l, &drawn);
    if (!n)
        waited(l, room(l) ? XF_WAIT_path : XF_WAIT_credit);
    xf_lap(laps, XF_STAGE_bookkeeping);
    if (n) {
        n = link->ops->tx_alloc(link, l->lane.queue, l->pending, n);
        if (!n)
            waited(l, XF_WAIT_port);
    }
    xf_lap(laps, XF_STAGE_transmit);
    timed = n && l->encoder.kind == XF_ROUND_PAGES && xf_compress_wants_time(compress);
    /* A packet of hashes takes half a batch of pages; on a host a burst of them would map for
       seconds, and hear nothing. */
    for (; built < n && l->encoder.mapped - mapped < XF_MAP_BATCH_PAGES; built++) {
        struct xf_packet p;
        struct xf_buf *buf = &l->pending[built];

        rc = xf_encoder_next(&l->encoder, &p);
        xf_lap_packet(laps, XF_STAGE_read);
        if (rc <= 0)
            break;
        if (timed)
            sending_ns -= compress->clock_ns();
        seal_packet(l, &p, buf);
        if (timed)
            sending_ns += compress->clock_ns();
        xf_lap_packet(laps, XF_STAGE_seal);
        uint32_t bytes = link->frame_bytes + buf->len;

        if (p.memory)
            xf_encoder_sent(&l->encoder, l->inflight.next);
        xf_inflight_add(&l->inflight, p.records, p.records_n, (uint16_t)bytes, now_us);
        framed += bytes;
        payload += buf->len;
        xf_lap_packet(laps, XF_STAGE_bookkeeping);
    }
    xf_count_add(&counts->packets_sent, built);
    xf_count_add(&counts->bytes_wire, payload);
    l->news.sent_bytes += framed;
    l->has_news |= built > 0;
    if (drawn != (int64_t)framed)
        atomic_fetch_add_explicit(&l->shared->grant, drawn - (int64_t)framed, memory_order_relaxed);
    if (built)
        xf_lap_packets(laps, XF_STAGE_bookkeeping);
    if (built < n)
        link->ops->tx_free(link, l->lane.queue, l->pending + built, n - built);
    l->pending_n = built;
    if (built) {
        w->busy = true;
        int fault = XF_FAULT(source_data_send);

        if (fault)
            rc = fault;
    }
    if (timed)
        sending_ns -= compress->clock_ns();
    flush(l, w);
    if (timed)
        xf_compress_sent(compress, payload, sending_ns + compress->clock_ns());
    xf_lap(laps, XF_STAGE_transmit);
    if (rc < 0)
        return xf_lane_fail(&l->lane, rc, "cannot read the guest's memory: %s", strerror(-rc));
    return 0;
}

/* A control packet, which takes a sequence number but has nothing to repair. */
static void send_small(struct xf_source_lane *l, enum xf_packet_type type, const void *body,
                       size_t len, size_t body_bytes, uint64_t now_us)
{
    struct xf_inflight *f = &l->inflight;

    if (!xf_inflight_room(f))
        return;
    xf_lane_send(&l->lane, type, f->next, body, len, body_bytes);
    xf_inflight_add(f, NULL, 0, 0, now_us);
}

static enum xf_phase phase_of(const struct xf_source_lane *l)
{
    return atomic_load_explicit(&l->shared->phase, memory_order_relaxed);
}

void xf_source_send_ping(struct xf_source_lane *l, uint64_t now_us)
{
    struct xf_wire_ping ping = {.floor = l->inflight.una, .stamp_us = now_us};

    l->pinged_us = now_us;
    if (XF_FAULT(source_ping_send))
        return;
    /* While connecting as long as data will be, so that the target too knows that such ones pass.
     */
    send_small(l, XF_PACKET_PING, &ping, sizeof(ping),
               phase_of(l) == XF_PHASE_READY ? l->lane.session->shape.body_bytes : 0, now_us);
}

void xf_source_send_due_ping(struct xf_source_lane *l, uint64_t now_us)
{
    uint64_t rtt_us = xf_count_of(&l->rtt_us);
    const enum xf_phase phase = phase_of(l);
    uint64_t every = phase == XF_PHASE_READY ? XF_HELLO_US : rtt_us > PING_US ? rtt_us : PING_US;

    if (phase != XF_PHASE_CONNECT && phase != XF_PHASE_DONE && now_us - l->pinged_us >= every)
        xf_source_send_ping(l, now_us);
}

void xf_source_send_barrier(struct xf_source_lane *l, const struct xf_source_order *order,
                            uint64_t now_us)
{
    struct xf_wire_barrier b = {
        .round = order->round,
        .flags = (order->final ? XF_BARRIER_FINAL : 0) | (order->hashes ? XF_BARRIER_HASHES : 0),
        .pages = order->pages,
        .floor = l->inflight.una,
    };

    if (l->lane.stripe.lane)
        xf_source_send_ping(l, now_us);
    else if (!XF_FAULT(source_barrier_send))
        send_small(l, XF_PACKET_BARRIER, &b, sizeof(b), 0, now_us);
}
