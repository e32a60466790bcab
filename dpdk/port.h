/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port: a link (transport/link.h) over a DPDK port: Ethernet/IPv4/UDP frames around sealed packets,
 * checksums by the port where it can, N queues. The only room that includes rte_*.
 *
 * A memif's server is opened first: it listens and does not wait. Its client is opened after that
 * and waits for it. Every other port is open when its link is up.
 *
 * Threads: open, close, set_peer and stats from one thread; a queue from one thread at a time.
 */
#ifndef XF_DPDK_PORT_H
#define XF_DPDK_PORT_H

#include <stdint.h>

#include "eal.h"
#include "transport/link.h"

#define XF_UDP_PORT_DEFAULT 7950

struct xf_port_config {
    const char *port;  /* as given to xf_dpdk_start() */
    uint32_t ipv4;     /* our address, host order */
    uint16_t udp_port; /* ours; 0 = XF_UDP_PORT_DEFAULT */
    unsigned queues;   /* wanted; 0 = 1. A port that has fewer is an error */
    uint32_t mtu;      /* 0 = the largest the port takes, at most 9000 */
};

/* Configures and starts the port that xf_dpdk_start() probed. *out is closed by its ops->close. */
int xf_port_open(struct xf_link **out, const struct xf_port_config *config,
                 char err[XF_DPDK_ERR_BYTES]);

#endif
