/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Session: what control and all lanes of an end share. While lanes run on threads of their own,
 * they only read it: its keys, its link, its shape; the rest is control's. Private to transport/.
 */
#ifndef XF_TRANSPORT_SESSION_H
#define XF_TRANSPORT_SESSION_H

#include "link.h"
#include "member.h"
#include "seal.h"
#include "transport/base/stats.h"
#include "wire.h"

#define XF_ERROR_BYTES 256

/* Times that both ends keep; microseconds. */
#define XF_HELLO_US     50000u  /* between two ANSWERs, or two PINGs while connecting */
#define XF_HEARTBEAT_US 100000u /* the longest that an end is silent */
#define XF_PROGRESS_US  200000u /* between two progress calls within a round */
/* The longest that a port may be without its link, as while a NIC resets, a switch negotiates anew
   or a bond changes over: well above what those take, and below what an end's silence may last. */
#define XF_PORT_DOWN_US 10000000u

struct xf_lane;

/* What xf_lanes_silent_us() remembers. */
struct xf_silence {
    uint64_t heard_us; /* the newest authentic packet, by its lane's clock */
    uint64_t since_us; /* when that was seen first, and ... */
    uint64_t seen_us;  /* ... last, by control's */
};

struct xf_session {
    struct xf_lane *lanes[XF_QUEUES_MAX]; /* one for each queue (lane.h) */
    struct xf_link *link;
    struct xf_seal *seal;
    uint32_t tag;
    enum xf_role role;
    unsigned queues;            /* on the wire, a lane each */
    uint16_t receiver;          /* a target: which of its group's */
    uint16_t receivers;         /* a target: how many its group has; 0: it has none */
    struct xf_wire_shape shape; /* of the agreed packet size; set before lanes run */

    struct xf_stats stats; /* what control counts */
    uint64_t port_up_us;   /* when the port last had its link */
    struct xf_silence silence;
    char error[XF_ERROR_BYTES];
};

/* member: a target's, in a group; else NULL. */
int xf_session_init(struct xf_session *s, const struct xf_offer *offer,
                    const struct xf_member *member, enum xf_role role, struct xf_link *link,
                    uint64_t now_us);
void xf_session_fini(struct xf_session *s);

/* Puts the reason in s->error (the first one stays) and returns code. */
__attribute__((format(printf, 3, 4))) int xf_session_fail(struct xf_session *s, int code,
                                                          const char *format, ...);

/* What the link's health() has just returned: 0 while it is borne, else that, with the reason. */
int xf_session_check_port(struct xf_session *s, int health, uint64_t now_us);

void xf_session_header(const struct xf_session *s, struct xf_wire_header *header,
                       enum xf_packet_type type, unsigned queue, uint64_t sequence);

#endif
