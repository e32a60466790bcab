/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring that net_af_packet is given. Threads: any. */
#ifndef XF_DPDK_AF_PACKET_H
#define XF_DPDK_AF_PACKET_H

#include <stdint.h>

/* The ring's frame that net_af_packet needs for an MTU, and how many of them it is given. */
uint32_t xf_af_packet_frame_bytes(uint32_t mtu);
uint32_t xf_af_packet_frames(uint32_t mtu);

#endif
