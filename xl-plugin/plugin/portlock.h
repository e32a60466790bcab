/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port lock: one migration at a time has a port, because one after the other finishes all guests as
 * soon and each with fewer dirty rounds. The lock is flock(2)'s on DIR/port-NAME.lock, so it ends
 * with its process, however that ends; the file stays, and says who had it last. DIR is
 * /run/xl-fast, or $XL_FAST_RUNDIR/xl-fast.
 */
#ifndef XF_PLUGIN_PORTLOCK_H
#define XF_PLUGIN_PORTLOCK_H

#include <sys/types.h>

/* Returns a descriptor that holds the lock until it is closed; -EBUSY and who has it in *holder (0:
   not known) if another process still does after wait_ms; or another -errno. */
int xf_portlock_take(const char *port, unsigned wait_ms, pid_t *holder);

/* 0, or -EBUSY and *holder as above. Takes nothing; where nothing can be told the port is free. */
int xf_portlock_look(const char *port, pid_t *holder);

#endif
