/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, state: its lanes taken together, and what is told of it. */
#include "source_state.h"

/* Clocks that were read one after the other differ by less. */
#define CLOCKS_APART_US 1000000u

void xf_source_order(struct xf_source *s, const struct xf_source_order *order, uint64_t now_us)
{
    for (unsigned i = 0; i < s->session.queues; i++) {
        /* There is room: control waits for the lanes before it orders a third time. */
        xf_ring_put(&s->lanes[i].lane.orders, order);
        if (!xf_crew_runs(&s->crew))
            xf_source_lane_obey(&s->lanes[i], &s->crew.workers[0], now_us);
    }
}

bool xf_source_sends(const struct xf_source *s)
{
    return (s->phase == XF_PHASE_LIVE || s->phase == XF_PHASE_FINAL) && !s->waiting &&
           !s->round_over;
}

bool xf_source_is_drained(const struct xf_source *s)
{
    if (!xf_lanes_are_still(&s->session))
        return false;
    for (unsigned i = 0; i < s->session.queues; i++)
        if (!atomic_load_explicit(&s->lanes[i].drained, memory_order_acquire))
            return false;
    return true;
}

uint64_t xf_source_full_pages(const struct xf_source *s)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < s->session.queues; i++)
        pages += xf_count_of(&s->lanes[i].encoder.pages_full);
    return pages;
}

/* Lanes' clocks and ours are read one after the other, and for pace time does not go back. */
uint64_t xf_source_pace_us(struct xf_source *s, uint64_t at_us)
{
    if (at_us > s->pace_us || s->pace_us - at_us > CLOCKS_APART_US)
        s->pace_us = at_us;
    return s->pace_us;
}

struct xf_laps *xf_source_laps(struct xf_source *s)
{
    return xf_crew_runs(&s->crew) ? &s->session.stats.laps : &s->crew.workers[0].laps;
}

const struct xf_stats *xf_source_sum(struct xf_source *s)
{
    s->sums = s->session.stats;
    xf_lanes_collect(&s->session, &s->sums);
    xf_crew_collect(&s->crew, &s->sums);
    return &s->sums;
}

void xf_source_progress(struct xf_source *s, uint64_t now_us)
{
    s->progress_us = now_us;
    if (!s->config.progress)
        return;
    const struct xf_stats *sums = xf_source_sum(s);
    uint64_t done =
        sums->pages_sent - sums->pages_repaired - (s->round_sent_before - s->round_repaired_before);
    struct xf_progress p = {
        .phase = s->phase,
        .round = s->round ? s->rounds_done + 1 : 0,
        .round_pages = s->round_pages,
        .round_done = s->kind == XF_ROUND_PAGES ? done : 0,
        .round_us = now_us - s->round_us,
        .bytes_per_s = xf_speed_bytes_per_s(&s->speed),
        .predicted_downtime_us = s->predicted_us,
        .dirty_pages = s->dirty_pages,
        .verifying = s->kind == XF_ROUND_HASHES,
        .throttle_pct = (uint8_t)(s->brake.pct < 100 ? s->brake.pct : 0),
        .now_us = now_us,
        .stats = sums,
    };

    s->config.progress(s->config.progress_arg, &p);
}

void xf_source_enter(struct xf_source *s, enum xf_phase phase, uint64_t now_us)
{
    s->phase = phase;
    s->phase_us = now_us;
    atomic_store(&s->shared->phase, phase);
    xf_source_progress(s, now_us);
}
