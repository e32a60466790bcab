/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves: the migrations in progress here, as the user names them, and what their events tell so
 * far. For xl-fast status, cancel and set.
 */
#ifndef XF_SCREEN_MOVES_H
#define XF_SCREEN_MOVES_H

#include "moving.h"
#include "story.h"

/* What its events tell; zeros, but for waits, if there are none yet. Free the story. */
void xf_move_story(const struct xf_moving *m, struct xf_story *s);

/* All of them, *n; to be freed. NULL, after having said why on stderr. */
struct xf_moving *xf_moves_list(const char *command, int *n);

/* That of the guest of this name, number or UUID; to be freed. NULL, after having said why. */
struct xf_moving *xf_move_find(const char *command, const char *domain);

#endif
