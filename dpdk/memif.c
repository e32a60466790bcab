/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A port by memif: memory that two processes of one machine share. A server listens and goes on:
 * its link comes up when the client comes, which is to start after this. (net_memif turns away a
 * client that finds the server probed but not started, and a client that then hangs up at once can
 * make the server's DPDK panic.)
 */
#include <errno.h>
#include <string.h>

#include "frame.h"
#include "kind.h"
#include "vdevname.h"

/* net_memif's defaults (drivers/net/memif). */
#define BUFFER_BYTES  2048u
#define LOG2_RING     10u
#define LOG2_RING_MAX 14u

static int parse(struct xf_port_spec *spec, const char *port)
{
    uint32_t rsize = xf_vdevname_number(port, "rsize", LOG2_RING);

    if (rsize == 0 || rsize > LOG2_RING_MAX)
        return -EINVAL;
    spec->buffer_bytes = xf_vdevname_number(port, "bsize", BUFFER_BYTES);
    spec->ring = 1u << rsize;
    spec->listens = strstr(port, "role=server") || strstr(port, "role=master");
    spec->shares_memory = strstr(port, "zero-copy=yes");
    return xf_vdevname_parse(spec, port);
}

static uint32_t mtu(const struct xf_port_spec *spec, const struct xf_port_device *device)
{
    uint32_t fits;

    (void)device;
    if (spec->buffer_bytes <= XF_ETHER_BYTES)
        return 0;
    fits = spec->buffer_bytes - XF_ETHER_BYTES;
    return fits < XF_SPEC_MTU_MAX ? fits : XF_SPEC_MTU_MAX;
}

static uint32_t room(const struct xf_port_spec *spec, uint32_t mtu, uint32_t largest)
{
    (void)mtu;
    (void)largest;
    return spec->buffer_bytes;
}

static uint32_t rx_ring(const struct xf_port_spec *spec, uint32_t if_mtu, uint32_t asked,
                        uint32_t filled)
{
    (void)if_mtu;
    (void)asked;
    (void)filled;
    return spec->ring;
}

const struct xf_port_kind xf_port_memif = {
    .prefix = "net_memif",
    .parse = parse,
    .vdev = xf_vdevname_vdev,
    .mtu = mtu,
    .room = room,
    .rx_ring = rx_ring,
    .pairs = true,
    .close_on_interrupt_thread = true,
};
