/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port by any vdev string, as DPDK takes it: what is not known of it, DPDK says. */
#include <errno.h>
#include <string.h>

#include "kind.h"
#include "vdevname.h"

static int parse(struct xf_port_spec *spec, const char *port)
{
    spec->tx_waits = !strncmp(port, "net_af_packet", 13);
    return xf_vdevname_parse(spec, port);
}

static uint32_t mtu(const struct xf_port_spec *spec, const struct xf_port_device *device)
{
    (void)spec;
    return device->mtu < XF_SPEC_MTU_MAX ? device->mtu : XF_SPEC_MTU_MAX;
}

static uint32_t room(const struct xf_port_spec *spec, uint32_t mtu, uint32_t largest)
{
    (void)spec;
    (void)largest;
    return xf_port_dma_room(mtu);
}

const struct xf_port_kind xf_port_vdev = {
    .prefix = "net_",
    .parse = parse,
    .vdev = xf_vdevname_vdev,
    .mtu = mtu,
    .room = room,
};
