/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pace: how many packets may be outstanding on a queue, and how fast bytes may leave. The window
 * opens while packets arrive, up to the receiver's credit, and closes by a third in a round trip in
 * which more than LOSS_TOLERATED of the packets were lost: random loss of a bad link does not
 * starve a migration, an overrun does slow it down.
 *
 * Threads: one.
 */
#ifndef XF_TRANSPORT_PACE_H
#define XF_TRANSPORT_PACE_H

#include <stdint.h>

#define XF_PACE_WINDOW_MIN   32u
#define XF_PACE_WINDOW_START 256u

struct xf_pace {
    uint32_t window;      /* packets */
    uint32_t credit;      /* the receiver's limit, packets */
    uint32_t acked, lost; /* in this epoch */
    uint64_t epoch_us;    /* began */
};

void xf_pace_init(struct xf_pace *p, uint32_t credit, uint64_t now_us);
void xf_pace_feedback(struct xf_pace *p, uint32_t acked, uint32_t lost, uint32_t credit,
                      uint64_t rtt_us, uint64_t now_us);

/* A token bucket for --bandwidth. rate 0: no limit. */
struct xf_bucket {
    uint64_t bytes_per_s;
    uint64_t last_us;
    int64_t tokens; /* bytes; may go below zero by one packet */
};

void xf_bucket_init(struct xf_bucket *b, uint64_t bytes_per_s, uint64_t now_us);
/* Refills; true if something may be sent now. */
int xf_bucket_open(struct xf_bucket *b, uint64_t now_us);
void xf_bucket_take(struct xf_bucket *b, uint64_t bytes);

#endif
