/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* History: the migrations from this host that are over, since its boot (DIR/history of moving.h).
 */
#ifndef XF_SCREEN_HISTORY_H
#define XF_SCREEN_HISTORY_H

#include "story.h"

/* One that is over, the oldest first; its exit status is there. The story is freed afterwards,
   unless it is taken: set to {0}. */
typedef void xf_history_take(void *arg, struct xf_story *s);

/* 0, also if there are none, or -errno. */
int xf_history_read(xf_history_take *take, void *arg);

#endif
