/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frame: the Ethernet, IPv4 and UDP headers around a sealed packet, written and checked on plain
 * bytes (RFC 894, 791, 768). It knows no mbuf, so that tests and fuzzers can call it. What is
 * inside the payload is the transport's to authenticate; this only decides whose packet it is.
 *
 * Threads: none. A frame that is parsed is hostile: any bytes, any length.
 */
#ifndef XF_DPDK_FRAME_H
#define XF_DPDK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/link.h"

#define XF_ETHER_BYTES        14u
#define XF_IPV4_BYTES         20u /* we send no options and accept none */
#define XF_UDP_BYTES          8u
#define XF_FRAME_HEADER_BYTES (XF_ETHER_BYTES + XF_IPV4_BYTES + XF_UDP_BYTES)

/* What an MTU spends on headers: payload = MTU - 28. */
#define XF_FRAME_MTU_OVERHEAD (XF_IPV4_BYTES + XF_UDP_BYTES)

/* Who writes a frame's checksums. */
struct xf_frame_offload {
    bool ipv4; /* the port writes the IPv4 header's: ours is left zero */
    bool udp;  /* the port writes UDP's: ours holds the pseudo header's sum, as ports want it */
};

/* All that is the same in each frame from one queue to one peer. */
struct xf_frame_template {
    uint8_t header[XF_FRAME_HEADER_BYTES];
    uint32_t ipv4_sum;   /* of the header without its length */
    uint32_t pseudo_sum; /* of UDP's pseudo header without its length */
    struct xf_frame_offload offload;
};

/* src_port: varies with the queue, so that the peer's port spreads queues over its own (RSS). */
void xf_frame_template_init(struct xf_frame_template *t, const struct xf_link_addr *self,
                            uint16_t src_port, const struct xf_link_addr *peer,
                            struct xf_frame_offload offload);

/*
 * Writes the headers of a payload of payload_bytes (at most 65507) that starts at `header` +
 * XF_FRAME_HEADER_BYTES. Writing twice gives the same bytes: a frame that the port did not take is
 * offered again.
 */
void xf_frame_write(const struct xf_frame_template *t, uint8_t *header, uint32_t payload_bytes);

enum xf_frame_verdict {
    XF_FRAME_OURS,
    XF_FRAME_NOT_OURS, /* well-formed as far as we looked, for somebody else or of another kind */
    XF_FRAME_BAD,      /* cut short, or a wrong checksum or length */
};

/*
 * Decides on a frame of len bytes: it is ours if MAC, IPv4 address and UDP port are all self's, or
 * all the group's (NULL: of none). For XF_FRAME_OURS: its payload is the *payload_bytes bytes at
 * frame + XF_FRAME_HEADER_BYTES, inside the frame (which may end in padding). ipv4_checked: the
 * port has found the IPv4 checksum right. UDP's is not looked at: the tag over the payload is
 * stronger.
 */
enum xf_frame_verdict xf_frame_parse(const uint8_t *frame, size_t len,
                                     const struct xf_link_addr *self,
                                     const struct xf_link_addr *group, bool ipv4_checked,
                                     uint32_t *payload_bytes);

#endif
