/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Multicast: where one packet reaches a group of ports (IPv4, RFC 1112), and the frames by which a
 * member tells switches that it wants the group's packets (IGMPv2, RFC 2236). On plain bytes; it
 * knows no port.
 *
 * Threads: none.
 */
#ifndef XF_DPDK_MULTICAST_H
#define XF_DPDK_MULTICAST_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/link.h"
#include "transport/offer.h"

/*
 * The group of a session: the same for all who know its id, another for almost every other session.
 * 239.0.0.0/8, which routers keep within a site. udp_port: where its members receive, host order.
 */
void xf_multicast_of_session(struct xf_link_addr *group,
                             const uint8_t session_id[XF_SESSION_ID_BYTES], uint16_t udp_port);

/* Whether it is an address that xf_multicast_of_session() could have made. */
bool xf_multicast_is_valid(const struct xf_link_addr *group);

/* As long as an Ethernet frame is at the least, without its CRC: zeros fill it up. */
#define XF_IGMP_FRAME_BYTES 60u

/* "I am a member of the group" and "I am no longer", as `self` sends them. */
void xf_igmp_report(uint8_t frame[XF_IGMP_FRAME_BYTES], const struct xf_link_addr *self,
                    const struct xf_link_addr *group);
void xf_igmp_leave(uint8_t frame[XF_IGMP_FRAME_BYTES], const struct xf_link_addr *self,
                   const struct xf_link_addr *group);

#endif
