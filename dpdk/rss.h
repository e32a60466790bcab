/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RSS: which receive queue of a NIC a lane's packets land on (receive side scaling). The NIC hashes
 * addresses and ports (Toeplitz) and looks the queue up in a table by the hash's low bits. The peer
 * sends lane N from UDP port udp_port + N, so its hash is known, and its entry in the table can
 * name lane N's own queue. Left to the NIC's own table, two lanes may share a queue, and one thread
 * then receives for both.
 *
 * Threads: the one that may call the port's set_peer().
 */
#ifndef XF_DPDK_RSS_H
#define XF_DPDK_RSS_H

#include <stdint.h>

#include "transport/link.h"

/*
 * Of a started port with so many queues, whose NIC hashes UDP's ports: what lane N of the peer
 * sends `to` an address, the port's own or its group's, to queue N % queues, the rest evenly. 0;
 * -ENOTSUP: the NIC has no such table, or does not say its key; -errno: it does not take the table.
 * Then all still arrive, but maybe on another lane's queue.
 */
int xf_rss_steer(uint16_t port, unsigned queues, const struct xf_link_addr *to,
                 const struct xf_link_addr *peer);

#endif
