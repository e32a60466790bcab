/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Session: what control and lanes share. */
#include "session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int xf_session_init(struct xf_session *s, const struct xf_offer *offer,
                    const struct xf_member *member, enum xf_role role, struct xf_link *link,
                    uint64_t now_us)
{
    memset(s, 0, sizeof(*s));
    s->link = link;
    s->role = role;
    s->queues = s->stats.lanes = offer->queues;
    s->port_up_us = now_us;
    s->stats.start_us = now_us;
    memcpy(&s->tag, offer->session_id, sizeof(s->tag));
    if (!member)
        return xf_seal_new(&s->seal, offer->secret, offer->session_id, role);
    s->receiver = member->number;
    s->receivers = member->count;
    return xf_seal_new_two(&s->seal, offer->secret, member->secret, offer->session_id, role);
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
        .queue = (uint16_t)(queue | (unsigned)s->receiver << XF_RECEIVER_SHIFT),
        .session_tag = s->tag,
        .sequence = sequence,
    };
}
