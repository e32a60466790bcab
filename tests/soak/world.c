/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Soak, world: the hypervisor that outlives both ends, and the judge. */
#include "soak.h"

#include <errno.h>
#include <string.h>

int soak_world_open(struct soak_world *w, const struct soak_plan *plan, bool shared)
{
    int rc;

    memset(w, 0, sizeof(*w));
    rc = (shared ? xf_simguest_new_shared : xf_simguest_new)(
        &w->guest[SOAK_SOURCE], plan->pages, plan->fill, plan->seed, plan->hole_every);
    if (!rc)
        rc = (shared ? xf_simguest_new_empty_shared : xf_simguest_new_empty)(&w->guest[SOAK_TARGET],
                                                                             plan->pages);
    if (rc) {
        soak_world_close(w);
        return rc;
    }
    w->source_below = xf_simguest_source(w->guest[SOAK_SOURCE]);
    w->sink_below = xf_simguest_sink(w->guest[SOAK_TARGET]);
    w->dom[SOAK_SOURCE] = DOM_RUNNING;
    return 0;
}

void soak_world_close(struct soak_world *w)
{
    for (unsigned i = 0; i < SOAK_ENDS; i++) {
        xf_simguest_free(w->guest[i]);
        w->guest[i] = NULL;
    }
}

/* ---- the ends' guests --------------------------------------------------------------------------
 */

static int source_start(void *ctx, uint64_t *present, uint64_t *known)
{
    struct soak_world *w = ctx;

    return w->dead[SOAK_SOURCE] ? -EIO
                                : w->source_below.ops->start(w->source_below.ctx, present, known);
}

static int source_dirty(void *ctx, uint64_t *dirty, bool final, uint64_t *count)
{
    struct soak_world *w = ctx;

    return w->dead[SOAK_SOURCE]
               ? -EIO
               : w->source_below.ops->dirty(w->source_below.ctx, dirty, final, count);
}

static int source_present(void *ctx, uint64_t *candidates)
{
    struct soak_world *w = ctx;

    return w->source_below.ops->present(w->source_below.ctx, candidates);
}

static int source_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n,
                      const void **pages)
{
    struct soak_world *w = ctx;

    atomic_fetch_or(&w->mapped[SOAK_SOURCE], 1 << lane);
    return w->source_below.ops->map(w->source_below.ctx, lane, gfns, n, pages);
}

static void source_unmap(void *ctx, unsigned lane)
{
    struct soak_world *w = ctx;

    atomic_fetch_and(&w->mapped[SOAK_SOURCE], ~(1 << lane));
    w->source_below.ops->unmap(w->source_below.ctx, lane);
}

static int source_suspend(void *ctx)
{
    struct soak_world *w = ctx;

    if (w->dead[SOAK_SOURCE])
        return -EIO;
    xf_simguest_pause(w->guest[SOAK_SOURCE]);
    xf_simguest_hash(w->guest[SOAK_SOURCE], w->hash_suspended);
    atomic_store(&w->dom[SOAK_SOURCE], DOM_SUSPENDED);
    return 0;
}

static int source_throttle(void *ctx, unsigned percent)
{
    struct soak_world *w = ctx;

    return w->source_below.control->throttle(w->source_below.ctx, percent);
}

static int source_keep_still(void *ctx, uint64_t *pages)
{
    struct soak_world *w = ctx;

    return w->source_below.ops->keep_still(w->source_below.ctx, pages);
}

struct xf_guest_source soak_world_source(struct soak_world *w)
{
    static const struct xf_guest_source_ops ops = {
        .lanes = xf_guest_lanes,
        .start = source_start,
        .dirty = source_dirty,
        .present = source_present,
        .map = source_map,
        .unmap = source_unmap,
        .keep_still = source_keep_still,
    };
    static const struct xf_guest_control_ops control = {
        .throttle = source_throttle,
        .suspend = source_suspend,
    };

    return (struct xf_guest_source){
        .ops = &ops, .control = &control, .ctx = w, .page_count = w->source_below.page_count};
}

static int sink_populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    struct soak_world *w = ctx;

    return w->dead[SOAK_TARGET]
               ? -EIO
               : w->sink_below.ops->populate(w->sink_below.ctx, lane, first, count);
}

static int sink_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    struct soak_world *w = ctx;
    int rc = w->dead[SOAK_TARGET]
                 ? -EIO
                 : w->sink_below.ops->map_chunk(w->sink_below.ctx, lane, chunk, base);

    if (!rc)
        atomic_fetch_add(&w->mapped[SOAK_TARGET], 1);
    return rc;
}

static void sink_unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    struct soak_world *w = ctx;

    atomic_fetch_sub(&w->mapped[SOAK_TARGET], 1);
    w->sink_below.ops->unmap_chunk(w->sink_below.ctx, lane, chunk, base);
}

static int sink_map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    struct soak_world *w = ctx;
    int rc = w->dead[SOAK_TARGET]
                 ? -EIO
                 : w->sink_below.ops->map_part(w->sink_below.ctx, lane, first, base);

    if (!rc)
        atomic_fetch_add(&w->mapped[SOAK_TARGET], 1);
    return rc;
}

static void sink_unmap_part(void *ctx, unsigned lane, uint64_t first, void *base)
{
    struct soak_world *w = ctx;

    atomic_fetch_sub(&w->mapped[SOAK_TARGET], 1);
    w->sink_below.ops->unmap_part(w->sink_below.ctx, lane, first, base);
}

struct xf_guest_sink soak_world_sink(struct soak_world *w)
{
    static const struct xf_guest_sink_ops ops = {
        .lanes = xf_guest_lanes,
        .populate = sink_populate,
        .map_chunk = sink_map_chunk,
        .unmap_chunk = sink_unmap_chunk,
        .map_part = sink_map_part,
        .unmap_part = sink_unmap_part,
        .wrote = xf_sink_wrote,
        .end_round = xf_sink_end_round,
    };

    /* A guest of some chunks more than are mapped at once. */
    return (struct xf_guest_sink){.ops = &ops,
                                  .ctx = w,
                                  .page_count = w->sink_below.page_count,
                                  .chunks_max = 2,
                                  .parts = true};
}

/* ---- domains -----------------------------------------------------------------------------------
 */

int soak_world_create(struct soak_world *w)
{
    if (w->dead[SOAK_TARGET])
        return -EIO;
    atomic_store(&w->dom[SOAK_TARGET], DOM_BUILDING);
    return 0;
}

/* Whoever comes second sees the first, so that two running copies are seen by one of them at least.
 */
static void run(struct soak_world *w, enum soak_end which)
{
    atomic_store(&w->dom[which], DOM_RUNNING);
    if (atomic_load(&w->dom[!which]) == DOM_RUNNING)
        atomic_fetch_add(&w->counts.double_owner, 1);
}

int soak_world_start(struct soak_world *w)
{
    if (w->dead[SOAK_TARGET])
        return -EIO;
    atomic_fetch_add(&w->counts.wrong_bytes,
                     xf_simguest_differing_bytes(w->guest[SOAK_SOURCE], w->guest[SOAK_TARGET]));
    xf_simguest_hash(w->guest[SOAK_TARGET], w->hash_started);
    w->started = true;
    run(w, SOAK_TARGET);
    return 0;
}

int soak_world_rename(struct soak_world *w, bool away)
{
    if (w->dead[SOAK_SOURCE])
        return -EIO;
    atomic_store(&w->renamed, away);
    return 0;
}

static void resume(struct soak_world *w)
{
    uint64_t hash[2];

    if (w->dom[SOAK_SOURCE] == DOM_SUSPENDED) {
        /* Nobody has touched it. */
        xf_simguest_hash(w->guest[SOAK_SOURCE], hash);
        if (memcmp(hash, w->hash_suspended, sizeof(hash)))
            atomic_fetch_add(&w->counts.wrong_bytes, 1);
        run(w, SOAK_SOURCE);
    }
    /* Also one that died while it suspended. */
    xf_simguest_resume(w->guest[SOAK_SOURCE]);
}

int soak_world_resume(struct soak_world *w)
{
    if (w->dead[SOAK_SOURCE])
        return -EIO;
    resume(w);
    return 0;
}

int soak_world_destroy(struct soak_world *w, enum soak_end which)
{
    if (w->dead[which])
        return -EIO;
    atomic_store(&w->dom[which], DOM_ABSENT);
    return 0;
}

/* ---- the judge ---------------------------------------------------------------------------------
 */

/*
 * Before its domain is renamed the source's owner has not given the go. So its xl, which outlives
 * the helper, resumes at once, whatever the target is doing.
 */
void soak_world_died(struct soak_world *w, enum soak_end end)
{
    atomic_store(&w->dead[end], true);
    if (end == SOAK_SOURCE && !w->renamed)
        resume(w);
}

/*
 * Recovery, by what both ends show once no process of the migration is left: a domain at the target
 * that runs owns the guest; if there is none that has ever run, the source's does.
 */
static void recover(struct soak_world *w)
{
    /* The only windows: nobody came back to the source, or the source died in it. */
    if (w->outcome[SOAK_SOURCE] != SOAK_UNDEFINED && !(w->dead[SOAK_SOURCE] && w->renamed))
        return;
    if (w->dom[SOAK_SOURCE] != DOM_SUSPENDED)
        return;
    w->settled = true;
    if (w->dom[SOAK_TARGET] == DOM_RUNNING) {
        w->dom[SOAK_SOURCE] = DOM_ABSENT;
    } else if (!w->started) {
        w->dom[SOAK_TARGET] = DOM_ABSENT;
        w->renamed = false;
        resume(w);
    }
}

void soak_world_judge(struct soak_world *w)
{
    uint64_t hash[2];

    /* What the dead target's xl removes. */
    if (w->dead[SOAK_TARGET] && w->dom[SOAK_TARGET] == DOM_BUILDING)
        w->dom[SOAK_TARGET] = DOM_ABSENT;
    if (w->dom[SOAK_TARGET] == DOM_BUILDING)
        atomic_fetch_add(&w->counts.leaks, 1);
    recover(w);
    if (w->dom[SOAK_SOURCE] != DOM_RUNNING && w->dom[SOAK_TARGET] != DOM_RUNNING)
        atomic_fetch_add(&w->counts.lost, 1);
    if (w->dom[SOAK_SOURCE] == DOM_RUNNING && w->dom[SOAK_TARGET] == DOM_RUNNING &&
        !w->counts.double_owner)
        atomic_fetch_add(&w->counts.double_owner, 1);
    /* Nothing landed in it after it was started. (The model's guest does not write there.) */
    if (w->started) {
        xf_simguest_hash(w->guest[SOAK_TARGET], hash);
        if (memcmp(hash, w->hash_started, sizeof(hash)))
            atomic_fetch_add(&w->counts.wrong_bytes, 1);
    }
    for (unsigned i = 0; i < SOAK_ENDS; i++)
        if (w->mapped[i] && !w->dead[i])
            atomic_fetch_add(&w->counts.leaks, 1);
}
