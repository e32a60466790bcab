/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source, lane: sends the pages of its stripe, and what was lost of them again, and hears what has
 * arrived. What is to be sent and when is control's to order; what follows from what has come, too.
 *
 * source_lane.c obeys and tells, above source_receive.c (packets in) and source_send.c (out).
 * Private to the source.
 *
 * Threads: the lane's worker, but for what is said to be control's.
 */
#ifndef XF_TRANSPORT_SOURCE_LANE_H
#define XF_TRANSPORT_SOURCE_LANE_H

#include "source_lane_state.h"

/* Control. On failure too, call fini. */
int xf_source_lane_init(struct xf_source_lane *l, struct xf_source_shared *shared,
                        const struct xf_guest_source *guest, enum xf_compress_mode compress,
                        uint64_t features, uint64_t (*cpu_ns)(void));
void xf_source_lane_fini(struct xf_source_lane *l);

/* A packet has come. */
void xf_source_lane_receive(struct xf_source_lane *l, const struct xf_worker *w,
                            const struct xf_buf *buf, uint64_t now_us);
/* Does what control has ordered. */
void xf_source_lane_obey(struct xf_source_lane *l, struct xf_worker *w, uint64_t now_us);
/* Sends what is due, tells. */
void xf_source_lane_work(struct xf_source_lane *l, struct xf_worker *w, uint64_t now_us);

/* Gives control its news, if there is room for them. */
void xf_source_lane_tell(struct xf_source_lane *l);

/* Control, while no thread runs: ABORT. */
void xf_source_lane_abort(struct xf_source_lane *l, int code, const char *text);

#endif
