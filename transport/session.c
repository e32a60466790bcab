/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Session: what the two ends share. */
#include "session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SMALL_BODY_MAX 2048

int xf_session_init(struct xf_session *s, const struct xf_offer *offer, enum xf_role role,
                    struct xf_link *link, uint64_t now_us)
{
    memset(s, 0, offsetof(struct xf_session, plain));
    s->link = link;
    s->role = role;
    s->queues = offer->queues;
    s->heard_us = s->port_up_us = now_us;
    s->stats.start_us = now_us;
    memcpy(&s->tag, offer->session_id, sizeof(s->tag));
    return xf_seal_new(&s->seal, offer->secret, offer->session_id, role);
}

void xf_session_fini(struct xf_session *s)
{
    xf_seal_free(s->seal);
    s->seal = NULL;
}

int xf_session_fail(struct xf_session *s, int code, const char *format, ...)
{
    va_list args;

    if (s->error[0])
        return code;
    va_start(args, format);
    vsnprintf(s->error, sizeof(s->error), format, args);
    va_end(args);
    return code;
}

int xf_session_check_port(struct xf_session *s, int health, uint64_t now_us)
{
    if (!health)
        s->port_up_us = now_us;
    if (!health || (health == -ENETDOWN && now_us - s->port_up_us <= XF_PORT_DOWN_US))
        return 0;
    if (health == -ENETDOWN)
        return xf_session_fail(s, health, "the migration port failed: no link for %u s now",
                               XF_PORT_DOWN_US / 1000000);
    return xf_session_fail(s, health, "the migration port failed: %s", strerror(-health));
}

void xf_session_header(const struct xf_session *s, struct xf_wire_header *header,
                       enum xf_packet_type type, unsigned queue, uint64_t sequence)
{
    *header = (struct xf_wire_header){
        .version = XF_WIRE_VERSION,
        .type = (uint8_t)type,
        .queue = (uint16_t)queue,
        .session_tag = s->tag,
        .sequence = sequence,
    };
}

int xf_session_send(struct xf_session *s, enum xf_packet_type type, unsigned queue,
                    uint64_t sequence, const void *body, size_t len, size_t body_bytes)
{
    static const uint8_t zeros[SMALL_BODY_MAX];
    /* The source's queues: a target's port may have fewer. */
    const unsigned lane = queue % s->link->queues;
    struct xf_wire_header header;
    struct xf_seal_run run;
    struct xf_buf buf;

    if (s->link->ops->tx_alloc(s->link, lane, &buf, 1) != 1)
        return 0;
    if (body_bytes < len)
        body_bytes = len;
    if (sizeof(header) + body_bytes + XF_TAG_BYTES > buf.cap) {
        s->link->ops->tx_free(s->link, queue, &buf, 1);
        return 0;
    }
    xf_session_header(s, &header, type, queue, sequence);
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

    if (s->link->ops->tx_burst(s->link, lane, &buf, 1) != 1) {
        s->link->ops->tx_free(s->link, lane, &buf, 1);
        return 0;
    }
    s->stats.packets_sent++;
    s->stats.bytes_wire += bytes;
    return 1;
}

void xf_session_send_reason(struct xf_session *s, uint64_t *sequence, int code, const char *text)
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
        xf_session_send(s, s->role == XF_ROLE_SOURCE ? XF_PACKET_ABORT : XF_PACKET_REFUSE, 0,
                        (*sequence)++, &reason, sizeof(reason), 0);
}

const char *xf_session_reason(const struct xf_session *s, size_t len, char *text)
{
    struct xf_wire_reason r;

    text[0] = '\0';
    if (len == sizeof(r)) {
        memcpy(&r, s->plain, sizeof(r));
        xf_wire_reason_text(text, &r);
    }
    return text;
}

static bool type_is_for(enum xf_role role, uint8_t type)
{
    const struct xf_packet_kind *kind = xf_wire_packet_kind(type);

    return kind->name && kind->to_target == (role == XF_ROLE_TARGET);
}

int xf_session_malformed(struct xf_session *s, uint8_t type)
{
    xf_session_reject(s, XF_REJECT_malformed);
    return xf_session_fail(s, -EPROTO, "malformed %s from the %s", xf_wire_packet_kind(type)->name,
                           s->role == XF_ROLE_TARGET ? "source" : "target");
}

int xf_session_check_length(struct xf_session *s, uint8_t type, size_t len)
{
    const struct xf_packet_kind *kind = xf_wire_packet_kind(type);

    return len < kind->body_least || len > kind->body_most ? xf_session_malformed(s, type) : 0;
}

/* The cheap checks first: a flood of garbage must cost little. */
static int check_header(const struct xf_session *s, const struct xf_buf *buf,
                        struct xf_wire_header *h)
{
    if (buf->len < sizeof(*h) + XF_TAG_BYTES || buf->len > XF_PAYLOAD_MAX)
        return XF_REJECT_short_packet;
    memcpy(h, buf->data, sizeof(*h));
    if (h->version != XF_WIRE_VERSION)
        return XF_REJECT_unknown_version;
    if (!type_is_for(s->role, h->type))
        return XF_REJECT_unknown_type;
    if (h->session_tag != s->tag)
        return XF_REJECT_wrong_session;
    if (h->queue >= s->queues)
        return XF_REJECT_wrong_queue;
    switch (xf_window_look(&s->windows[h->queue], h->sequence)) {
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

int xf_session_open(struct xf_session *s, const struct xf_buf *buf, struct xf_wire_header *header,
                    uint64_t now_us)
{
    int why = check_header(s, buf, header);

    s->stats.packets_received++;
    if (why >= 0) {
        xf_session_reject(s, (enum xf_reject)why);
        return -1;
    }
    size_t len = buf->len - sizeof(*header) - XF_TAG_BYTES;
    const uint8_t *body = buf->data + sizeof(*header);

    if (xf_seal_open(s->seal, header, body, len, body + len, s->plain)) {
        xf_session_reject(s, XF_REJECT_forged);
        return -1;
    }
    s->heard_us = now_us;
    return (int)len;
}
