/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Child: the target's xl migrate-receive, which the pump starts between two pipes.
 *
 * xl also inherits a reader of its own stdout. Where nobody else reads it, as when ssh has died, xl
 * could not write its report, and would exit before it has destroyed its copy of the guest
 * (tools/xl/xl_migrate.c). So it always can, and the end of its stdin always means: destroyed.
 *
 * One thread.
 */
#ifndef XF_HANDOVER_CHILD_H
#define XF_HANDOVER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct xf_child {
    pid_t pid;
    int process; /* a handle of pidfd_open(2) */
    int in;      /* its stdin, to write to; -1: ended */
    int out;     /* its stdout, to read from */
};

/* words[0] by PATH. 0 or -errno. */
int xf_child_start(struct xf_child *c, char *const words[]);

/* What it says next, at most size bytes: how many; 0: it has ended; -EAGAIN: nothing yet. */
ssize_t xf_child_hear(const struct xf_child *c, void *to, size_t size);

/* from -> its stdin, and its stdout -> to, until it has ended. What `to` does not take is dropped.
   Returns its exit status. */
int xf_child_copy(struct xf_child *c, int from, int to);

/* Its stdin ends, and it destroys what it has made; what it says is dropped. Its exit status. */
int xf_child_give_up(struct xf_child *c);

bool xf_child_ended(const struct xf_child *c);

#endif
