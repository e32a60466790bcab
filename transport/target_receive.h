/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target, receiving: what the source sends on a lane is checked and goes into the guest. Private to
   target_lane.c. */
#ifndef XF_TRANSPORT_TARGET_RECEIVE_H
#define XF_TRANSPORT_TARGET_RECEIVE_H

#include "target_lane_state.h"

/* Takes one packet; what control has to know is in the lane's news. 0, or -errno with the lane's
   error: a source that gives up, too. */
int xf_target_receive(struct xf_target_lane *l, const struct xf_buf *buf, uint64_t now_us);

#endif
