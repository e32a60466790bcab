/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port device: the inside of a port, shared by portdev.c (brings the device up and down) and port.c
 * (sends and receives). Not for other rooms.
 */
#ifndef XF_DPDK_PORTDEV_H
#define XF_DPDK_PORTDEV_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "alarm.h"
#include "eal.h"
#include "frame.h"
#include "kind.h"
#include "membership.h"
#include "port_config.h"
#include "trial.h"
#include "transport/base/count.h"
#include "transport/link.h"

/* Each queue is written by its own thread only: no cache line is shared. Its counts may be read by
   others. */
struct xf_port_queue {
    struct xf_frame_template frame;
    struct xf_trial trial;
    xf_count tx_packets, tx_bytes, tx_unsent;
    xf_count rx_packets, rx_bytes, rx_not_ours, rx_bad_frame;
    bool rx_more; /* the last look saw a whole burst at least */
} __rte_cache_aligned;

struct xf_port {
    struct xf_link link; /* first */
    struct xf_port_spec spec;
    uint16_t id;
    bool started, has_peer, has_callback;
    struct xf_link_addr peer; /* with has_peer */
    struct xf_membership membership;
    bool rss; /* the NIC spreads packets over the queues */
    struct xf_frame_offload offload;
    uint64_t tx_flags; /* RTE_MBUF_F_TX_* of each packet */
    struct rte_mempool *pool;
    volatile bool removed; /* set by DPDK's interrupt thread */
    bool joined;           /* its peer has been there, where ports pair up */
    uint64_t health_us;    /* when health was last looked at */
    int health_rc;         /* and what it was */
    struct xf_port_queue *queues;
};

static inline struct xf_port *xf_port_of(const struct xf_link *link)
{
    return (struct xf_port *)(uintptr_t)link; /* the link is the port's first member */
}

/* Configures and starts the device named in p->spec; fills link, id, pool. err: one line. */
int xf_portdev_open(struct xf_port *p, const struct xf_port_config *config,
                    char err[XF_DPDK_ERR_BYTES]);

/* Undoes whatever of xf_portdev_open() was done. */
void xf_portdev_close(struct xf_port *p);

/* 0, -ENETDOWN or another -errno, as the kind of port tells it. */
int xf_portdev_link_state(const struct xf_port *p);

#endif
