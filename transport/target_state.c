/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target, state: what is told of it. */
#include "target_state.h"

void xf_target_progress(struct xf_target *t, uint64_t now_us)
{
    t->progress_us = now_us;
    if (!t->config.progress)
        return;
    const struct xf_stats *st = &t->session.stats;
    uint64_t us = st->live_us ? now_us - st->live_us : 0;
    struct xf_progress p = {
        .phase = t->phase,
        .round = t->landing.has_pages ? st->rounds + 1 : 0, /* as the source numbers them */
        .round_pages = t->barrier ? t->want : 0,
        .round_done = t->landing.landed,
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
    xf_target_progress(t, now_us);
}
