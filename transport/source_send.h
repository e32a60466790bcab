/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, sending: a lane's sealed packets out. Private to source_lane.c. */
#ifndef XF_TRANSPORT_SOURCE_SEND_H
#define XF_TRANSPORT_SOURCE_SEND_H

#include "source_lane_state.h"

/* Sends pages as far as path, window and receiver allow. 0, or -errno with the lane's error. */
int xf_source_send_pages(struct xf_source_lane *l, struct xf_worker *w, uint64_t now_us);
void xf_source_send_barrier(struct xf_source_lane *l, const struct xf_source_order *order,
                            uint64_t now_us);
void xf_source_send_ping(struct xf_source_lane *l, uint64_t now_us);
/* A PING, if one is due. */
void xf_source_send_due_ping(struct xf_source_lane *l, uint64_t now_us);

#endif
