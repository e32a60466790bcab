/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port lock: one migration at a time has a port, because one after the other finishes all guests as
 * soon and each with fewer dirty rounds. The lock is flock(2)'s on DIR/port-NAME.lock, so it ends
 * with its process, however that ends; the file stays, and says who had it last. DIR is
 * /run/xl-fast, or $XL_FAST_RUNDIR/xl-fast.
 */
#ifndef XF_PLUGIN_PORTLOCK_H
#define XF_PLUGIN_PORTLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Returns a descriptor that holds the lock until it is closed; -EBUSY and who has it in *holder (0:
   not known) if another process still does after wait_ms; or another -errno. */
int xf_portlock_take(const char *port, unsigned wait_ms, pid_t *holder);

/* 0, or -EBUSY and *holder as above. Takes nothing; where nothing can be told the port is free. */
int xf_portlock_look(const char *port, pid_t *holder);

/*
 * The queue: DIR/queue-NAME, locked (flock) from before a migration's `xl migrate` until after it:
 * at the source by xl-fast migrate, at the target by xl-fast-receive. The plug-in's own lock above
 * holds for whoever comes without them.
 */
int xf_queue_path(const char *port, char *path, size_t size); /* 0 or -ENAMETOOLONG */
bool xf_queue_is_taken(const char *port);

/*
 * Turns: the order in which sources ask for a port as their target's. A source that asks has a
 * ticket, DIR/turn-ATTEMPT, renewed whenever it asks again; who has asked before it and has not
 * been silent for longer than XF_TURN_FRESH_MS goes before it, and the port is kept for it that
 * long. The ticket goes when the port is taken (xl-fast-receive), or when its source is silent.
 */
#define XF_TURN_FRESH_MS 20000u

/* How many go before this attempt, whose ticket is made or renewed; 0 also where nothing can be
   kept. now_ms: of a clock that all who ask share. */
unsigned xf_turn_ask(const char *port, const char *attempt, uint64_t now_ms);

#endif
