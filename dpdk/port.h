/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port: a link (transport/link.h) over a DPDK port: Ethernet/IPv4/UDP frames around sealed packets,
 * checksums by the port where it can, N queues. The only room that includes rte_*.
 *
 * A memif's server is opened first: it listens and does not wait. Its client is opened after that
 * and waits for it. Every other port is open when its link is up.
 *
 * Threads: open, close, set_peer, join, leave and stats from one thread; a queue from one thread at
 * a time.
 */
#ifndef XF_DPDK_PORT_H
#define XF_DPDK_PORT_H

#include "eal.h"
#include "port_config.h"
#include "transport/link.h"

/* Configures and starts the port that xf_dpdk_start() probed. *out is closed by its ops->close. */
int xf_port_open(struct xf_link **out, const struct xf_port_config *config,
                 char err[XF_DPDK_ERR_BYTES]);

/*
 * A second way out by an open port, to a peer of its own: what is received stays the port's, and so
 * are the counts, the health and the queues, each with its one thread. close() closes no more than
 * this; before the port. 0 or -ENOMEM.
 */
int xf_port_beside(struct xf_link **out, struct xf_link *port);

#endif
