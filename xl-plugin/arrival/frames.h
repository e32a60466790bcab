/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames: what dom0 says in a guest's name after a move, so that the network learns where the guest
 * is now. The frames are those that QEMU and Linux send themselves:
 *
 *   RARP   a request by the guest's MAC for its own address (RFC 903), as QEMU's
 *          qemu_announce_self(): switches learn the MAC's new port, and no host learns an address
 *   ARP    a gratuitous reply for each IPv4 address (RFC 5227, section 3; RFC 5944, section 4.6)
 *   NA     an unsolicited neighbour advertisement for each IPv6 address (RFC 4861, section 7.2.6)
 *
 * Addresses are those of the toolstack's configuration (`ip=` of the vif), never those that the
 * guest has written: a guest must not make dom0 claim somebody else's address. Pure. Threads: any.
 */
#ifndef XF_ARRIVAL_FRAMES_H
#define XF_ARRIVAL_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XF_FRAME_BYTES   86 /* the longest, NA; the others are padded to Ethernet's 60 */
#define XF_FRAMES_MAX    9  /* RARP, and so many addresses less one */
#define XF_MAC_BYTES     6
#define XF_MAC_TEXT      18
#define XF_RARP_PROTOCOL 0x8035

struct xf_frame {
    uint8_t bytes[XF_FRAME_BYTES];
    size_t len;
};

/* The frames for that MAC and for the addresses in ip: separated by blanks or commas, each with or
   without "/PREFIX". What is no address of one host is left out. Returns how many, at least 1. */
unsigned xf_frames_make(struct xf_frame to[XF_FRAMES_MAX], const uint8_t mac[XF_MAC_BYTES],
                        const char *ip);

/* Whether dom0 has said it: one of those frames, or any RARP in the MAC's name (QEMU's). */
bool xf_frames_are(const struct xf_frame *frames, unsigned n, const uint8_t *bytes, size_t len);

/* From "00:16:3e:01:02:03". False: it is none, or not that of one card. */
bool xf_mac_read(uint8_t mac[XF_MAC_BYTES], const char *text);
const char *xf_mac_show(char to[XF_MAC_TEXT], const uint8_t mac[XF_MAC_BYTES]);

#endif
