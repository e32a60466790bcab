/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Group, checks: who is dropped when. Private to the group.

   Threads: control's, and lane 0's once it has a thread of its own. */
#ifndef XF_TRANSPORT_GROUP_CHECK_H
#define XF_TRANSPORT_GROUP_CHECK_H

#include "group_state.h"

/* Drops who is due to be; at most each 10 ms. */
void xf_group_check(struct xf_group *g, uint64_t now_us);

#endif
