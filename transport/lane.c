/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lane: what the lanes of both ends do: seal and send a small packet, check and open one, count. */
#include "lane.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SMALL_BODY_MAX 2048

int xf_lane_init(struct xf_lane *l, struct xf_session *session, unsigned number,
                 uint32_t order_bytes, uint32_t news_bytes, uint64_t now_us)
{
    memset(l, 0, offsetof(struct xf_lane, plain));
    memset(&l->counts, 0, sizeof(l->counts));
    atomic_init(&l->obeyed, 0);
    l->session = session;
    session->lanes[number] = l;
    l->stripe = (struct xf_stripe){.lane = number, .lanes = session->queues};
    l->queue = number % session->link->queues;
    xf_window_init(&l->window);
    xf_count_set(&l->counts.heard_us, now_us);
    l->orders.slots = l->news.slots = NULL;
    return xf_ring_init(&l->orders, XF_ORDERS_MAX, order_bytes)
               ?: xf_ring_init(&l->news, XF_NEWS_MAX, news_bytes);
}

void xf_lane_fini(struct xf_lane *l)
{
    xf_ring_fini(&l->news);
    xf_ring_fini(&l->orders);
}

static bool has_obeyed(const struct xf_lane *l)
{
    return atomic_load_explicit(&l->obeyed, memory_order_acquire) ==
           atomic_load_explicit(&l->orders.put, memory_order_relaxed);
}

bool xf_lanes_are_still(const struct xf_session *s)
{
    for (unsigned i = 0; i < s->queues; i++)
        if (!has_obeyed(s->lanes[i]))
            return false;
    return true;
}

uint64_t xf_lanes_silent_us(struct xf_session *s, uint64_t now_us)
{
    struct xf_silence *silence = &s->silence;
    uint64_t newest = 0;

    for (unsigned i = 0; i < s->queues; i++) {
        uint64_t at = xf_count_of(&s->lanes[i]->counts.heard_us);

        if (at > newest)
            newest = at;
    }
    if (newest != silence->heard_us)
        silence->since_us = now_us;
    else if (now_us < silence->seen_us) /* the clock has gone back, and the silence has not */
        silence->since_us -= silence->seen_us - now_us;
    silence->heard_us = newest;
    silence->seen_us = now_us;
    return now_us - silence->since_us;
}

static void collect(const struct xf_lane *l, struct xf_stats *to)
{
    const struct xf_counts *c = &l->counts;

#define ADD(name) to->name += xf_count_of(&c->name);
    XF_LANE_COUNTS(ADD)
#undef ADD
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        to->rejects[i] += xf_count_of(&c->rejects[i]);
    for (unsigned i = 0; i < XF_WAIT_COUNT; i++)
        to->waits[i] += xf_count_of(&c->waits[i]);
}

void xf_lanes_collect(const struct xf_session *s, struct xf_stats *to)
{
    for (unsigned i = 0; i < s->queues; i++)
        collect(s->lanes[i], to);
}

bool xf_lane_order(struct xf_lane *l, void *order)
{
    return xf_ring_take(&l->orders, order);
}

void xf_lane_obeyed(struct xf_lane *l)
{
    uint32_t n = atomic_load_explicit(&l->obeyed, memory_order_relaxed);

    atomic_store_explicit(&l->obeyed, n + 1, memory_order_release);
}

int xf_lane_fail(struct xf_lane *l, int code, const char *format, ...)
{
    va_list args;

    if (l->error[0])
        return code;
    va_start(args, format);
    vsnprintf(l->error, sizeof(l->error), format, args);
    va_end(args);
    return code;
}

/* ---- out ----------------------------------------------------------------------------------- */

int xf_lane_send(struct xf_lane *l, enum xf_packet_type type, uint64_t sequence, const void *body,
                 size_t len, size_t body_bytes)
{
    static const uint8_t zeros[SMALL_BODY_MAX];
    const struct xf_session *s = l->session;
    struct xf_wire_header header;
    struct xf_seal_run run;
    struct xf_buf buf;

    if (s->link->ops->tx_alloc(s->link, l->queue, &buf, 1) != 1)
        return 0;
    if (body_bytes < len)
        body_bytes = len;
    if (sizeof(header) + body_bytes + XF_TAG_BYTES > buf.cap) {
        s->link->ops->tx_free(s->link, l->queue, &buf, 1);
        return 0;
    }
    xf_session_header(s, &header, type, l->stripe.lane, sequence);
    memcpy(buf.data, &header, sizeof(header));
    xf_seal_begin(s->seal, &run, &header);
    uint8_t *out = buf.data + sizeof(header);

    /* Bodies are multiples of 16, except FEEDBACK with an odd number of ranges, which is not
     * padded. */
    xf_seal_update(s->seal, &run, out, body, len);
    for (size_t at = len; at < body_bytes;) {
        size_t n = body_bytes - at < sizeof(zeros) ? body_bytes - at : sizeof(zeros);

        xf_seal_update(s->seal, &run, out + at, zeros, n);
        at += n;
    }
    xf_seal_end(s->seal, &run, out + body_bytes);
    buf.len = (uint32_t)(sizeof(header) + body_bytes + XF_TAG_BYTES);
    uint32_t bytes = buf.len;

    if (s->link->ops->tx_burst(s->link, l->queue, &buf, 1) != 1) {
        s->link->ops->tx_free(s->link, l->queue, &buf, 1);
        return 0;
    }
    xf_count_add(&l->counts.packets_sent, 1);
    xf_count_add(&l->counts.bytes_wire, bytes);
    return 1;
}

void xf_lane_send_reason(struct xf_lane *l, uint64_t *sequence, int code, const char *text)
{
    struct xf_wire_reason reason = {.code = (uint32_t)(code < 0 ? -code : code)};

    size_t len = strnlen(text, sizeof(reason.text));

    /* Cut between words: half a page's number would be another page's. */
    if (text[len]) {
        while (len && text[len] != ' ')
            len--;
    }
    memcpy(reason.text, text, len);
    for (unsigned i = 0; i < 3; i++)
        xf_lane_send(l, l->session->role == XF_ROLE_SOURCE ? XF_PACKET_ABORT : XF_PACKET_REFUSE,
                     (*sequence)++, &reason, sizeof(reason), 0);
}

/* ---- in ------------------------------------------------------------------------------------ */

const char *xf_lane_reason(const struct xf_lane *l, size_t len, char *text)
{
    struct xf_wire_reason r;

    text[0] = '\0';
    if (len == sizeof(r)) {
        memcpy(&r, l->plain, sizeof(r));
        xf_wire_reason_text(text, &r);
    }
    return text;
}

static bool type_is_for(enum xf_role role, uint8_t type)
{
    const struct xf_packet_kind *kind = xf_wire_packet_kind(type);

    return kind->name && kind->to_target == (role == XF_ROLE_TARGET);
}

int xf_lane_malformed(struct xf_lane *l, uint8_t type)
{
    xf_lane_reject(l, XF_REJECT_malformed);
    return xf_lane_fail(l, -EPROTO, "malformed %s from the %s", xf_wire_packet_kind(type)->name,
                        l->session->role == XF_ROLE_TARGET ? "source" : "target");
}

int xf_lane_check_length(struct xf_lane *l, uint8_t type, size_t len)
{
    const struct xf_packet_kind *kind = xf_wire_packet_kind(type);

    return len < kind->body_least || len > kind->body_most ? xf_lane_malformed(l, type) : 0;
}

int xf_lane_named(const struct xf_session *s, const struct xf_buf *buf)
{
    struct xf_wire_header h;

    if (buf->len < sizeof(h))
        return -1;
    memcpy(&h, buf->data, sizeof(h));
    return h.queue < s->queues ? h.queue : -1;
}

/* The cheap checks first: a flood of garbage must cost little. */
static int check_header(const struct xf_lane *l, const struct xf_buf *buf, struct xf_wire_header *h)
{
    const struct xf_session *s = l->session;

    if (buf->len < sizeof(*h) + XF_TAG_BYTES || buf->len > XF_PAYLOAD_MAX)
        return XF_REJECT_short_packet;
    memcpy(h, buf->data, sizeof(*h));
    if (h->version != XF_WIRE_VERSION)
        return XF_REJECT_unknown_version;
    if (!type_is_for(s->role, h->type))
        return XF_REJECT_unknown_type;
    if (h->session_tag != s->tag)
        return XF_REJECT_wrong_session;
    if (h->queue != l->stripe.lane)
        return XF_REJECT_wrong_queue;
    switch (xf_window_look(&l->window, h->sequence)) {
    case XF_WINDOW_NEW:
        break;
    case XF_WINDOW_REPLAYED:
        return XF_REJECT_replayed;
    case XF_WINDOW_STALE:
        return XF_REJECT_stale_sequence;
    case XF_WINDOW_FAR:
        return XF_REJECT_far_sequence;
    }
    return -1;
}

int xf_lane_open(struct xf_lane *l, const struct xf_buf *buf, struct xf_wire_header *header,
                 uint64_t now_us)
{
    int why = check_header(l, buf, header);

    xf_count_add(&l->counts.packets_received, 1);
    if (why >= 0) {
        xf_lane_reject(l, (enum xf_reject)why);
        return -1;
    }
    size_t len = buf->len - sizeof(*header) - XF_TAG_BYTES;
    const uint8_t *body = buf->data + sizeof(*header);

    if (xf_seal_open(l->session->seal, header, body, len, body + len, l->plain)) {
        xf_lane_reject(l, XF_REJECT_forged);
        return -1;
    }
    xf_count_set(&l->counts.heard_us, now_us);
    return (int)len;
}
