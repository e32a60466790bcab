/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target, lane: writes the pages of its stripe into the guest, and says what has arrived. When a
 * round is over is control's to say; what follows from what has come, too.
 *
 * target_lane.c obeys, tells, and answers, above target_receive.c (packets in). Private to the
 * target.
 *
 * Threads: the lane's worker, but for what is said to be control's.
 */
#ifndef XF_TRANSPORT_TARGET_LANE_H
#define XF_TRANSPORT_TARGET_LANE_H

#include "target_lane_state.h"

/* Control. On failure too, call fini. */
int xf_target_lane_init(struct xf_target_lane *l, struct xf_target_shared *shared,
                        const struct xf_guest_sink *guest);
void xf_target_lane_fini(struct xf_target_lane *l);

/* A packet has come. */
void xf_target_lane_receive(struct xf_target_lane *l, const struct xf_buf *buf, uint64_t now_us);
/* Does what control has ordered. */
void xf_target_lane_obey(struct xf_target_lane *l, struct xf_worker *w);
/* Sends the feedback that is due, tells. */
void xf_target_lane_work(struct xf_target_lane *l, struct xf_worker *w, uint64_t now_us);
/* Gives control its news, if there is room for them. */
void xf_target_lane_tell(struct xf_target_lane *l);

/* Control, while no thread runs: an ANSWER, once more. */
int xf_target_lane_answer(struct xf_target_lane *l, const struct xf_wire_answer *answer,
                          bool is_long);
/* Control, while no thread runs: REFUSE. */
void xf_target_lane_refuse(struct xf_target_lane *l, int code, const char *text);

#endif
