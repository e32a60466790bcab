/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Session: what both ends share: sealing a packet into a link's buffer, and the first checks of a
 * received one. Private to transport/.
 */
#ifndef XF_TRANSPORT_SESSION_H
#define XF_TRANSPORT_SESSION_H

#include "link.h"
#include "seal.h"
#include "transport/base/stats.h"
#include "window.h"
#include "wire.h"

#define XF_ERROR_BYTES 256

/* Times that both ends keep; microseconds. */
#define XF_HELLO_US     50000u  /* between two ANSWERs, or two PINGs while connecting */
#define XF_HEARTBEAT_US 100000u /* the longest that an end is silent */
#define XF_PROGRESS_US  200000u /* between two progress calls within a round */
/* The longest that a port may be without its link, as while a NIC resets, a switch negotiates anew
   or a bond changes over: well above what those take, and below what an end's silence may last. */
#define XF_PORT_DOWN_US 10000000u

struct xf_session {
    struct xf_link *link;
    struct xf_seal *seal;
    struct xf_stats stats;
    uint32_t tag;
    enum xf_role role;
    unsigned queues;
    struct xf_wire_shape shape; /* of the agreed packet size */
    uint64_t heard_us;          /* last authentic packet */
    uint64_t port_up_us;        /* when the port last had its link */
    char error[XF_ERROR_BYTES];
    struct xf_window windows[XF_QUEUES_MAX];    /* of what the peer sends, a queue each */
    _Alignas(64) uint8_t plain[XF_PAYLOAD_MAX]; /* a received packet's body, opened */
};

int xf_session_init(struct xf_session *s, const struct xf_offer *offer, enum xf_role role,
                    struct xf_link *link, uint64_t now_us);
void xf_session_fini(struct xf_session *s);

/* Puts the reason in s->error (the first one stays) and returns code. */
__attribute__((format(printf, 3, 4))) int xf_session_fail(struct xf_session *s, int code,
                                                          const char *format, ...);

/* What the link's health() has just returned: 0 while it is borne, else that, with the reason. */
int xf_session_check_port(struct xf_session *s, int health, uint64_t now_us);

/* Counts a refused packet. */
static inline void xf_session_reject(struct xf_session *s, enum xf_reject why)
{
    s->stats.rejects[why]++;
}

void xf_session_header(const struct xf_session *s, struct xf_wire_header *header,
                       enum xf_packet_type type, unsigned queue, uint64_t sequence);

/*
 * Sends a small packet whose body is at hand, zero-padded to body_bytes if that is more. Returns 1
 * if the link took it, 0 if not: such packets are repeated anyway.
 */
int xf_session_send(struct xf_session *s, enum xf_packet_type type, unsigned queue,
                    uint64_t sequence, const void *body, size_t len, size_t body_bytes);

/* Sends a reason three times: ABORT or REFUSE, whichever is ours; each with a number of its own. */
void xf_session_send_reason(struct xf_session *s, uint64_t *sequence, int code, const char *text);

/*
 * The reason in the peer's ABORT or REFUSE, which was opened into s->plain, len bytes; "" in one of
 * another length. Returns text, which has room for XF_REASON_BYTES + 1.
 */
const char *xf_session_reason(const struct xf_session *s, size_t len, char *text);

/*
 * Checks the header of a received packet against the queue's window, authenticates and opens it
 * into s->plain. Returns the body's length, or -1 when it was refused and counted. Marks nothing.
 */
int xf_session_open(struct xf_session *s, const struct xf_buf *buf, struct xf_wire_header *header,
                    uint64_t now_us);

/* Whether the body of an opened packet is as long as its kind may be. 0, or -EPROTO and counted. */
int xf_session_check_length(struct xf_session *s, uint8_t type, size_t len);

/* An authentic packet of that type cannot be: counts it and fails the session; -EPROTO. */
int xf_session_malformed(struct xf_session *s, uint8_t type);

#endif
