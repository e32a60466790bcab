/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port by a kernel interface and net_af_packet: works on every host, at a copy each way. */
#include "af_packet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "interface.h"
#include "kernelif.h"
#include "kind.h"

/*
 * net_af_packet finds frame i at i * framesz, so a block must be a whole number of frames, and the
 * kernel wants a block to be a whole number of pages: frames in steps of 1 KiB, four to a block.
 */
#define STEP       1024u
#define PER_BLOCK  4u
#define OVERHEAD   (14u + 4u + 66u) /* Ethernet, VLAN, TPACKET_V2's header as received */
#define RING_BYTES (5u << 20)

#define PREFIX "af_packet:"

uint32_t xf_af_packet_frame_bytes(uint32_t mtu)
{
    mtu = mtu < XF_SPEC_MTU_MAX ? mtu : XF_SPEC_MTU_MAX;
    return (mtu + OVERHEAD + STEP - 1) / STEP * STEP;
}

uint32_t xf_af_packet_frames(uint32_t mtu)
{
    uint32_t n = RING_BYTES / xf_af_packet_frame_bytes(mtu);

    return n / PER_BLOCK * PER_BLOCK;
}

/* A name without a prefix is one of these: the last kind that is tried. */
static int parse(struct xf_port_spec *spec, const char *port)
{
    const size_t prefix = strlen(PREFIX);

    spec->tx_waits = true;
    return xf_interface_parse(spec, strncmp(port, PREFIX, prefix) ? port : port + prefix,
                              "net_af_packet");
}

static int probe(const char *sysfs, const struct xf_port_spec *spec,
                 const struct xf_dpdk_host *host, unsigned queues, struct xf_found *found)
{
    (void)host;
    (void)queues;
    return xf_interface_probe(sysfs, spec->kernel_if, found);
}

static int vdev(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                char out[XF_SPEC_VDEV_BYTES])
{
    uint32_t frame = xf_af_packet_frame_bytes(if_mtu);
    int n =
        snprintf(out, XF_SPEC_VDEV_BYTES, "%s,iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=%u",
                 spec->device, spec->kernel_if, queues, frame, frame * PER_BLOCK,
                 xf_af_packet_frames(if_mtu));

    return n < XF_SPEC_VDEV_BYTES ? 0 : -ENAMETOOLONG;
}

/* The interface is the administrator's: its MTU is taken as it is, never changed. */
static uint32_t mtu(const struct xf_port_spec *spec, const struct xf_port_device *device)
{
    (void)spec;
    return device->if_mtu < XF_SPEC_MTU_MAX ? device->if_mtu : XF_SPEC_MTU_MAX;
}

static uint32_t room(const struct xf_port_spec *spec, uint32_t mtu, uint32_t largest)
{
    (void)spec;
    (void)mtu;
    return xf_af_packet_frame_bytes(largest);
}

static uint32_t rx_ring(const struct xf_port_spec *spec, uint32_t if_mtu, uint32_t asked,
                        uint32_t filled)
{
    (void)spec;
    (void)asked;
    (void)filled;
    return xf_af_packet_frames(if_mtu);
}

const struct xf_port_kind xf_port_af_packet = {
    .parse = parse,
    .probe = probe,
    .vdev = vdev,
    .mtu = mtu,
    .room = room,
    .rx_ring = rx_ring,
    .link_state = xf_interface_link_state,
    .goes_with_memory = true,
};
