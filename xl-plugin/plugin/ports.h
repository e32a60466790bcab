/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports: from the configuration to a running link, and back: EAL start, port open, and nothing
 * of a NIC's left when the helper exits. The port is locked meanwhile (portlock.h). Once per
 * process; the thread that opens is the one that steps.
 */
#ifndef XF_PLUGIN_PORTS_H
#define XF_PLUGIN_PORTS_H

#include "transport/link.h"
#include "transport/threads.h"
#include "config.h"

/* On failure err has one line for the user and nothing stays open. A SIGTERM meanwhile ends the
   process. */
int xf_ports_open(struct xf_link **out, const struct xf_config *config, char err[256]);

/* Another way out by an open port, to a peer of its own (xf_port_beside()). 0 or -ENOMEM. */
int xf_ports_beside(struct xf_link **out, struct xf_link *link);

/* The threads of a session's lanes over the port that is open, as its configuration has them. */
struct xf_threads xf_ports_threads(void);

/* link may be NULL. */
void xf_ports_close(struct xf_link *link);
/* Leaves nothing to the process that outlives this one (linger.h). */
void xf_ports_close_whole(struct xf_link *link);

/* The same beside what the caller does next, for the kernel takes its time to let go of a packet
   socket, and the guest is suspended. */
void xf_ports_close_begin(struct xf_link *link);
/* Waits for it, and returns how long it took; 0 if it was not begun. */
uint64_t xf_ports_close_end(void);

#endif
