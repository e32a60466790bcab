/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source, rounds: what the plan (plan.h) orders, done with the guest. Private to source.c. Returns
 * 0, or -errno where the session's error says why.
 */
#ifndef XF_TRANSPORT_SOURCE_ROUNDS_H
#define XF_TRANSPORT_SOURCE_ROUNDS_H

#include "source_state.h"

/* Finds out which pages the guest has. -EAGAIN without an error: again, while s->starting; what is
   known already goes meanwhile. */
int xf_source_start(struct xf_source *s, uint64_t now_us);
/* SEND: begins a round. */
int xf_source_begin(struct xf_source *s, const struct xf_plan_order *order, uint64_t now_us);
/* The target has counted every page of the round. */
int xf_source_end_round(struct xf_source *s, uint64_t now_us);
/* LOOK: what has changed goes with the next pages. */
int xf_source_look(struct xf_source *s, struct xf_plan_ended *ended, uint64_t now_us);
/* SUSPEND: what was dirty and has become so goes with the next pages. */
int xf_source_suspend(struct xf_source *s, uint64_t now_us);
/* DONE. */
int xf_source_complete(struct xf_source *s, uint64_t now_us);

/* Some pages of this round have not been there, of which it was not asked since. */
bool xf_source_has_deferred(const struct xf_source *s);
/* Once the guest stands, what is not sent or compared never is: it must not be there. Lanes are
   still, and send nothing. */
int xf_source_check_deferred(struct xf_source *s);
/* The brake's; arg: the source. */
int xf_source_throttle(void *arg, unsigned percent);

#endif
