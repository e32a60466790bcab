/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frame: Ethernet, IPv4 and UDP headers on plain bytes; the step between seal/open and the port. */
#include "frame.h"

#include <string.h>

#include "bytes.h"

#define ETHERTYPE_IPV4     0x0800u
#define IPV4_NO_OPTIONS    0x45u /* version 4, header of five words */
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_FRAGMENT_MASK 0x3fffu /* more fragments, and the offset */
#define PROTOCOL_UDP       17u
/* The link does not route. A kernel also sees what an af_packet port receives: one that routes, and
   checks no sources, must find nothing to forward. */
#define IPV4_TTL 1u

/* Offsets into the frame. */
#define AT_ETHERTYPE 12
#define AT_IPV4      ((int)XF_ETHER_BYTES)
#define AT_UDP       (AT_IPV4 + (int)XF_IPV4_BYTES)

void xf_frame_template_init(struct xf_frame_template *t, const struct xf_link_addr *self,
                            uint16_t src_port, const struct xf_link_addr *peer,
                            struct xf_frame_offload offload)
{
    uint8_t *h = t->header;

    memset(t, 0, sizeof(*t));
    t->offload = offload;

    memcpy(h, peer->mac, 6);
    memcpy(h + 6, self->mac, 6);
    xf_put16(h + AT_ETHERTYPE, ETHERTYPE_IPV4);

    /* A packet is never fragmented: the identification may stay zero (RFC 6864, section 4). */
    h[AT_IPV4] = IPV4_NO_OPTIONS;
    xf_put16(h + AT_IPV4 + 6, IPV4_DONT_FRAGMENT);
    h[AT_IPV4 + 8] = IPV4_TTL;
    h[AT_IPV4 + 9] = PROTOCOL_UDP;
    xf_put32(h + AT_IPV4 + 12, self->ipv4);
    xf_put32(h + AT_IPV4 + 16, peer->ipv4);

    xf_put16(h + AT_UDP, src_port);
    xf_put16(h + AT_UDP + 2, peer->udp_port);

    t->ipv4_sum = xf_sum16(h + AT_IPV4, XF_IPV4_BYTES);
    t->pseudo_sum = xf_sum16(h + AT_IPV4 + 12, 8) + PROTOCOL_UDP;
}

void xf_frame_write(const struct xf_frame_template *t, uint8_t *header, uint32_t payload_bytes)
{
    uint32_t udp_bytes = payload_bytes + XF_UDP_BYTES;
    uint32_t ipv4_bytes = udp_bytes + XF_IPV4_BYTES;

    memcpy(header, t->header, XF_FRAME_HEADER_BYTES);
    xf_put16(header + AT_IPV4 + 2, ipv4_bytes);
    xf_put16(header + AT_UDP + 4, udp_bytes);
    if (!t->offload.ipv4)
        xf_put16(header + AT_IPV4 + 10, ~xf_sum_fold(t->ipv4_sum + ipv4_bytes) & 0xffff);
    /*
     * Without offload UDP's checksum stays zero, "not computed" (RFC 768): to sum a whole payload
     * would cost about what encrypting it costs, and the payload's tag already proves every byte of
     * it.
     */
    if (t->offload.udp)
        xf_put16(header + AT_UDP + 6, xf_sum_fold(t->pseudo_sum + udp_bytes));
}

enum xf_frame_verdict xf_frame_parse(const uint8_t *frame, size_t len,
                                     const struct xf_link_addr *self,
                                     const struct xf_link_addr *group, bool ipv4_checked,
                                     uint32_t *payload_bytes)
{
    const struct xf_link_addr *to;
    const uint8_t *ip = frame + AT_IPV4;
    const uint8_t *udp = frame + AT_UDP;

    /* Who it is for comes first: short frames of other protocols are no fault of anybody's. */
    if (len < XF_ETHER_BYTES)
        return XF_FRAME_BAD;
    to = group && !memcmp(frame, group->mac, 6) ? group : self;
    if (memcmp(frame, to->mac, 6) != 0 || xf_get16(frame + AT_ETHERTYPE) != ETHERTYPE_IPV4)
        return XF_FRAME_NOT_OURS;
    if (len < XF_ETHER_BYTES + XF_IPV4_BYTES)
        return XF_FRAME_BAD;
    if (ip[9] != PROTOCOL_UDP || xf_get32(ip + 16) != to->ipv4)
        return XF_FRAME_NOT_OURS;
    if (ip[0] != IPV4_NO_OPTIONS)
        return XF_FRAME_NOT_OURS; /* our peers send neither options nor another version */
    if (!ipv4_checked && xf_sum_fold(xf_sum16(ip, XF_IPV4_BYTES)) != 0xffff)
        return XF_FRAME_BAD;
    if (xf_get16(ip + 6) & IPV4_FRAGMENT_MASK)
        return XF_FRAME_NOT_OURS; /* our peers' packets fit the MTU and are marked as such */

    uint32_t ipv4_bytes = xf_get16(ip + 2);

    if (ipv4_bytes < XF_IPV4_BYTES + XF_UDP_BYTES || ipv4_bytes > len - XF_ETHER_BYTES)
        return XF_FRAME_BAD;
    if (xf_get16(udp + 2) != to->udp_port)
        return XF_FRAME_NOT_OURS;
    /* Another length in UDP than in IPv4 would leave bytes that nobody accounts for. */
    if (xf_get16(udp + 4) != ipv4_bytes - XF_IPV4_BYTES)
        return XF_FRAME_BAD;
    *payload_bytes = ipv4_bytes - XF_IPV4_BYTES - XF_UDP_BYTES;
    return XF_FRAME_OURS;
}
