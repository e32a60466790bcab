/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Herd: a source and a group of targets on a virtual clock, each target over a simulated link of
 * its own; or all by one path, where what the source sends reaches every one. Everything follows
 * from the seed.
 */
#ifndef XF_TESTS_HERD_H
#define XF_TESTS_HERD_H

#include "unit.h"

#include "transport/group.h"
#include "transport/plan_live.h"
#include "transport/sim/faultlink.h"
#include "transport/sim/simguest.h"
#include "transport/sim/simlink.h"
#include "transport/source.h"
#include "transport/target.h"

struct herd_config {
    unsigned targets;
    bool shared;    /* one path for all ... */
    uint64_t deaf;  /* ... but these, a bit each; they can be reached one by one ... */
    bool no_copies; /* ... if not for this */
    uint64_t pages;
    unsigned writes_per_ms;
    uint64_t features; /* besides GROUP */
    struct xf_simlink_config net;
    struct xf_fault_config faults; /* of each target's link, both ways */
    unsigned faulty_n;             /* of the first targets only; 0: of all */
    struct xf_group_config limits; /* what is 0 is as usual */
    uint64_t max_downtime_us;
    uint64_t seed;
};

struct herd_one {
    struct xf_simguest *guest;
    struct xf_simlink *net;
    struct xf_link *fault[2]; /* the source's end, the target's */
    struct xf_target *target; /* NULL: it was taken away */
    int rc;
};

struct herd {
    struct herd_config config;
    struct xf_simguest *from;
    struct herd_one ones[XF_MEMBERS_MAX];
    struct xf_member members[XF_MEMBERS_MAX];
    struct xf_offer offer;
    struct xf_link *spread; /* the shared path */
    struct xf_link *group;
    struct xf_plan_live plan;
    struct xf_source *source;
    int source_rc;
    uint64_t now_us;
    uint64_t suspended; /* rounds since then */
};

struct herd_config herd_defaults(unsigned targets, uint64_t seed);
void herd_open(struct herd *h, const struct herd_config *config);
void herd_step(struct herd *h);
/* Until the source is done or has failed, and 20 ms more; or the time is over. */
void herd_run(struct herd *h, uint64_t limit_us);
/* That target's end vanishes: nothing comes from it any more. */
void herd_kill(struct herd *h, unsigned target);
/* The source is done, and that target has all that it had. */
void herd_assert_same(struct herd *h, unsigned target);
/* It was dropped, with a reason that has these words. */
void herd_assert_dropped(struct herd *h, unsigned target, const char *words);
void herd_assert_kept(struct herd *h, unsigned target);
void herd_close(struct herd *h);

#endif
