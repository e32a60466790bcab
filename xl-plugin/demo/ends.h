/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ends: what the demo and `xl-fast bench link` share: how an end's port and a guest's contents are
 * named, and the care for a process that is an end and the parent of two.
 *
 * Threads: none. The interruption is the process's.
 */
#ifndef XF_DEMO_ENDS_H
#define XF_DEMO_ENDS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport/sim/simguest.h"

#define XF_ENDS_QUEUES_MAX 16u

/* A port of this machine in place of an end of the memif. */
struct xf_ends_port {
    const char *port;         /* as in xl-fast.conf; NULL: not given */
    char netns[NAME_MAX + 1]; /* ip-netns(8)'s name of the namespace that it is in; "": ours */
};

/* [NETNS/]PORT; *to points into text. 0 or -EINVAL. */
int xf_ends_port_parse(const char *text, struct xf_ends_port *to);

/* A page at least, rounded up to whole ones. 0 or -EINVAL. */
int xf_ends_memory_parse(const char *text, uint64_t *bytes);
/* The same, as an option's `take` (cli/options.h). */
const char *xf_ends_take_memory(const char *text, void *bytes);

extern const char *const xf_ends_fill_words[]; /* NULL after the last */
const char *xf_ends_fill_name(enum xf_simguest_fill fill);
int xf_ends_fill_parse(const char *text, enum xf_simguest_fill *fill);

/* Before DPDK starts: its ports belong to the namespace that they were opened in. "": stays. */
int xf_ends_enter_netns(const char *name);

/* Whether it is time to look at what the parent or the peer says: each few milliseconds, however
   long a step takes. *looked_us: the caller's; 0 at first. */
bool xf_ends_is_time(uint64_t now_us, uint64_t *looked_us);

/* After each step: lets others have the processor where there is nothing to do. */
void xf_ends_idle(unsigned *steps, bool was_idle);

/*
 * The longest silence of an end, and the longest that it may take to end. The transport's own
 * limits (30 s) come first when packets do not pass; this one is for an end that hangs. To fill or
 * hash much memory is silent work, so it grows with it.
 */
uint64_t xf_ends_patience_us(uint64_t memory_bytes);

/* ---- the parent ----------------------------------------------------------------------------- */

/* A private directory for the memif's socket. Both ends hold the connection itself, so it can go as
   soon as they are joined. */
struct xf_ends_dir {
    char path[64]; /* "" once it is gone */
    char socket[80];
};

/* name: the directory's begins with it. */
int xf_ends_dir_make(struct xf_ends_dir *dir, const char *name);
void xf_ends_dir_remove(struct xf_ends_dir *dir);

/* A signal ends the program as any failure does: by its loop, so that everything is cleaned up. */
void xf_ends_catch_signals(void);
/* The signal's number; 0: none came. */
int xf_ends_interrupted(void);

/* First in a child: the parent is to be the only one that must clean up; if it dies, so does the
   child, at once. name: what ps shows. */
void xf_ends_be_child(pid_t parent, const char *name);

/* Waits for a child that is ending; false if it does not end by itself in time, or a signal came.
 */
bool xf_ends_wait(pid_t pid, uint64_t limit_us, int *status);

#endif
