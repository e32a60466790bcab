/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pace: window and bandwidth limit. */
#include "pace.h"

/* Of the packets of an epoch, in percent. */
#define LOSS_TOLERATED_PCT 15
/* An epoch judges at least this many packets, so that one lost packet of three is no verdict. */
#define EPOCH_PACKETS 64
/* What a token bucket saves up. */
#define BURST_US 2000

void xf_pace_init(struct xf_pace *p, uint32_t credit, uint64_t now_us)
{
    *p = (struct xf_pace){.credit = credit, .epoch_us = now_us};
    p->window = credit < XF_PACE_WINDOW_START ? credit : XF_PACE_WINDOW_START;
}

void xf_pace_feedback(struct xf_pace *p, uint32_t acked, uint32_t lost, uint32_t credit,
                      uint64_t rtt_us, uint64_t now_us)
{
    p->credit = credit;
    p->acked += acked;
    p->lost += lost;
    p->window += acked;
    if (now_us - p->epoch_us >= rtt_us && p->acked + p->lost >= EPOCH_PACKETS) {
        if ((uint64_t)p->lost * 100 > (uint64_t)(p->acked + p->lost) * LOSS_TOLERATED_PCT)
            p->window -= p->window / 3;
        p->acked = p->lost = 0;
        p->epoch_us = now_us;
    }
    if (p->window < XF_PACE_WINDOW_MIN)
        p->window = XF_PACE_WINDOW_MIN;
    if (p->window > p->credit)
        p->window = p->credit;
}

void xf_bucket_init(struct xf_bucket *b, uint64_t bytes_per_s, uint64_t now_us)
{
    *b = (struct xf_bucket){.bytes_per_s = bytes_per_s, .last_us = now_us};
}

int xf_bucket_open(struct xf_bucket *b, uint64_t now_us)
{
    if (!b->bytes_per_s)
        return 1;
    int64_t most = (int64_t)(b->bytes_per_s * BURST_US / 1000000u) + 1;
    uint64_t elapsed = now_us - b->last_us;

    if (elapsed > BURST_US)
        elapsed = BURST_US;
    int64_t more = (int64_t)((double)b->bytes_per_s * (double)elapsed / 1e6);

    if (more) { /* else time goes on adding up: slow rates lose nothing to rounding */
        b->tokens = b->tokens + more > most ? most : b->tokens + more;
        b->last_us = now_us;
    }
    return b->tokens > 0;
}

void xf_bucket_take(struct xf_bucket *b, uint64_t bytes)
{
    if (b->bytes_per_s)
        b->tokens -= (int64_t)bytes;
}
