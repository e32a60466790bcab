/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moving: what each `xl migrate --fast` of this host leaves in DIR (/run/xl-fast, or
 * $XL_FAST_RUNDIR/xl-fast) while it runs; xl-fast migrate writes and removes it (record.c):
 *
 *   DIR/moving-ATTEMPT  lines of key=value: pid, started (of the shim, by /proc/PID/stat, so that
 *                       another process that has got its number is not taken for it), since
 *                       (seconds since 1970), guest, uuid, host, ssh (what -s says, if it is not
 *                       ssh), events, from (the byte of events that it begins at), control (the
 *                       socket below); and, as the last line before it is removed, state: here,
 *                       paused, moved, suspended, ended, unknown.
 *
 *   DIR/events-ATTEMPT  the events, if they are in no file of the user's
 *
 *   DIR/said-ATTEMPT    what xl and both ends said
 *
 *   DIR/control-ATTEMPT the socket by which xl-fast set steers it (transport/control.h), while its
 *                       memory moves
 *
 * What stays of one that is over: history.h.
 */
#ifndef XF_SCREEN_MOVING_H
#define XF_SCREEN_MOVING_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define XF_MOVING_MAX 64u

struct xf_moving {
    char path[512]; /* of the record */
    pid_t pid;
    uint64_t started, since_s, from;
    char guest[256], uuid[40], host[256], ssh[256], events[512], control[512], state[16];
};

/* The path of a file of DIR; name "": of DIR. 0 or -ENAMETOOLONG. */
int xf_moving_path(char *to, size_t size, const char *name);

/* Those whose process is there, in any order, at most XF_MOVING_MAX; of others the record and the
   events are removed. Returns how many, or -errno. */
int xf_moving_find(struct xf_moving to[XF_MOVING_MAX]);

/* Reads it anew from a file that is open, also one that has been removed. 0 or -errno. */
int xf_moving_read(struct xf_moving *m, FILE *record);

/* When a process was started, by /proc/PID/stat. 1; 0: there is none, or it has ended; or -errno.
 */
int xf_moving_started(pid_t pid, uint64_t *started);

/* 1: its process is there; 0: not; or -errno. */
int xf_moving_alive(const struct xf_moving *m);

#endif
