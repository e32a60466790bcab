/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, state: what is told of it. */
#include "source_state.h"

void xf_source_progress(struct xf_source *s, uint64_t now_us)
{
    s->progress_us = now_us;
    if (!s->config.progress)
        return;
    uint64_t done = s->encoder.pages_sent - s->encoder.pages_repaired -
                    (s->session.stats.pages_sent - s->session.stats.pages_repaired);
    struct xf_progress p = {
        .phase = s->phase,
        .round = s->kind == XF_ROUND_POPULATE ? 0 : s->rounds_done + 1,
        .round_pages = s->round_pages,
        .round_done = s->kind == XF_ROUND_PAGES ? done : 0,
        .round_us = now_us - s->round_us,
        .bytes_per_s = xf_speed_bytes_per_s(&s->speed),
        .predicted_downtime_us = s->predicted_us,
        .dirty_pages = s->dirty_pages,
        .verifying = s->kind == XF_ROUND_HASHES,
        .throttle_pct = (uint8_t)(s->brake.pct < 100 ? s->brake.pct : 0),
        .now_us = now_us,
        .stats = &s->session.stats,
    };

    s->config.progress(s->config.progress_arg, &p);
}

void xf_source_enter(struct xf_source *s, enum xf_phase phase, uint64_t now_us)
{
    s->phase = phase;
    s->phase_us = now_us;
    xf_source_progress(s, now_us);
}

void xf_source_take_counts(struct xf_source *s)
{
    struct xf_stats *st = &s->session.stats;

    st->pages_sent = s->encoder.pages_sent;
    st->pages_zero = s->encoder.pages_zero;
    st->pages_compressed = s->encoder.pages_compressed;
    st->bytes_saved = s->encoder.bytes_saved;
    st->pages_repaired = s->encoder.pages_repaired;
    st->pages_verified = s->encoder.pages_hashed;
    st->pages_deferred = s->encoder.pages_deferred;
}
