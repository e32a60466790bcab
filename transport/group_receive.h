/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Group, receiving: what targets say, and what the source is told of it. Private to the group.
 *
 * Threads: any; a lane is locked by receive() itself, and by the caller of tell().
 */
#ifndef XF_TRANSPORT_GROUP_RECEIVE_H
#define XF_TRANSPORT_GROUP_RECEIVE_H

#include "group_state.h"

/* Drops a target, if it is not yet, with a reason that its name goes before. No lane is locked. */
__attribute__((format(printf, 4, 5))) void xf_group_drop_for(struct xf_group *g, unsigned target,
                                                             int code, const char *format, ...);

/* A packet has come by that path: checks and opens it, and notes what it says. */
void xf_group_receive(struct xf_group *g, unsigned path, const struct xf_buf *buf, uint64_t now_us);

/* What the lane's source is to be told now, in its `out`: so many bytes, or 0. */
uint32_t xf_group_tell(struct xf_group *g, unsigned lane, uint64_t now_us);

#endif
