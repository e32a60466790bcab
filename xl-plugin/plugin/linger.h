/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linger: who gives the helper's memory back, and when. libxl goes on with the guest only when the
 * helper has exited, and the kernel first takes back what the helper has mapped: the pages of the
 * guest one by one, hypercall by hypercall, and DPDK's memory. All of that would be downtime.
 *
 * So a second process shares the helper's memory (clone(2), CLONE_VM), outlives it by as long as
 * that takes, and does it at the lowest priority. It does nothing else, and holds nothing else: no
 * file, and no signal but SIGKILL stops it.
 *
 * What must be closed in order (a NIC that writes to memory) is closed before; and a migration that
 * failed gives back everything itself, since libxl then destroys the domain.
 *
 * All of it by one thread at a time.
 */
#ifndef XF_PLUGIN_LINGER_H
#define XF_PLUGIN_LINGER_H

#include <stdbool.h>
#include <stddef.h>

/* Once per process, by the thread whose end is the process's. If it cannot be, xf_lingers() stays
   false, and nothing else changes. */
void xf_linger_start(void);

/* For so many seconds after the end it does nothing yet, and then leaves the CPU to others most of
   the time: a guest that has just been started has its devices to connect. Not before it has: a
   domain that is destroyed stays as a dying one until it is unmapped. */
void xf_linger_wait(unsigned seconds);

/* True: memory can be left to the exit. */
bool xf_lingers(void);

/* What was mapped at base, of so many bytes, is unmapped after the exit. False: it is not, and is
   the caller's still. */
bool xf_linger_unmap(void *base, size_t bytes);

/* Unmaps now what was left to the exit: the domain is being destroyed after all, and would stay as
   a dying one until then. */
void xf_linger_give_back(void);

#endif
