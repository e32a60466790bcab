/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pace: a model of the path; from it a window and a rate. */
#include "pace.h"

#include <math.h>
#include <string.h>

/*
 * In percent of the path's rate. STARTUP's is the least with which the rate can double in a round
 * trip (BBR: 4 ln 2). PROBE's finds the rate again and again even where a fifth of all gets lost.
 */
static const unsigned gain_pct[] = {
    [XF_PACE_STARTUP] = 277,
    [XF_PACE_DRAIN] = 75,
    [XF_PACE_CRUISE] = 100,
    [XF_PACE_PROBE] = 125,
};
#define GROWTH_PCT          110 /* PROBE has found more */
#define STARTUP_GROWTH_PCT  125
#define STARTUP_STALLED_MAX 3u
#define DRAIN_EPOCHS_MAX    4u /* what is still there then is the queue of others */
#define CRUISE_EPOCHS_MIN   4u /* after a reduction; doubled by each probe in vain */
#define CRUISE_EPOCHS_MAX   20u

/* Beside others: packets more in a round trip, as CUBIC (RFC 9438, section 4.3), and what is left
   after a reduction: less than CUBIC's 70, for a queue slows down a window, but not a rate. */
#define ALPHA    0.53
#define BETA_PCT 60

/* Loss above this is congestion, whatever the delay says. */
#define LOSS_HIGH_PCT  20
#define LOSS_HEAVY_PCT 50
#define LOSS_PACKETS   128u /* to judge by */
/* A queue, and not noise: what all round trips have beyond the path's own. */
#define QUEUE_US(base_us) ((base_us) / 8 + 500u)

#define EPOCH_US              4000u
#define EPOCH_PACKETS         16u
#define EPOCH_LONG_US         50000u /* fewer packets do: */
#define STARTUP_EPOCH_US      1000u
#define STARTUP_EPOCH_PACKETS 8u
#define RATE_EPOCHS           24u      /* in half the filter: the last probe is always in it */
#define RTT_HALF_US           1000000u /* of that filter */
/* A queue stands if no packet found it empty for so long (CoDel, RFC 8289): a process that waits
   for its CPU delays all packets for some milliseconds, and then there is one that is not. */
#define STANDING_HALF_US 50000u

#define START_PACKETS  32u   /* outstanding, before anything is known */
#define START_US       1000u /* in which they go out */
#define WINDOW_PACKETS 4u    /* at least */
#define RTT_UNKNOWN_US 10000u
/* Beyond two round trips: feedback comes in lots, and hosts stand still at times. */
#define WINDOW_SLACK_US     4000u
#define WINDOW_SLACK_MAX_US 40000u
/* Saved up by a sender that was late. */
#define BURST_US      4000u
#define BURST_PACKETS 2u
/* Packets go out in lots, for a lot costs little more than a packet where each burst is a system
   call, an interrupt or a world switch: as large as a TCP's (GSO), or as what a slow path takes in
   so long; longer while it is our CPU that limits, and so no queue is made by that. */
#define LOT_BYTES       65536u
#define LOT_US          250u
#define LOT_US_WHEN_CPU 8000u

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t bytes_in(uint64_t bytes_per_s, uint64_t us)
{
    return (uint64_t)((double)bytes_per_s * (double)us / 1e6);
}

static uint64_t rate_of(uint64_t bytes, uint64_t us)
{
    return us ? (uint64_t)((double)bytes * 1e6 / (double)us) : 0;
}

/* The least of both halves; 0 = none yet. */
static uint64_t least(const struct xf_pace_least *l)
{
    if (!l->older_us)
        return l->newer_us;
    return l->newer_us && l->newer_us < l->older_us ? l->newer_us : l->older_us;
}

static void take_least(struct xf_pace_least *l, uint64_t sample_us, uint64_t half_us,
                       uint64_t now_us)
{
    if (now_us - l->half_us >= half_us) {
        l->older_us = l->newer_us;
        l->newer_us = 0;
        l->half_us = now_us;
    }
    if (!l->newer_us || sample_us < l->newer_us)
        l->newer_us = sample_us;
}

/* The path's round trip lately: with the queues of others, but without ours. */
static uint64_t rtt_us(const struct xf_pace *p)
{
    return least(&p->rtt);
}

uint64_t xf_pace_rate(const struct xf_pace *p)
{
    return max_u64(p->rate_newer, p->rate_older);
}

uint64_t xf_pace_rtt_us(const struct xf_pace *p)
{
    return rtt_us(p);
}

static void set_rate(struct xf_pace *p, uint64_t rate)
{
    p->rate_newer = rate;
    p->rate_older = 0;
    p->rate_epochs = 0;
}

/* Packets of an epoch are acknowledged in the next. */
bool xf_pace_is_limited(const struct xf_pace *p)
{
    return p->epoch.limited || p->limited_before;
}

static uint64_t lot_bytes(const struct xf_pace *p, uint64_t rate)
{
    uint64_t lot = bytes_in(rate, xf_pace_is_limited(p) ? LOT_US_WHEN_CPU : LOT_US);

    return lot < LOT_BYTES ? lot : LOT_BYTES;
}

static uint64_t slack_us(const struct xf_pace *p)
{
    uint64_t slack_us = 2 * max_u64(p->gap_newer_us, p->gap_older_us);

    if (slack_us > WINDOW_SLACK_MAX_US)
        return WINDOW_SLACK_MAX_US;
    return max_u64(slack_us, WINDOW_SLACK_US);
}

uint64_t xf_pace_window_bytes(const struct xf_pace *p)
{
    uint64_t rate = xf_pace_rate(p);

    if (!rate)
        return (uint64_t)START_PACKETS * p->packet_bytes;
    return max_u64(bytes_in(rate, 2 * rtt_us(p) + slack_us(p)) + 2 * lot_bytes(p, rate),
                   (uint64_t)WINDOW_PACKETS * p->packet_bytes);
}

static uint64_t sending_rate(const struct xf_pace *p)
{
    uint64_t rate = xf_pace_rate(p), rtt = rtt_us(p) ? rtt_us(p) : RTT_UNKNOWN_US;
    uint64_t least = rate_of(p->packet_bytes, max_u64(rtt, START_US)); /* RFC 8085, 3.1.1 */

    if (!rate)
        rate = rate_of((uint64_t)START_PACKETS * p->packet_bytes, START_US);
    if (p->limit_bytes_per_s && p->limit_bytes_per_s < rate / 100 * gain_pct[XF_PACE_DRAIN])
        return p->limit_bytes_per_s; /* it makes no queue */
    if (p->phase == XF_PACE_DRAIN && p->drain_rate < rate)
        rate = p->drain_rate; /* if more goes out than arrives, no queue goes away */
    rate = max_u64(rate / 100 * gain_pct[p->phase], least);
    return p->limit_bytes_per_s && p->limit_bytes_per_s < rate ? p->limit_bytes_per_s : rate;
}

static void begin_epoch(struct xf_pace *p, uint64_t now_us)
{
    p->limited_before = p->epoch.limited;
    p->quick_before_us = p->epoch.quick_us;
    memset(&p->epoch, 0, sizeof(p->epoch));
    p->epoch.begin_us = now_us;
    p->epoch.sent_us = p->newest_sent_us;
}

void xf_pace_init(struct xf_pace *p, uint32_t packet_bytes, uint64_t limit_bytes_per_s,
                  uint64_t now_us)
{
    *p = (struct xf_pace){.packet_bytes = packet_bytes,
                          .limit_bytes_per_s = limit_bytes_per_s,
                          .tokens_us = now_us,
                          .rtt.half_us = now_us,
                          .standing.half_us = now_us,
                          .delivered_us = now_us,
                          .cruise_epochs = CRUISE_EPOCHS_MIN};
    begin_epoch(p, now_us);
}

/* ---- sending ------------------------------------------------------------------------------ */

uint64_t xf_pace_allowance(struct xf_pace *p, uint64_t now_us)
{
    uint64_t rate = sending_rate(p), window = xf_pace_window_bytes(p);
    uint64_t room = window > p->outstanding_bytes ? window - p->outstanding_bytes : 0;
    uint64_t elapsed_us = now_us - p->tokens_us;
    uint64_t lot = lot_bytes(p, rate);
    int64_t most = (int64_t)max_u64(max_u64(bytes_in(rate, BURST_US), 2 * lot),
                                    (uint64_t)BURST_PACKETS * p->packet_bytes);
    /* A second fills any bucket. */
    int64_t more = (int64_t)bytes_in(rate, elapsed_us < 1000000 ? elapsed_us : 1000000);

    if (more) { /* else time goes on adding up: slow rates lose nothing to rounding */
        p->tokens += more;
        p->tokens_us = now_us;
    }
    if (p->tokens > most) {
        p->tokens = most;
        if (!p->window_waits) /* late: it was not the path that kept us */
            xf_pace_limited(p);
    }
    p->window_waits = !room;
    if (p->tokens <= 0 || (uint64_t)p->tokens < lot)
        return 0;
    return room < (uint64_t)p->tokens ? room : (uint64_t)p->tokens;
}

void xf_pace_sent(struct xf_pace *p, uint64_t bytes)
{
    p->tokens -= (int64_t)bytes;
    p->outstanding_bytes += bytes;
    p->window_waits = p->outstanding_bytes >= xf_pace_window_bytes(p);
}

void xf_pace_limited(struct xf_pace *p)
{
    p->epoch.limited = true;
}

/* ---- the model ---------------------------------------------------------------------------- */

/* An end whose process waits for its CPU delays what it sends and sees, and that looks like a
   queue: so both tell since when they have not looked, and a queue is only what this does not
   explain. */
static void take_rtt(struct xf_pace *p, uint64_t sample_us, uint64_t late_us, uint64_t now_us)
{
    uint64_t quick_us = sample_us > late_us ? sample_us - late_us : 1;

    if (!sample_us)
        sample_us = 1;
    take_least(&p->rtt, sample_us, RTT_HALF_US, now_us);
    take_least(&p->standing, quick_us, STANDING_HALF_US, now_us);
    /* `late` is the most that it can have been. What remains of a sample says that there is no
       queue, but not how long the path is, which would be for good: that is never less. */
    if (!p->rtt_base_us || sample_us < p->rtt_base_us)
        p->rtt_base_us = sample_us;
    if (!p->epoch.quick_us || quick_us < p->epoch.quick_us)
        p->epoch.quick_us = quick_us;
    if (!p->epoch.rtt_us || sample_us < p->epoch.rtt_us)
        p->epoch.rtt_us = sample_us;
}

static void take_gap(struct xf_pace *p, uint64_t late_us, uint64_t now_us)
{
    uint64_t gap_us = now_us - p->delivered_us;

    gap_us = gap_us > late_us ? gap_us - late_us : 0;
    if (now_us - p->gap_half_us >= RTT_HALF_US) {
        p->gap_older_us = p->gap_newer_us;
        p->gap_newer_us = 0;
        p->gap_half_us = now_us;
    }
    p->gap_newer_us = max_u64(p->gap_newer_us, gap_us);
    p->delivered_us = now_us;
}

static uint64_t empty_us(const struct xf_pace *p)
{
    return p->rtt_base_us + QUEUE_US(p->rtt_base_us);
}

/* Just now, in both of two epochs: soon known, and not always so. */
static bool has_queue(const struct xf_pace *p)
{
    return p->rtt_base_us && p->epoch.quick_us > empty_us(p) && p->quick_before_us > empty_us(p);
}

/* Known late, and so. */
static bool has_standing_queue(const struct xf_pace *p)
{
    return p->rtt_base_us && p->standing.older_us && least(&p->standing) > empty_us(p);
}

/* What was delivered, but not faster than it was sent: feedback that comes in lots is no speed. */
static void take_rate(struct xf_pace *p, uint64_t now_us)
{
    uint64_t us = max_u64(now_us - p->epoch.begin_us, p->newest_sent_us - p->epoch.sent_us);
    uint64_t rate = rate_of(p->epoch.acked_bytes, us);

    p->delivered_rate = rate;
    if (xf_pace_is_limited(p) && rate <= xf_pace_rate(p))
        return;
    if (p->rate_epochs++ == RATE_EPOCHS) {
        p->rate_older = p->rate_newer;
        p->rate_newer = 0;
        p->rate_epochs = 1;
    }
    p->rate_newer = max_u64(p->rate_newer, rate);
}

static void take_loss(struct xf_pace *p, uint64_t now_us)
{
    p->judged += p->epoch.acked + p->epoch.lost;
    p->judged_lost += p->epoch.lost;
    p->high_loss = false;
    if (p->judged < LOSS_PACKETS)
        return;
    p->loss += ((double)p->judged_lost / p->judged - p->loss) / 8;
    p->high_loss = (uint64_t)p->judged_lost * 100 > (uint64_t)p->judged * LOSS_HIGH_PCT;
    if ((uint64_t)p->judged_lost * 100 <= (uint64_t)p->judged * LOSS_HEAVY_PCT)
        p->heavy_since_us = 0;
    else if (!p->heavy_since_us)
        p->heavy_since_us = now_us;
    p->judged = p->judged_lost = 0;
}

/* ---- the phases --------------------------------------------------------------------------- */

static void enter(struct xf_pace *p, enum xf_pace_phase phase)
{
    p->phase = phase;
    p->phase_epochs = 0;
    p->rate_before = xf_pace_rate(p);
    p->drain_rate = p->delivered_rate;
}

/*
 * Loss that damage does not explain. In DRAIN less goes out already; and the queue that a probe
 * makes is our own, if nobody else has one.
 */
static bool congested(const struct xf_pace *p)
{
    bool own = p->phase == XF_PACE_DRAIN || (p->phase == XF_PACE_PROBE && !p->contested);
    bool queue = p->phase == XF_PACE_STARTUP ? has_queue(p) : has_standing_queue(p);

    return p->high_loss || (p->epoch.lost && queue && !own);
}

/* What a TCP would have at this loss and this round trip (RFC 5348, section 3.1, with b = 1 and an
   RTO of four round trips): fair beside it, and no reason to go below. */
static uint64_t tcp_rate(const struct xf_pace *p)
{
    double rtt_s = (double)(p->epoch.rtt_us ? p->epoch.rtt_us : rtt_us(p)) / 1e6, loss = p->loss;

    if (loss <= 0 || rtt_s <= 0)
        return 0;
    double root = sqrt(2 * loss / 3), timeouts = 3 * sqrt(3 * loss / 8);

    if (timeouts > 1)
        timeouts = 1;
    return (uint64_t)(p->packet_bytes /
                      (rtt_s * (root + 4 * timeouts * loss * (1 + 32 * loss * loss))));
}

static void cut(struct xf_pace *p, uint64_t now_us)
{
    uint64_t least = tcp_rate(p), rate = xf_pace_rate(p);

    p->cut_us = now_us;
    p->cruise_epochs = CRUISE_EPOCHS_MIN;
    if (p->phase == XF_PACE_STARTUP) { /* the rate is known by now, only not yet kept to */
        enter(p, XF_PACE_DRAIN);
        return;
    }
    if (rate > least)
        set_rate(p, max_u64(rate / 100 * BETA_PCT, least));
    /* The next one is for a queue that still stands after this. */
    p->standing = (struct xf_pace_least){.half_us = now_us};
    enter(p, XF_PACE_CRUISE);
}

/* As much more as a TCP takes, so that it does not take all in the end; as long as it arrives. */
static void increase(struct xf_pace *p, uint64_t now_us)
{
    double round_trips = (double)(now_us - p->epoch.begin_us) / (double)p->epoch.rtt_us;
    uint64_t packet_rate = rate_of(p->packet_bytes, p->epoch.rtt_us);

    uint64_t rate = xf_pace_rate(p) + (uint64_t)(ALPHA * round_trips * (double)packet_rate);

    if (rate <= p->delivered_rate / 100 * gain_pct[XF_PACE_PROBE])
        set_rate(p, rate);
}

static void end_drain(struct xf_pace *p)
{
    p->contested = has_standing_queue(p);
    if (xf_pace_rate(p) > p->rate_before / 100 * GROWTH_PCT) {
        enter(p, XF_PACE_PROBE);
        return;
    }
    enter(p, XF_PACE_CRUISE);
    p->cruise_epochs *= 2;
    if (p->cruise_epochs > CRUISE_EPOCHS_MAX)
        p->cruise_epochs = CRUISE_EPOCHS_MAX;
}

static void next_phase(struct xf_pace *p, uint64_t now_us)
{
    uint64_t before = p->rate_before;

    p->phase_epochs++;
    switch (p->phase) {
    case XF_PACE_STARTUP:
        if (xf_pace_rate(p) >= before / 100 * STARTUP_GROWTH_PCT) {
            p->rate_before = xf_pace_rate(p);
            p->stalled_epochs = 0;
        } else if (!xf_pace_is_limited(p) && ++p->stalled_epochs >= STARTUP_STALLED_MAX) {
            enter(p, XF_PACE_DRAIN);
        }
        break;
    case XF_PACE_DRAIN:
        if (!has_queue(p) || p->phase_epochs >= DRAIN_EPOCHS_MAX)
            end_drain(p);
        break;
    case XF_PACE_CRUISE:
        if (p->contested && has_queue(p) && !xf_pace_is_limited(p))
            increase(p, now_us);
        if (p->phase_epochs >= p->cruise_epochs)
            enter(p, XF_PACE_PROBE);
        break;
    case XF_PACE_PROBE:
        enter(p, XF_PACE_DRAIN);
        p->rate_before = before; /* its fruit comes a round trip later */
        break;
    }
}

static void end_epoch(struct xf_pace *p, uint64_t now_us)
{
    take_loss(p, now_us);
    /* What was sent before a reduction says nothing about it: one in a round trip (RFC 9438). */
    if (!p->cut_us || p->epoch.sent_us >= p->cut_us) {
        take_rate(p, now_us);
        if (congested(p))
            cut(p, now_us);
        else
            next_phase(p, now_us);
    }
    begin_epoch(p, now_us);
}

void xf_pace_feedback(struct xf_pace *p, const struct xf_pace_news *news, uint64_t now_us)
{
    uint64_t gone = news->acked_bytes + news->lost_bytes;
    bool startup = p->phase == XF_PACE_STARTUP;
    uint64_t us = now_us - p->epoch.begin_us;

    p->outstanding_bytes -= gone < p->outstanding_bytes ? gone : p->outstanding_bytes;
    p->epoch.acked_bytes += news->acked_bytes;
    p->epoch.acked += news->acked;
    p->epoch.lost += news->lost;
    if (news->acked_bytes)
        take_gap(p, news->late_us, now_us);
    if (!news->newest_sent_us)
        return;
    take_rtt(p, now_us - news->newest_sent_us, news->late_us, now_us);
    p->newest_sent_us = max_u64(p->newest_sent_us, news->newest_sent_us);
    uint32_t packets = p->epoch.acked + p->epoch.lost;
    bool few = startup || us >= EPOCH_LONG_US;

    if (p->newest_sent_us >= p->epoch.begin_us && us >= (startup ? STARTUP_EPOCH_US : EPOCH_US) &&
        packets >= (few ? STARTUP_EPOCH_PACKETS : EPOCH_PACKETS))
        end_epoch(p, now_us);
}

void xf_pace_settle(struct xf_pace *p, uint64_t now_us)
{
    p->outstanding_bytes = 0;
    p->newest_sent_us = now_us;
    p->delivered_us = now_us;
    begin_epoch(p, now_us);
}

void xf_pace_renew(struct xf_pace *p, uint64_t now_us)
{
    p->delivered_us = now_us;
    p->heavy_since_us = 0;
}

enum xf_pace_verdict xf_pace_check(struct xf_pace *p, bool busy, uint64_t bear_us, uint64_t now_us)
{
    if (!busy)
        p->delivered_us = now_us;
    if (p->heavy_since_us && now_us - p->heavy_since_us > XF_PACE_HEAVY_LOSS_US)
        return XF_PACE_HEAVY_LOSS;
    return now_us - p->delivered_us > bear_us ? XF_PACE_NO_DELIVERY : XF_PACE_GO;
}
