/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source, rounds: which pages go next, and when the guest is to stop. Private to source.c. Returns
 * 0, or -errno where the session's error says why.
 */
#ifndef XF_TRANSPORT_SOURCE_ROUNDS_H
#define XF_TRANSPORT_SOURCE_ROUNDS_H

#include "source_state.h"

int xf_source_start_rounds(struct xf_source *s, uint64_t now_us);
/* The target has counted every page of the round: on to the next, or to the end. */
int xf_source_end_round(struct xf_source *s, uint64_t now_us);
/* Once the guest stands, what is not sent or compared never is: it must not be there. */
int xf_source_check_deferred(struct xf_source *s);
/* Gives the guest its CPU time back. */
void xf_source_unthrottle(struct xf_source *s);
/* A tunnel's next batch, if there is one yet. */
int xf_source_next_batch(struct xf_source *s, uint64_t now_us);

#endif
