/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, receiving: the target's answers and feedback on a lane. Private to source_lane.c. */
#ifndef XF_TRANSPORT_SOURCE_RECEIVE_H
#define XF_TRANSPORT_SOURCE_RECEIVE_H

#include "source_lane_state.h"

/* Takes one packet; what control has to know is in the lane's news. 0, or -errno with the lane's
   error: a target that refuses, too. */
int xf_source_receive(struct xf_source_lane *l, const struct xf_worker *w, const struct xf_buf *buf,
                      uint64_t now_us);

#endif
