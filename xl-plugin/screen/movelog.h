/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Movelog: a line of the system's log (syslog, facility daemon, with the process's number; journald
 * shows it) as a move begins, as it is steered, and as it ends, which says where the guest is. It
 * goes to /dev/log, or the socket that $XL_FAST_SYSLOG names, without waiting: a log that is full,
 * stuck or not there loses the line, and the move goes on.
 */
#ifndef XF_SCREEN_MOVELOG_H
#define XF_SCREEN_MOVELOG_H

#include "history.h"
#include "moving.h"

#define XF_MOVELOG_BYTES 2048

/* Of the move: guest, uuid, to. */
void xf_movelog_begin(const struct xf_history_move *m);

/* One that is under way was steered: text says what was set. */
void xf_movelog_set(const struct xf_moving *m, const char *text);

/* Of the move: all that is known of it. */
void xf_movelog_end(const struct xf_history_move *m);

/* The text of that, without time and process; returns its priority (LOG_NOTICE...). */
int xf_movelog_text(char to[XF_MOVELOG_BYTES], const struct xf_history_move *m);

#endif
