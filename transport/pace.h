/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pace: congestion control. How many bytes of a session may be outstanding and how fast they may
 * leave: a model of the path in the manner of BBR (draft-ietf-ccwg-bbr), with CUBIC's decrease and
 * increase (RFC 9438) where others share the bottleneck, and a circuit breaker (RFC 8084).
 * PROTOCOL.md, section 7, says what it does and why; this is the state machine, with the clock
 * passed in.
 *
 *      STARTUP --the rate grows no more--> DRAIN --the queue is gone--> CRUISE --in time--> PROBE
 *                                            ^ \____ it grew ____> PROBE                      |
 *                                            \________________________________________________/
 *
 * There is one for a session, not one for each queue: all queues share one bottleneck, where N of
 * them would take N shares from others, and one that sees all packets knows the path sooner.
 *
 * Bytes are those of DATA packets with the link's framing. Threads: one.
 */
#ifndef XF_TRANSPORT_PACE_H
#define XF_TRANSPORT_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum xf_pace_phase { XF_PACE_STARTUP, XF_PACE_DRAIN, XF_PACE_CRUISE, XF_PACE_PROBE };

/* What the circuit breaker says. */
enum xf_pace_verdict {
    XF_PACE_GO,
    XF_PACE_HEAVY_LOSS, /* more than half of all packets for XF_PACE_HEAVY_LOSS_US */
    XF_PACE_NO_DELIVERY /* nothing has arrived for as long as the caller bears */
};

#define XF_PACE_HEAVY_LOSS_US 10000000u

/* What one feedback tells. */
struct xf_pace_news {
    uint64_t acked_bytes, lost_bytes;
    uint32_t acked, lost;    /* packets */
    uint64_t late_us;        /* for how long packets may have waited for the ends to look */
    uint64_t newest_sent_us; /* when the last of those newly acknowledged was sent; 0: none */
};

/* The least round trip lately: of the half that is being filled, and of the one before; 0 = none.
 */
struct xf_pace_least {
    uint64_t newer_us, older_us, half_us /* when the newer half began */;
};

struct xf_pace {
    uint32_t packet_bytes;      /* of a full packet */
    uint64_t limit_bytes_per_s; /* the user's; 0 = none */
    uint64_t outstanding_bytes;

    uint64_t tokens_us; /* when tokens were last given */
    int64_t tokens;     /* bytes that may leave now; may go below zero by one packet */
    bool window_waits;  /* it is the window that keeps the sender from sending */

    /* The model: the most delivered and the least round trip lately. Each is a filter of two
       halves: the one that is being filled, and the one before. */
    uint64_t rate_newer, rate_older; /* bytes per second */
    unsigned rate_epochs;            /* in the newer half */
    uint64_t delivered_rate;         /* in the last epoch ... */
    uint64_t drain_rate;             /* ... and when the phase began */
    struct xf_pace_least rtt, standing;
    uint64_t gap_newer_us, gap_older_us; /* the longest without news of what has arrived */
    uint64_t gap_half_us;                /* when the newer half began */
    uint64_t rtt_base_us;                /* least round trip ever; 0 = none yet */

    enum xf_pace_phase phase;
    unsigned phase_epochs;   /* since the phase began */
    unsigned cruise_epochs;  /* how long CRUISE lasts */
    unsigned stalled_epochs; /* of STARTUP, without growth */
    uint64_t rate_before;    /* what growth is measured against */
    bool contested;          /* the queue that is there is not ours alone */
    uint64_t cut_us;         /* the last reduction; 0 = none */

    /* An epoch is about a round trip, and at least some milliseconds and packets. */
    struct {
        uint64_t begin_us; /* the feedback it began with ... */
        uint64_t sent_us;  /* ... and when the newest packet that this acknowledged was sent */
        uint64_t acked_bytes;
        uint32_t acked, lost;
        uint64_t rtt_us;   /* least; 0 = none */
        uint64_t quick_us; /* the same, without what the ends may have made of it */
        bool limited;      /* the sender had less to send than it might */
    } epoch;
    uint64_t newest_sent_us;
    uint64_t quick_before_us; /* of the epoch before */
    bool limited_before;

    double loss;                  /* lately, of 1 */
    uint32_t judged, judged_lost; /* packets, until there are enough to judge the loss */
    bool high_loss;
    uint64_t heavy_since_us; /* 0 = not */
    uint64_t delivered_us;   /* when something last arrived, or nothing was wanted */
};

/* limit_bytes_per_s: 0 = none; it may be changed at any time. */
void xf_pace_init(struct xf_pace *p, uint32_t packet_bytes, uint64_t limit_bytes_per_s,
                  uint64_t now_us);

/* Bytes that may be sent now. The last packet may be longer than what is left of them. */
uint64_t xf_pace_allowance(struct xf_pace *p, uint64_t now_us);
void xf_pace_sent(struct xf_pace *p, uint64_t bytes);

/* More might be sent now, but it is not there: what arrives says little about the path. */
void xf_pace_limited(struct xf_pace *p);

void xf_pace_feedback(struct xf_pace *p, const struct xf_pace_news *news, uint64_t now_us);

/* All that is outstanding has arrived or is of no interest any more. */
void xf_pace_settle(struct xf_pace *p, uint64_t now_us);

/* What has stood still or was lost so far was another peer's (link.h: renewed). */
void xf_pace_renew(struct xf_pace *p, uint64_t now_us);

/* busy: there is something to send or outstanding. Longer than bear_us of that without delivery is
   XF_PACE_NO_DELIVERY. */
enum xf_pace_verdict xf_pace_check(struct xf_pace *p, bool busy, uint64_t bear_us, uint64_t now_us);

/* What the path carries, as far as is known; bytes per second, 0 = nothing yet. */
uint64_t xf_pace_rate(const struct xf_pace *p);
/* The path's round trip lately: with the queues of others, but without ours; 0 = not known. */
uint64_t xf_pace_rtt_us(const struct xf_pace *p);
/* It has less to send than it might. */
bool xf_pace_is_limited(const struct xf_pace *p);
/* What may be outstanding. */
uint64_t xf_pace_window_bytes(const struct xf_pace *p);

#endif
