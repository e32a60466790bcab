/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The target's own state, and what its files share: target.c (life, rounds and time limits). What
 * goes over the link is its lanes' (target_lane.h). No others.
 *
 * Threads: control's. A lane is read while it has obeyed all orders, but for what it counts.
 */
#ifndef XF_TRANSPORT_TARGET_STATE_H
#define XF_TRANSPORT_TARGET_STATE_H

#include "crew.h"
#include "session.h"
#include "target_config.h"
#include "target_lane.h"

struct xf_target {
    struct xf_session session;
    struct xf_target_config config;
    struct xf_guest_sink guest;
    struct xf_target_shared *shared;
    struct xf_target_lane *lanes; /* session.queues of them */
    struct xf_crew crew;
    enum xf_phase phase;
    bool idle, heard;
    uint64_t stepped_us;      /* the last step */
    uint64_t answer_due_us;   /* the next one */
    uint64_t short_answer_us; /* the last one that went in place of a long one */
    unsigned answers;
    struct xf_stats sums; /* the session's and its lanes', when last asked for */

    uint32_t round;    /* the one being received; the first is 1 */
    uint64_t round_us; /* when it began */
    uint64_t progress_us;
    uint64_t want;       /* from its BARRIER */
    bool barrier, final; /* the BARRIER has been seen; it is the last */
    bool hashes;         /* and says that the round is of hashes */
    bool closing;        /* all of it has landed, and lanes were told */
    bool had_pages;      /* it was of pages */
};

/* Distinct pages of this round that have landed. */
uint64_t xf_target_landed(const struct xf_target *t);
/* This round's records are of pages: not of memory or hashes. */
bool xf_target_has_pages(const struct xf_target *t);
/* Sums up in t->sums what has been counted. */
const struct xf_stats *xf_target_sum(struct xf_target *t);

void xf_target_progress(struct xf_target *t, uint64_t now_us);
void xf_target_enter(struct xf_target *t, enum xf_phase phase, uint64_t now_us);

#endif
