/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan: what a source does next. After each thing that has ended, the source asks its plan, and
 * does what that orders:
 *
 *     START -> SEND pages -> LOOK -> SEND hashes -> LOOK -> SEND pages ... LOOK -> SUSPEND
 *           -> SEND pages -> SEND hashes, final -> DONE            (plan_live.h, with verify)
 *
 * At its deadline (until_us) it is asked once more, in the middle of whatever is under way: it may
 * give up. Between two steps the user may set other values for it (steer).
 *
 * A plan is pure: it sees no packets, no guest and no clock, only what it is told. One is one file:
 * plan_live.h (a guest moves while it runs), plan_batches.h (a buffer, filled again and again),
 * xl-plugin/bench/plan_passes.h (the same memory, to measure).
 *
 * Threads: the stepping one. Ownership: the caller's; a plan outlives its source, and serves one.
 */
#ifndef XF_TRANSPORT_PLAN_H
#define XF_TRANSPORT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "rounds.h"
#include "steer.h"
#include "transport/base/stats.h"

enum xf_ended {
    XF_ENDED_START,   /* the target can take memory; which pages the guest has begins to be known */
    XF_ENDED_SEND,    /* the target has counted all that was sent */
    XF_ENDED_LOOK,    /* what has changed since the last look is known */
    XF_ENDED_WAIT,    /* some time has passed */
    XF_ENDED_SUSPEND, /* the guest stands; what has changed until then is known */
    XF_ENDED_TIME,    /* the plan's until_us; nothing else: GIVE_UP, or all goes on as it was */
};

struct xf_plan_ended {
    enum xf_ended what;
    bool none_yet;                /* LOOK: cannot be told yet */
    bool cannot_slow;             /* the guest cannot be slowed down: it was tried */
    struct xf_round round;        /* LOOK: the newest round of pages, and what is to go now */
    const struct xf_stats *stats; /* the session's */
    uint64_t now_us;
};

enum xf_order {
    XF_ORDER_SEND,    /* content; until the target has counted it */
    XF_ORDER_LOOK,    /* what has changed, and so is to go with the next SEND of pages */
    XF_ORDER_WAIT,    /* a step, with nothing on its way */
    XF_ORDER_SUSPEND, /* the guest; what is still to go goes with the next SEND of pages */
    XF_ORDER_DONE,    /* after a final SEND */
    XF_ORDER_GIVE_UP, /* the guest stays; `why` */
};

enum xf_content {
    XF_SEND_PAGES,   /* all of them, or after LOOK or SUSPEND what has changed */
    XF_SEND_NOTHING, /* a round without a page */
    XF_SEND_HASHES,  /* to compare: while the guest runs, of the pages that are clean and were not
                        compared; final: of all that do not change any more */
};

struct xf_plan_order {
    enum xf_order what;
    enum xf_content content; /* SEND */
    bool final;              /* SEND: nothing comes after it */
    unsigned throttle_pct;   /* SEND: what the guest has of its CPU time meanwhile; 0: as it is */
    uint64_t predicted_us;   /* after LOOK: the downtime if the guest is suspended now; UINT64_MAX:
                                cannot be told; 0: there is none */
    char why[XF_BUSY_BYTES]; /* GIVE_UP: a line for the user */
};

/* First member of each plan's own structure. */
struct xf_plan {
    struct xf_plan_order (*next)(struct xf_plan *plan, const struct xf_plan_ended *ended);
    /* Takes all that concerns it, or nothing: 0; -EALREADY: it is too late for that. NULL: nothing
       concerns it. */
    int (*steer)(struct xf_plan *plan, const struct xf_steer *to);
    uint64_t until_us; /* when XF_ENDED_TIME is to be told, while the guest runs; 0: never */
};

/* The orders that say nothing else. */
static inline struct xf_plan_order xf_order_send(enum xf_content content, bool final)
{
    return (struct xf_plan_order){.what = XF_ORDER_SEND, .content = content, .final = final};
}

static inline struct xf_plan_order xf_order_just(enum xf_order what)
{
    return (struct xf_plan_order){.what = what};
}

#endif
