/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan, live: a guest moves while it runs. All of it, then what it has written meanwhile, round by
 * round, until a stop is short enough (rounds.h says when, and how slow it has to be); then it
 * stands, and the rest goes. The policy's deadline ends the rounds: with the stop after the round
 * under way, or at once if it is to be given up then.
 *
 * To verify, pages are compared while they are clean: after the first round, and before a stop
 * those that were sent since, so that a stop has only those to compare that change last. That is no
 * matter of the deadline, nor of `now`: the guest would wait for it otherwise.
 *
 * Also by itself, without a source: who is told by others what is dirty (the save of a PV guest)
 * asks with XF_ENDED_LOOK, and is ordered SEND, SUSPEND or GIVE_UP.
 */
#ifndef XF_TRANSPORT_PLAN_LIVE_H
#define XF_TRANSPORT_PLAN_LIVE_H

#include "plan.h"

struct xf_plan_live {
    struct xf_plan plan;
    struct xf_policy policy;
    struct xf_rounds rounds;
    bool verify;
    bool stopped;         /* the guest stands */
    enum xf_content sent; /* the newest */
    uint64_t compared;    /* pages, the last time while the guest ran; 0: not yet */
};

/* verify: the offer has XF_FEATURE_VERIFY. */
void xf_plan_live_init(struct xf_plan_live *live, const struct xf_policy *policy, bool verify);

#endif
