/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bottleneck: the link, what goes over it, and its clock. */
#include "bottleneck.h"

void bottleneck_init(struct bottleneck *b, const struct bottleneck_config *c)
{
    memset(b, 0, sizeof(*b));
    b->c = *c;
    b->random.state = c->seed;
    b->tcp = (struct cubic){.window = 10, .ssthresh = 1e9};
    b->now_us = 1000;
    xf_pace_init(&b->pace, c->packet_bytes, c->limit_bytes_per_s, b->now_us);
}

void bottleneck_mark(struct bottleneck *b)
{
    memset(b->sent, 0, sizeof(b->sent));
    memset(b->dropped, 0, sizeof(b->dropped));
    memset(b->delivered_bytes, 0, sizeof(b->delivered_bytes));
    b->damaged = b->queue_us_sum = b->ticks = 0;
}

uint64_t queue_us(const struct bottleneck *b)
{
    return b->free_ns > b->now_us * 1000 ? b->free_ns / 1000 - b->now_us : 0;
}

static void put(struct bottleneck *b, unsigned whose)
{
    struct flight *f = &b->ring[b->tail++ % RING];

    assert_true(b->tail - b->head < RING);
    b->sent[whose]++;
    *f = (struct flight){.sent_us = b->now_us, .whose = (uint8_t)whose};
    if (queue_us(b) > b->c.buffer_us) {
        f->lost = true;
        b->dropped[whose]++;
    } else {
        if (b->free_ns < b->now_us * 1000)
            b->free_ns = b->now_us * 1000;
        b->free_ns += (uint64_t)((double)b->c.packet_bytes * 1e9 / (double)b->c.bytes_per_s);
        if (whose == OURS && xf_random_hits(&b->random, b->c.loss_pct)) {
            f->lost = true;
            b->damaged++;
        }
    }
    f->arrives_us = (b->free_ns + 999) / 1000 + b->c.delay_us;
}

/* ---- TCP ---------------------------------------------------------------------------------- */

static void cubic_ack(struct bottleneck *b, uint64_t sent_us, bool lost)
{
    struct cubic *t = &b->tcp;
    const double c = 0.4, beta = 0.7;

    t->outstanding--;
    if (lost) {
        if (sent_us < t->cut_us)
            return; /* once in a round trip */
        t->w_max = t->window < t->w_max ? t->window * (1 + beta) / 2 : t->window;
        t->ssthresh = t->window = t->window * beta < 2 ? 2 : t->window * beta;
        t->k_s = cbrt((t->w_max - t->window) / c);
        t->w_est = t->window;
        t->cut_us = t->epoch_us = b->now_us;
        return;
    }
    t->rtt_us = b->now_us - sent_us;
    if (t->window < t->ssthresh) {
        t->window++;
        return;
    }
    double at = (double)(b->now_us - t->epoch_us + t->rtt_us) / 1e6 - t->k_s;
    double target = c * at * at * at + t->w_max;

    t->w_est += 3 * (1 - beta) / (1 + beta) / t->window;
    if (target < t->window)
        target = t->window;
    if (target > 1.5 * t->window)
        target = 1.5 * t->window;
    t->window += (target - t->window) / t->window;
    if (t->window < t->w_est)
        t->window = t->w_est;
}

/* ---- the clock ---------------------------------------------------------------------------- */

static void send_lot(struct bottleneck *b)
{
    uint64_t late = b->c.jitter_us ? xf_random_below(&b->random, b->c.jitter_us) : 0;

    b->back[b->back_tail % 4096].at_us = b->now_us + b->c.delay_us + late;
    b->back[b->back_tail++ % 4096].news = b->lot;
    assert_true(b->back_tail - b->back_head < 4096);
    b->lot = (struct xf_pace_news){0};
    b->lot_packets = 0;
}

static void arrive(struct bottleneck *b)
{
    while (b->head != b->tail && b->ring[b->head % RING].arrives_us <= b->now_us) {
        const struct flight *f = &b->ring[b->head++ % RING];

        if (!f->lost)
            b->delivered_bytes[f->whose] += b->c.packet_bytes;
        if (f->whose == TCP) {
            b->tcp_back[b->tcp_tail % RING].at_us = b->now_us + b->c.delay_us;
            b->tcp_back[b->tcp_tail % RING].sent_us = f->sent_us;
            b->tcp_back[b->tcp_tail++ % RING].lost = f->lost;
            continue;
        }
        if (f->lost) {
            b->lot.lost++;
            b->lot.lost_bytes += b->c.packet_bytes;
            continue;
        }
        if (!b->lot_packets++)
            b->lot_us = b->now_us;
        b->lot.acked++;
        b->lot.acked_bytes += b->c.packet_bytes;
        b->lot.newest_sent_us = f->sent_us;
        if (b->lot_packets == FEEDBACK_LOT && !b->c.lots_us)
            send_lot(b);
    }
    if (b->lot_packets && b->now_us - b->lot_us >= (b->c.lots_us ?: FEEDBACK_LOT_US))
        send_lot(b);
    if (b->now_us % PING_US == 0) { /* its answer tells what else is lost */
        b->lot.newest_sent_us = b->now_us - b->c.delay_us - queue_us(b);
        send_lot(b);
    }
}

static void send_ours(struct bottleneck *b)
{
    const int64_t packet = b->c.packet_bytes;

    if (b->c.stall_pct && b->now_us % MS == 0 && xf_random_hits(&b->random, (double)b->c.stall_pct))
        b->asleep_until_us = b->now_us + xf_random_below(&b->random, b->c.stall_us);
    if (b->now_us < b->asleep_until_us)
        return;
    int64_t allowance = (int64_t)xf_pace_allowance(&b->pace, b->now_us);

    while (allowance > 0 && (!b->c.source_bytes_per_s || b->source_tokens > 0)) {
        put(b, OURS);
        xf_pace_sent(&b->pace, (uint64_t)packet);
        allowance -= packet;
        b->source_tokens -= packet;
    }
    if (allowance > 0)
        xf_pace_limited(&b->pace);
}

void bottleneck_run(struct bottleneck *b, uint64_t us)
{
    for (uint64_t end = b->now_us + us; b->now_us < end;) {
        b->now_us += TICK_US;
        arrive(b);
        while (b->back_head != b->back_tail && b->back[b->back_head % 4096].at_us <= b->now_us &&
               b->now_us >= b->asleep_until_us)
            xf_pace_feedback(&b->pace, &b->back[b->back_head++ % 4096].news, b->now_us);
        while (b->tcp_head != b->tcp_tail && b->tcp_back[b->tcp_head % RING].at_us <= b->now_us) {
            cubic_ack(b, b->tcp_back[b->tcp_head % RING].sent_us,
                      b->tcp_back[b->tcp_head % RING].lost);
            b->tcp_head++;
        }
        if (b->c.source_bytes_per_s && b->source_tokens < 100000)
            b->source_tokens += (int64_t)(b->c.source_bytes_per_s * TICK_US / SECOND);
        send_ours(b);
        while (b->c.tcp && b->now_us >= b->c.tcp_from_us &&
               (double)b->tcp.outstanding < b->tcp.window) {
            put(b, TCP);
            b->tcp.outstanding++;
        }
        b->queue_us_sum += queue_us(b);
        b->ticks++;
    }
}

/* ---- figures ------------------------------------------------------------------------------ */

double share_pct(const struct bottleneck *b, unsigned whose)
{
    double us = (double)b->ticks * TICK_US;

    return 100.0 * (double)b->delivered_bytes[whose] / ((double)b->c.bytes_per_s * us / 1e6);
}

double dropped_pct(const struct bottleneck *b, unsigned whose)
{
    return b->sent[whose] ? 100.0 * (double)b->dropped[whose] / (double)b->sent[whose] : 0;
}
