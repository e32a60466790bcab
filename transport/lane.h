/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lane: what one queue of a session has at an end, whichever it is: its counters, its window, the
 * packet that is being opened. The pages of its stripe (stripe.h) go over it and no other. A lane
 * belongs to one thread; with others it shares nothing but what its session holds, which is only
 * read while lanes run, and the two rings by which control, the thread that steps the session, and
 * lane talk:
 *
 *     control --- orders ---> lane      what to do next; obeyed one after the other
 *     control <--- news ----- lane      what has come, from which something follows
 *
 * source_lane.h and target_lane.h are the two kinds of lanes, with what they order and tell.
 *
 * Threads: as each function says; what is counted may be read by any.
 */
#ifndef XF_TRANSPORT_LANE_H
#define XF_TRANSPORT_LANE_H

#include "session.h"
#include "stripe.h"
#include "transport/base/count.h"
#include "transport/base/ring.h"
#include "window.h"

#define XF_ORDERS_MAX 8u
#define XF_NEWS_MAX   64u

/* What a lane counts and struct xf_stats (base/stats.h) has the sums of. */
#define XF_LANE_COUNTS(X)                                                                          \
    X(pages_sent)                                                                                  \
    X(pages_zero)                                                                                  \
    X(pages_compressed)                                                                            \
    X(bytes_saved)                                                                                 \
    X(pages_repaired)                                                                              \
    X(pages_deferred)                                                                              \
    X(pages_verified)                                                                              \
    X(bytes_wire)                                                                                  \
    X(packets_sent)                                                                                \
    X(packets_received)                                                                            \
    X(packets_lost)

/* Written by the lane alone. */
struct xf_counts {
#define XF_COUNT_FIELD(name) xf_count name;
    XF_LANE_COUNTS(XF_COUNT_FIELD)
#undef XF_COUNT_FIELD
    xf_count rejects[XF_REJECT_COUNT];
    xf_count waits[XF_WAIT_COUNT];
    xf_count heard_us; /* last authentic packet */
};

struct xf_lane {
    struct xf_session *session;
    struct xf_stripe stripe;
    unsigned queue;             /* of the link: its port may have fewer than the session */
    struct xf_laps *laps;       /* of the thread that runs it */
    struct xf_window window;    /* of what the peer sends */
    char error[XF_ERROR_BYTES]; /* the first one; control's when it has been told */
    _Alignas(64) uint8_t plain[XF_PAYLOAD_MAX]; /* a received packet's body, opened */
    _Alignas(64) struct xf_counts counts;
    struct xf_ring orders, news;
    _Alignas(64) _Atomic uint32_t obeyed; /* orders */
};

/* Control, before the lane runs. On failure too, call fini. */
int xf_lane_init(struct xf_lane *l, struct xf_session *session, unsigned number,
                 uint32_t order_bytes, uint32_t news_bytes, uint64_t now_us);
void xf_lane_fini(struct xf_lane *l);

/* ---- by control ---------------------------------------------------------------------------- */

/* Of all lanes: all that was ordered has been done, and what they have written until then can be
   read. */
bool xf_lanes_are_still(const struct xf_session *s);
/* For how long no authentic packet has come on any, as far as it was asked; by control's clock,
   which a lane's may be ahead of. */
uint64_t xf_lanes_silent_us(struct xf_session *s, uint64_t now_us);
/* Adds what they have counted. */
void xf_lanes_collect(const struct xf_session *s, struct xf_stats *to);

/* ---- by the lane --------------------------------------------------------------------------- */

/* Takes the next order; what was done is told by xf_lane_obeyed(). False: there is none. */
bool xf_lane_order(struct xf_lane *l, void *order);
void xf_lane_obeyed(struct xf_lane *l);

/* Puts the reason in the lane's error (the first one stays) and returns code. */
__attribute__((format(printf, 3, 4))) int xf_lane_fail(struct xf_lane *l, int code,
                                                       const char *format, ...);

/* Counts a refused packet. */
static inline void xf_lane_reject(struct xf_lane *l, enum xf_reject why)
{
    xf_count_add(&l->counts.rejects[why], 1);
}

/*
 * Sends a small packet whose body is at hand, zero-padded to body_bytes if that is more. Returns 1
 * if the link took it, 0 if not: such packets are repeated anyway.
 */
int xf_lane_send(struct xf_lane *l, enum xf_packet_type type, uint64_t sequence, const void *body,
                 size_t len, size_t body_bytes);

/* Sends a reason three times: ABORT or REFUSE, whichever is ours; each with a number of its own. */
void xf_lane_send_reason(struct xf_lane *l, uint64_t *sequence, int code, const char *text);

/*
 * The reason in the peer's ABORT or REFUSE, which was opened into `plain`, len bytes; "" in one of
 * another length. Returns text, which has room for XF_REASON_BYTES + 1.
 */
const char *xf_lane_reason(const struct xf_lane *l, size_t len, char *text);

/* The lane that a received packet names; it is not known to be authentic. -1: none of the
   session's, or too short to name one. */
int xf_lane_named(const struct xf_session *s, const struct xf_buf *buf);

/*
 * Checks the header of a received packet against the lane's window, authenticates and opens it
 * into `plain`. Returns the body's length, or -1 when it was refused and counted. Marks nothing.
 */
int xf_lane_open(struct xf_lane *l, const struct xf_buf *buf, struct xf_wire_header *header,
                 uint64_t now_us);

/* Whether the body of an opened packet is as long as its kind may be. 0, or -EPROTO and counted. */
int xf_lane_check_length(struct xf_lane *l, uint8_t type, size_t len);

/* An authentic packet of that type cannot be: counts it and fails the lane; -EPROTO. */
int xf_lane_malformed(struct xf_lane *l, uint8_t type);

#endif
