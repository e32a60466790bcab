/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pair: a source and a target over a simulated link on a virtual clock, for the tests of whole
 * sessions. Everything follows from the seed.
 */
#ifndef XF_TESTS_PAIR_H
#define XF_TESTS_PAIR_H

#include "unit.h"

#include "transport/plan_batches.h"
#include "transport/plan_live.h"
#include "transport/sim/faultlink.h"
#include "transport/sim/simguest.h"
#include "transport/sim/simlink.h"
#include "transport/source.h"
#include "transport/target.h"

struct pair_config {
    uint64_t pages;
    enum xf_simguest_fill fill;
    unsigned hole_every;
    unsigned writes_per_ms;   /* pages dirtied while it runs */
    bool (*begun)(void *arg); /* of the source */
    void *begun_arg;
    uint64_t target_begins_us; /* who sets it steps the source alone until then */
    struct xf_simlink_config net;
    struct xf_fault_config faults; /* both ends; seeded from `seed` */
    struct xf_policy policy;
    uint64_t bandwidth_bytes_per_s; /* the user's limit; 0 = none */
    uint64_t ready_after_us;        /* when the sink can populate */
    uint64_t step_us;
    uint64_t features;
    enum xf_compress_mode compress;
    uint64_t (*cpu_ns)(void); /* what compressing costs, of this clock */
    struct {
        const struct xf_guest_source *from;
        const struct xf_guest_sink *to;
    } ends;                                          /* in place of simulated guests, if set */
    bool batches;                                    /* the plan */
    struct xf_plan *plan;                            /* in place of those, if set */
    const struct xf_guest_source_ops *from_ops;      /* in place of the simulated guest's, if set */
    const struct xf_guest_control_ops *from_control; /* likewise */
    void (*progress)(void *arg, const struct xf_progress *progress); /* the source's */
    void *progress_arg;
    uint64_t seed;
};

struct pair {
    struct pair_config config;
    struct xf_simguest *from, *to;
    struct xf_simlink *net;
    struct xf_link *link[2], *fault[2];
    struct xf_plan_live live;
    struct xf_plan_batches batches;
    struct xf_source *source;
    struct xf_target *target;
    uint64_t now_us;
    int source_rc, target_rc;
};

/* A CPU to which everything costs nothing: it is always the link that one waits for. */
uint64_t pair_quick_cpu(void);

struct pair_config pair_defaults(uint64_t seed);

/* The simulated guest's own tables, to be copied and changed before pair_open(). */
struct xf_guest_source pair_tables(void);

void pair_open(struct pair *p, const struct pair_config *config);

/* One step of both ends and of the clock. */
void pair_step(struct pair *p);

/* The same for ends whose hosts are busy until then: they are not stepped before. */
void pair_step_busy(struct pair *p, uint64_t source_until_us, uint64_t target_until_us);

/* For guests of one's own. */
int pair_no_throttle(void *ctx, unsigned percent);

/* Until both ends are done or failed, or the time is over. */
void pair_run(struct pair *p, uint64_t limit_us);

void pair_assert_same(struct pair *p);

/* To its end, with a bit of that page wrong at the target: a page that others may write to, which
   is not compared (xf_simguest_unsteady()). */
void pair_leaves_out(struct pair *p, uint64_t gfn, uint64_t limit_us);

void pair_close(struct pair *p);

#endif
