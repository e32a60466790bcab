/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target, state: its lanes taken together, and what is told of it. */
#include "target_state.h"

uint64_t xf_target_landed(const struct xf_target *t)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < t->session.queues; i++)
        pages += xf_count_of(&t->lanes[i].landing.landed);
    return pages;
}

bool xf_target_has_pages(const struct xf_target *t)
{
    for (unsigned i = 0; i < t->session.queues; i++)
        if (!atomic_load_explicit(&t->lanes[i].landing.has_pages, memory_order_relaxed))
            return false;
    return true;
}

const struct xf_stats *xf_target_sum(struct xf_target *t)
{
    t->sums = t->session.stats;
    xf_lanes_collect(&t->session, &t->sums);
    xf_crew_collect(&t->crew, &t->sums);
    return &t->sums;
}

void xf_target_progress(struct xf_target *t, uint64_t now_us)
{
    t->progress_us = now_us;
    if (!t->config.progress)
        return;
    const struct xf_stats *st = xf_target_sum(t);
    uint64_t us = st->live_us ? now_us - st->live_us : 0;
    const bool has_pages = t->closing ? t->had_pages : xf_target_has_pages(t);
    struct xf_progress p = {
        .phase = t->phase,
        .round = has_pages ? st->rounds + 1 : 0, /* as the source numbers them */
        .round_pages = t->barrier ? t->want : 0,
        .round_done = t->closing ? t->want : xf_target_landed(t),
        .round_us = now_us - t->round_us,
        .bytes_per_s = us ? (uint64_t)((double)(st->pages_sent - st->pages_zero) *
                                       (double)XF_PAGE_BYTES * 1e6 / (double)us)
                          : 0,
        .now_us = now_us,
        .stats = st,
    };

    t->config.progress(t->config.progress_arg, &p);
}

void xf_target_enter(struct xf_target *t, enum xf_phase phase, uint64_t now_us)
{
    t->phase = phase;
    atomic_store(&t->shared->phase, phase);
    xf_target_progress(t, now_us);
}
