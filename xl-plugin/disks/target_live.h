/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target, live: what a target is told of a guest that runs (live.h). Private to disks/. */
#ifndef XF_DISKS_TARGET_LIVE_H
#define XF_DISKS_TARGET_LIVE_H

#include "target_state.h"

struct json_object;

/* What kind that message has: 0: it was done; 1: it was, and was the last; -ENOMSG: it is none of
   these; or -errno. */
int xf_disks_target_live(struct xf_disks_target *t, struct json_object *message);

/* The source is gone. */
void xf_disks_target_live_end(struct xf_disks_target *t);

#endif
