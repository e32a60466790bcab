/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * History: the moves from this host that are over, over reboots. In DIR (/var/lib/xl-fast, or
 * $XL_FAST_STATEDIR/xl-fast):
 *
 *   DIR/history.jsonl     a line of JSON a move, the oldest first
 *   DIR/history.jsonl.1   the file before it: beyond 1 MiB the file takes this name, and a new one
 *                         begins. So at most 2 MiB are kept, some thousand moves.
 *
 * The first line of a new file is no move, but the sums of what was before it in this boot, so that
 * counters since boot never go backwards.
 *
 * Several processes may add at a time: each takes the folder's lock (flock), and a move is one
 * write(). Who cannot have the lock within a second adds without it, which can at most cost the
 * sums a move. A line that is cut (full disk, power) is left out by readers, and costs no other.
 * Nothing here waits longer, or ends the process: a move does not fail by its history.
 *
 * One thread at a time. Errors: 0 or -errno.
 */
#ifndef XF_SCREEN_HISTORY_H
#define XF_SCREEN_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "story.h"

/* Beyond it a file is put aside. */
#define XF_HISTORY_BYTES (1u << 20)

enum xf_history_result {
    XF_HISTORY_MOVED,
    XF_HISTORY_FAILED,
    XF_HISTORY_CANCELLED,
    XF_HISTORY_CLONED, /* it has ended well, and the guest is here */
};
#define XF_HISTORY_RESULTS 4
extern const char *const xf_history_results[XF_HISTORY_RESULTS];

/* One that is over, or that begins (xf_movelog_begin()). Times in microseconds. */
struct xf_history_move {
    char guest[256], uuid[40];
    char from[256], to[256]; /* hosts; from: filled in by xf_history_add() if empty */
    char ssh[256];           /* what reaches the target, if not ssh; for the log alone */
    char state[16];   /* where the guest is: here, paused, moved, suspended, ended, unknown */
    char error[512];  /* as its events tell it; "" if they do not */
    uint64_t time_us; /* when it began, since 1970 */
    int status;       /* exit status of the command */
    bool this_boot;   /* of what was read */
    bool began;       /* its memory began to move, and so what follows is known */
    bool done;        /* all of it came */
    bool early;       /* the devices were attached while it still ran here */
    struct xf_downtime downtime;
    uint64_t predicted_us; /* the downtime, when the guest was suspended; 0: it was not predicted */
    struct xf_reachable reachable;
    uint64_t total_us; /* until the guest runs at the target, or the memory's end */
    uint64_t rounds, bytes, pages, repaired, deferred, lost, payload_bps, bandwidth_bps;
};

enum xf_history_result xf_history_result(const struct xf_history_move *m);

/* Takes what the events of that file tell, from that byte on; nothing if there are none. */
void xf_history_take_events(struct xf_history_move *m, const char *path, uint64_t from);

/* Adds it, on the disk when it returns 0. Takes at most about a second, unless the disk hangs: so
   call it last. */
int xf_history_add(const struct xf_history_move *m);

/* Its members, as a line of the file and `xl-fast history --json` have them. */
struct json_object;
void xf_history_put(struct json_object *to, const struct xf_history_move *m);

typedef void xf_history_take(void *arg, const struct xf_history_move *m);

/* All that are kept, the oldest first. 0, also if there are none. */
int xf_history_read(xf_history_take *take, void *arg);

struct xf_history_sums {
    uint64_t count[XF_HISTORY_RESULTS], bytes, pages, repaired, deferred, lost;
};

/* Of all since this host's boot, also those that are no longer kept. */
int xf_history_since_boot(struct xf_history_sums *s);

#endif
