/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Multicast: the address of a session's group, and what its members tell the network by IGMP. */
#include "multicast.h"

#include <string.h>

#include "bytes.h"
#include "frame.h"

#define SITE_LOCAL 0xef000000u /* 239.0.0.0/8 (RFC 2365) */
#define SITE_MASK  0xff000000u
#define ID_MASK    0x00ffffffu

/* Of an IPv4 group, what its MAC has of it: so 32 groups share one MAC. */
#define MAC_MASK 0x007fffffu

/* Groups with the MACs of 224.0.0.0/24 reach every port of a switch, whoever is a member. */
#define FLOODED_MASK 0x007fff00u

#define ALL_ROUTERS 0xe0000002u /* 224.0.0.2 */

#define ETHERTYPE_IPV4     0x0800u
#define IPV4_BYTES         24u   /* with one option */
#define IPV4_ONE_OPTION    0x46u /* version 4, header of six words */
#define IPV4_CONTROL       0xc0u /* precedence: internetwork control */
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_ROUTER_ALERT  0x94040000u /* RFC 2113: a switch that snoops looks at such packets */
#define PROTOCOL_IGMP      2u
#define IGMP_BYTES         8u
#define IGMP_V2_REPORT     0x16u
#define IGMP_LEAVE         0x17u

static void mac_of(uint8_t mac[6], uint32_t ipv4)
{
    xf_put16(mac, 0x0100);
    xf_put32(mac + 2, 0x5e000000u | (ipv4 & MAC_MASK));
}

void xf_multicast_of_session(struct xf_link_addr *group,
                             const uint8_t session_id[XF_SESSION_ID_BYTES], uint16_t udp_port)
{
    uint32_t id = xf_get32(session_id + (XF_SESSION_ID_BYTES - 4)) & ID_MASK;

    if (!(id & FLOODED_MASK))
        id |= 1u << 8;
    group->ipv4 = SITE_LOCAL | id;
    group->udp_port = udp_port;
    mac_of(group->mac, group->ipv4);
}

bool xf_multicast_is_valid(const struct xf_link_addr *group)
{
    uint8_t mac[6];

    mac_of(mac, group->ipv4);
    return (group->ipv4 & SITE_MASK) == SITE_LOCAL && group->ipv4 & FLOODED_MASK &&
           group->udp_port && !memcmp(group->mac, mac, sizeof(mac));
}

static void write_igmp(uint8_t frame[XF_IGMP_FRAME_BYTES], const struct xf_link_addr *self,
                       uint32_t to, uint32_t type, uint32_t group)
{
    uint8_t *ip = frame + XF_ETHER_BYTES, *igmp = ip + IPV4_BYTES;

    memset(frame, 0, XF_IGMP_FRAME_BYTES);
    mac_of(frame, to);
    memcpy(frame + 6, self->mac, 6);
    xf_put16(frame + 12, ETHERTYPE_IPV4);

    ip[0] = IPV4_ONE_OPTION;
    ip[1] = IPV4_CONTROL;
    xf_put16(ip + 2, IPV4_BYTES + IGMP_BYTES);
    xf_put16(ip + 6, IPV4_DONT_FRAGMENT);
    ip[8] = 1; /* TTL */
    ip[9] = PROTOCOL_IGMP;
    xf_put32(ip + 12, self->ipv4);
    xf_put32(ip + 16, to);
    xf_put32(ip + 20, IPV4_ROUTER_ALERT);
    xf_put16(ip + 10, ~xf_sum_fold(xf_sum16(ip, IPV4_BYTES)) & 0xffff);

    igmp[0] = (uint8_t)type;
    xf_put32(igmp + 4, group);
    xf_put16(igmp + 2, ~xf_sum_fold(xf_sum16(igmp, IGMP_BYTES)) & 0xffff);
}

void xf_igmp_report(uint8_t frame[XF_IGMP_FRAME_BYTES], const struct xf_link_addr *self,
                    const struct xf_link_addr *group)
{
    write_igmp(frame, self, group->ipv4, IGMP_V2_REPORT, group->ipv4);
}

void xf_igmp_leave(uint8_t frame[XF_IGMP_FRAME_BYTES], const struct xf_link_addr *self,
                   const struct xf_link_addr *group)
{
    write_igmp(frame, self, ALL_ROUTERS, IGMP_LEAVE, group->ipv4);
}
