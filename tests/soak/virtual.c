/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Soak, virtual: both ends in one thread on a virtual clock; a death is that nothing has an effect.
 */
#include "soak.h"

#include <errno.h>
#include <string.h>

#include "transport/guest.h"
#include "transport/sim/simlink.h"

#define BEGIN_US    1000000000u /* so that a clock can jump back */
#define STEP_MAX_US 5000u
#define SLACK_US    (2 * STEP_MAX_US)
#define WAITING_MAX 8 /* messages on their way */

/* One direction of the control channel. */
struct way {
    struct soak_message waiting[WAITING_MAX];
    uint64_t arrives_us[WAITING_MAX];
    unsigned n;
    bool closed; /* by its writer or its reader */
    uint64_t closes_us;
};

struct virtual
{
    const struct soak_plan *plan;
    struct soak_world world;
    struct xf_simlink *net;
    struct xf_link *link[SOAK_ENDS];
    struct way ways[SOAK_ENDS]; /* by who reads */
    struct soak_owner *owner[SOAK_ENDS];
    struct side {
        struct virtual *v;
        enum soak_end end;
        bool asleep, over;
        int64_t clock_us;
        bool down;
        uint64_t down_until_us; /* 0: for ever */
    } sides[SOAK_ENDS];
    bool cut;
    uint64_t cut_until_us;
    uint64_t now_us, step_us, wrote_us;
};

/* ---- the control channel -----------------------------------------------------------------------
 */

static int channel_send(void *ctx, const struct soak_message *m)
{
    struct side *side = ctx;
    struct virtual *v = side->v;
    struct way *way = &v->ways[!side->end];

    if (v->world.dead[side->end] || way->closed || way->n == WAITING_MAX)
        return -EPIPE;
    way->waiting[way->n] = *m;
    way->arrives_us[way->n++] = v->now_us + v->plan->delay_us;
    return 0;
}

static int channel_receive(void *ctx, struct soak_message *m)
{
    struct side *side = ctx;
    struct virtual *v = side->v;
    struct way *way = &v->ways[side->end];

    if (v->world.dead[side->end])
        return -EPIPE;
    if (way->n && v->now_us >= way->arrives_us[0]) {
        *m = way->waiting[0];
        way->n--;
        memmove(way->waiting, way->waiting + 1, way->n * sizeof(way->waiting[0]));
        memmove(way->arrives_us, way->arrives_us + 1, way->n * sizeof(way->arrives_us[0]));
        return 1;
    }
    return !way->n && way->closed && v->now_us >= way->closes_us ? -EPIPE : 0;
}

static void close_way(struct virtual *v, struct way *way)
{
    if (way->closed)
        return;
    way->closed = true;
    way->closes_us = v->now_us + v->plan->delay_us;
}

/* Both ways; what was said before is still read, unless the connection dies with its writer. */
static void channel_close(void *ctx)
{
    struct side *side = ctx;
    struct virtual *v = side->v;

    close_way(v, &v->ways[0]);
    close_way(v, &v->ways[1]);
    if (v->world.dead[side->end] && v->plan->forgets)
        v->ways[!side->end].n = 0;
}

/* ---- the link ----------------------------------------------------------------------------------
 */

static bool lasts(const struct virtual *v, bool *flag, uint64_t until_us)
{
    if (*flag && until_us && v->now_us >= until_us)
        *flag = false;
    return *flag;
}

static int link_state(void *arg)
{
    struct side *side = arg;
    struct virtual *v = side->v;
    struct side *other = &v->sides[!side->end];

    if (lasts(v, &side->down, side->down_until_us))
        return -ENETDOWN;
    return v->world.dead[side->end] || lasts(v, &v->cut, v->cut_until_us) ||
           lasts(v, &other->down, other->down_until_us);
}

/* ---- time --------------------------------------------------------------------------------------
 */

static bool step_end(struct virtual *v, struct side *side)
{
    if (side->asleep || side->over)
        return false;
    if (v->world.dead[side->end]) {
        side->over = true;
        return false;
    }
    side->over =
        !soak_owner_step(v->owner[side->end], v->now_us + (uint64_t)side->clock_us, v->now_us);
    return !soak_owner_idle(v->owner[side->end]);
}

/* A millisecond of the guest's life. */
static void write_guest(struct virtual *v)
{
    struct xf_simguest *guest = v->world.guest[SOAK_SOURCE];

    if (v->world.dom[SOAK_SOURCE] != DOM_RUNNING)
        return;
    xf_simguest_write(guest, v->plan->writes_per_ms);
    /* The first hole is the second chunk. */
    if (v->plan->grows)
        xf_simguest_add_page(guest, XF_CHUNK_PAGES + v->wrote_us / 1000 * 7 % XF_CHUNK_PAGES);
}

static void advance(struct virtual *v)
{
    bool busy = false;

    v->now_us += v->step_us;
    xf_simlink_advance(v->net, v->now_us);
    while (v->now_us - v->wrote_us >= 1000) {
        v->wrote_us += 1000;
        write_guest(v);
    }
    for (unsigned i = 0; i < SOAK_ENDS; i++)
        busy |= step_end(v, &v->sides[i]);
    /* When nothing happens time goes faster. */
    v->step_us = busy ? v->plan->step_us : v->step_us * 2;
    if (v->step_us > STEP_MAX_US)
        v->step_us = STEP_MAX_US;
}

/* ---- faults ------------------------------------------------------------------------------------
 */

static void set_until(const struct virtual *v, bool *flag, uint64_t *until_us, int64_t ms)
{
    *flag = true;
    *until_us = ms ? v->now_us + (uint64_t)ms * 1000 : 0;
}

static int act(void *arg, const struct xf_fault *f)
{
    struct virtual *v = arg;
    struct side *side = &v->sides[soak_end_of(f->point)];

    if (v->world.dead[side->end])
        return -ECANCELED;
    switch (f->action) {
    case XF_FAULT_KILL:
    case XF_FAULT_EXIT:
        soak_world_died(&v->world, side->end);
        channel_close(side);
        return -ECANCELED;
    case XF_FAULT_ERROR:
        return (int)-f->argument;
    case XF_FAULT_STALL: {
        uint64_t until = v->now_us + (uint64_t)f->argument * 1000;

        /* In the middle of its step: only the other end goes on. */
        side->asleep = true;
        while (v->now_us < until)
            advance(v);
        side->asleep = false;
        return 0;
    }
    case XF_FAULT_CUT:
        set_until(v, &v->cut, &v->cut_until_us, f->argument);
        return 0;
    case XF_FAULT_DOWN:
        set_until(v, &side->down, &side->down_until_us, f->argument);
        return 0;
    default:
        side->clock_us += f->argument * 1000;
        return 0;
    }
}

/* ---- a run -------------------------------------------------------------------------------------
 */

static int open_run(struct virtual *v, const struct soak_plan *plan)
{
    struct xf_simlink_config net = {.queues = plan->queues,
                                    .payload_bytes = plan->payload_bytes,
                                    .delay_us = plan->delay_us,
                                    .jitter_us = plan->jitter_us,
                                    .bytes_per_s = plan->bytes_per_s,
                                    .buffer_bytes = plan->buffer_bytes,
                                    .rx_ring = plan->rx_ring,
                                    .seed = plan->seed};
    int rc;

    memset(v, 0, sizeof(*v));
    v->plan = plan;
    v->now_us = v->wrote_us = BEGIN_US;
    v->step_us = plan->step_us;
    rc = soak_world_open(&v->world, plan, false);
    rc = rc ?: xf_simlink_new(&v->net, &net);
    for (unsigned i = 0; i < SOAK_ENDS && !rc; i++) {
        struct side *side = &v->sides[i];
        struct xf_fault_config faults = plan->link;
        const struct soak_channel channel = {
            .send = channel_send, .receive = channel_receive, .close = channel_close, .ctx = side};

        *side = (struct side){.v = v, .end = (enum soak_end)i};
        faults.seed = plan->seed * 2 + i;
        faults.state = link_state;
        faults.state_arg = side;
        rc = xf_faultlink_new(&v->link[i], xf_simlink_end(v->net, i), &faults);
        rc = rc
                 ?: soak_owner_new(&v->owner[i], plan, &v->world, side->end, v->link[i], &channel,
                                   SLACK_US);
    }
    return rc;
}

static void close_run(struct virtual *v)
{
    for (unsigned i = 0; i < SOAK_ENDS; i++)
        soak_owner_free(v->owner[i]);
    if (v->net && xf_simlink_held(v->net))
        atomic_fetch_add(&v->world.counts.leaks, 1);
    for (unsigned i = 0; i < SOAK_ENDS; i++)
        if (v->link[i])
            v->link[i]->ops->close(v->link[i]);
    xf_simlink_free(v->net);
    soak_world_close(&v->world);
}

static bool run_once(struct soak_run *run, struct virtual *v)
{
    const uint64_t end_us = BEGIN_US + SOAK_RUN_US + soak_plan_extra_us(&run->plan);
    int rc = open_run(v, &run->plan);

    if (!rc) {
        xf_faults_set(run->plan.faults, run->plan.faults_n, act, v);
        while ((!v->sides[0].over || !v->sides[1].over) && v->now_us < end_us)
            advance(v);
        if (v->now_us >= end_us)
            atomic_fetch_add(&v->world.counts.hangs, 1);
        run->fired = xf_faults_fired();
        for (unsigned i = 0; i < XF_FAULT_POINT_COUNT; i++)
            run->passed[i] = xf_fault_passed(i);
        xf_faults_set(NULL, 0, NULL, NULL);
        for (unsigned i = 0; i < SOAK_ENDS; i++) {
            soak_owner_free(v->owner[i]);
            v->owner[i] = NULL;
        }
        soak_world_judge(&v->world);
        run->moved = v->world.dom[SOAK_TARGET] == DOM_RUNNING;
        run->settled = v->world.settled;
        run->longest_wait_us = v->world.longest_wait_us;
    }
    close_run(v);
    return !rc;
}

bool soak_virtual(struct soak_run *run, struct soak_counts *counts)
{
    static struct virtual v;
    const int64_t taken = soak_taken();

    if (!run_once(run, &v))
        return false;
    if (soak_taken() != taken)
        atomic_fetch_add(&v.world.counts.leaks, 1);
    atomic_fetch_add(&counts->wrong_bytes, v.world.counts.wrong_bytes);
    atomic_fetch_add(&counts->double_owner, v.world.counts.double_owner);
    atomic_fetch_add(&counts->lost, v.world.counts.lost);
    atomic_fetch_add(&counts->hangs, v.world.counts.hangs);
    atomic_fetch_add(&counts->leaks, v.world.counts.leaks);
    return true;
}
