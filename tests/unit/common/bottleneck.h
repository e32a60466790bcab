/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bottleneck: one link with a drop-tail buffer on a virtual clock, a sender that does as struct
 * xf_pace says, and beside it, if wanted, a TCP that does as RFC 9438 (CUBIC) says. Everything
 * follows from the seed.
 */
#ifndef XF_TESTS_BOTTLENECK_H
#define XF_TESTS_BOTTLENECK_H

#include <math.h>

#include "unit.h"

#include "transport/pace.h"
#include "transport/base/random.h"

#define TICK_US         10u
#define RING            (1u << 17)
#define FEEDBACK_LOT    32u /* the target's, as in target_lane.c */
#define FEEDBACK_LOT_US 500u
#define PING_US         20000u
#define MS              1000u
#define SECOND          1000000u

struct bottleneck_config {
    uint64_t bytes_per_s, delay_us /* one way */, buffer_us;
    uint32_t packet_bytes;
    double loss_pct; /* at random, after the bottleneck, of ours */
    uint64_t limit_bytes_per_s;
    uint64_t source_bytes_per_s; /* our sender has no more to send than that; 0 = endless */
    uint64_t jitter_us;          /* feedback comes up to so much late */
    uint64_t lots_us;            /* and once in so long only; 0: as a target sends it */
    unsigned stall_pct;          /* so often, each millisecond, our sender sleeps ... */
    uint64_t stall_us;           /* ... up to so long */
    bool tcp;
    uint64_t tcp_from_us, seed;
};

enum { OURS, TCP };

struct flight {
    uint64_t sent_us, arrives_us; /* at the receiver */
    uint8_t whose;
    bool lost;
};

/* RFC 9438, in packets. */
struct cubic {
    double window, w_max, k_s, w_est, ssthresh;
    uint64_t epoch_us, cut_us, rtt_us, outstanding;
};

struct bottleneck {
    struct bottleneck_config c;
    struct xf_random random;
    struct xf_pace pace;
    struct cubic tcp;
    uint64_t now_us, free_ns; /* when the bottleneck has sent all that waits */
    uint64_t asleep_until_us;
    int64_t source_tokens;
    /* On the way, in the order of arrival; each packet is acknowledged or missed in that order. */
    struct flight ring[RING];
    unsigned head, tail;
    /* Feedback under way to us: what the receiver has collected. */
    struct xf_pace_news lot;
    unsigned lot_packets;
    uint64_t lot_us;
    struct {
        uint64_t at_us;
        struct xf_pace_news news;
    } back[4096];
    unsigned back_head, back_tail;
    struct {
        uint64_t at_us, sent_us;
        bool lost;
    } tcp_back[RING];
    unsigned tcp_head, tcp_tail;
    uint64_t sent[2], dropped[2], damaged, delivered_bytes[2];
    uint64_t queue_us_sum, ticks; /* for the mean queue */
};

void bottleneck_init(struct bottleneck *b, const struct bottleneck_config *c);

/* A new state of the clock's counters, to measure from here. */
void bottleneck_mark(struct bottleneck *b);

uint64_t queue_us(const struct bottleneck *b);

void bottleneck_run(struct bottleneck *b, uint64_t us);

/* Of the bottleneck, in percent, since the mark. */
double share_pct(const struct bottleneck *b, unsigned whose);

/* Of our packets, in percent: by the bottleneck. */
double dropped_pct(const struct bottleneck *b, unsigned whose);

#endif
