/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Spec: what the user's name for a port means. Pure text work, so that it can be tested on any
 * host:
 *
 *     0000:3b:00.1, 3b:00.1        a PCI address: DPDK's own driver, full kernel bypass
 *     eth1, af_packet:eth1         a kernel interface through net_af_packet
 *     af_xdp:eth1                  a kernel interface through net_af_xdp
 *     net_memif0,role=server,...   a vdev string, as DPDK takes it
 *
 * Threads: none.
 */
#ifndef XF_DPDK_SPEC_H
#define XF_DPDK_SPEC_H

#include <stdbool.h>
#include <stdint.h>

enum xf_port_kind {
    XF_PORT_PCI,
    XF_PORT_AF_PACKET,
    XF_PORT_AF_XDP,
    XF_PORT_MEMIF,
    XF_PORT_VDEV, /* any other vdev */
};

/* Larger frames are not used even where an interface has them. */
#define XF_SPEC_MTU_MAX 9000u

/* A frame of AF_XDP has to fit a page of 4 KiB, with 256 bytes before it and what the kernel puts
   after it; drivers refuse it on interfaces that could receive longer ones. */
#define XF_SPEC_AF_XDP_IF_MTU_MAX 3498u

#define XF_SPEC_IF_BYTES     16 /* IFNAMSIZ */
#define XF_SPEC_DEVICE_BYTES 64
#define XF_SPEC_VDEV_BYTES   512

struct xf_port_spec {
    enum xf_port_kind kind;
    char kernel_if[XF_SPEC_IF_BYTES];  /* AF_PACKET and AF_XDP, else "" */
    char device[XF_SPEC_DEVICE_BYTES]; /* DPDK's name of the device */
    char vdev[XF_SPEC_VDEV_BYTES];     /* as the user gave it, for MEMIF and VDEV, else "" */
    uint32_t memif_buffer_bytes;       /* MEMIF: bsize, the largest frame */
    uint32_t memif_ring;               /* MEMIF: 1 << rsize, packets */
    bool memif_server;                 /* MEMIF: the end that listens */
};

/* -EINVAL: not a port's name. */
int xf_spec_parse(struct xf_port_spec *spec, const char *port);

/*
 * The --vdev argument for `spec` with `queues` queues; if_mtu: the kernel interface's MTU. "" for
 * PCI. -ENAMETOOLONG if it does not fit.
 */
int xf_spec_vdev(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                 char out[XF_SPEC_VDEV_BYTES]);

/* The ring's frame that net_af_packet needs for an MTU, and how many of them it is given. */
uint32_t xf_spec_af_packet_frame_bytes(uint32_t mtu);
uint32_t xf_spec_af_packet_frames(uint32_t mtu);

#endif
