/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memif: the ports of two processes of one machine, joined by DPDK's memif: for the demo and for
 * the tests. It needs no network card, no root and no hugepages.
 *
 * The server is opened first: it listens and does not wait. The client is opened after that, and
 * waits for it; so each end starts DPDK when it likes, and the client opens when it has heard that
 * the server is open. Close the client first: net_memif does not like both ends of a connection to
 * close at the same moment. Starts once a process (DPDK's own limit); one thread.
 */
#ifndef XF_DEMO_MEMIF_H
#define XF_DEMO_MEMIF_H

#include <stdbool.h>

#include "dpdk/port.h"

#define XF_MEMIF_VDEV_BYTES 256
/* In one process. */
#define XF_MEMIFS_MAX 64u

struct xf_memif {
    bool server;
    const char *port; /* NULL; or another port to use in its place */
    uint32_t ipv4;    /* host order; 192.0.2.1 of the client; .2, .3, ... of the servers */
    uint32_t mtu;     /* 0: the largest */
    char vdev[XF_MEMIF_VDEV_BYTES];
    unsigned queues;
};

/* `socket`: a path of at most 107 bytes, the same for both ends. */
void xf_memif_init(struct xf_memif *m, bool server, const char *socket, unsigned queues);
/* The same for one of several pairs that a process has an end of; number: 0 .. 63. */
void xf_memif_init_one(struct xf_memif *m, bool server, const char *socket, unsigned number,
                       unsigned queues);
/* Starts DPDK for a process that has an end of n pairs, all servers or all clients. */
int xf_memif_start(const struct xf_memif *m, unsigned n, char err[XF_DPDK_ERR_BYTES]);
int xf_memif_open(const struct xf_memif *m, struct xf_link **out, char err[XF_DPDK_ERR_BYTES]);

#endif
