/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rounds: when to stop and copy. After each live round the source knows how many pages are dirty
 * and how fast it could send; this decides what comes next. A pure function: no clock, no state
 * but what is passed in.
 */
#ifndef XF_TRANSPORT_ROUNDS_H
#define XF_TRANSPORT_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct xf_policy {
    uint64_t max_downtime_us; /* the blackout to aim for */
    uint64_t fixed_costs_us;  /* blackout's part that does not depend on pages: suspend, restore */
    uint32_t max_rounds;      /* live rounds at the most */
    bool abort_if_busy;       /* give up instead of going over max_downtime */
};

struct xf_round_result {
    uint32_t round;          /* live rounds done */
    uint64_t dirty_pages;    /* dirty now: what a stop would have to send */
    uint64_t sent_pages;     /* sent in the round that ended */
    uint64_t bytes_per_s;    /* payload rate of the session so far */
    uint32_t stalled_rounds; /* rounds in a row that left about as much dirty as the one before */
};

enum xf_round_next { XF_ROUND_AGAIN, XF_ROUND_STOP, XF_ROUND_GIVE_UP };

/* The defaults: 300 ms, 30 rounds, go when busy. */
void xf_policy_init(struct xf_policy *policy);

/* What to do, and in *predicted_us (may be NULL) the blackout if stopped now. */
enum xf_round_next xf_policy_next(const struct xf_policy *policy, const struct xf_round_result *r,
                                  uint64_t *predicted_us);

/* Whether dirty pages no longer shrink from round to round. */
bool xf_policy_stalled(uint64_t dirty_before, uint64_t dirty_now);

#endif
