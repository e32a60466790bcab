/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A port by a kernel interface and net_af_xdp. It reads so many of the interface's queues as it is
 * told, takes all that they receive, and sees nothing of the others.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_config.h>
#include <rte_mbuf_core.h>

#include "frame.h"
#include "interface.h"
#include "kernelif.h"
#include "kind.h"
#include "sysfs.h"

#define PREFIX "af_xdp:"
#define RING   2048u

/* A frame of AF_XDP has to fit a page of 4 KiB, with 256 bytes before it and what the kernel puts
   after it; drivers refuse it on interfaces that could receive longer ones. */
#define IF_MTU_MAX 3498u

/*
 * An object of the pool (its header, an mbuf, the headroom, the room) must fit a page. It has an
 * odd number of cache lines, because the pool pads an even one (it spreads objects over memory
 * channels): 63 lines. The kernel keeps 256 bytes of the room for itself (XDP_PACKET_HEADROOM).
 */
#define ROOM                                                                                       \
    (63u * RTE_CACHE_LINE_SIZE - RTE_CACHE_LINE_SIZE - (uint32_t)sizeof(struct rte_mbuf) -         \
     RTE_PKTMBUF_HEADROOM)
#define MTU (ROOM - 256u - XF_ETHER_BYTES)

static int parse(struct xf_port_spec *spec, const char *port)
{
    return xf_interface_parse(spec, port + strlen(PREFIX), "net_af_xdp");
}

/* The command that gives it so many queues to receive by. */
static void fix_queues(struct xf_found *p, const struct xf_kernel_if_queues *has, unsigned queues)
{
    if (xf_found_is_plain(p->name) && queues <= has->receive_max)
        xf_found_fix(p, false, "ethtool -L %s %s %u", p->name, has->combined ? "combined" : "rx",
                     queues);
}

static int check_queues(const struct xf_kernel_if_queues *has, unsigned queues, struct xf_found *p)
{
    if (queues > has->receive) {
        fix_queues(p, has, queues);
        return xf_found_refuse(p, -EINVAL, "has %u receive queues, and xl-fast.conf asks for %u",
                               has->receive, queues);
    }
    if (has->spread > queues && !has->steered) {
        fix_queues(p, has, queues);
        return xf_found_refuse(p, -EINVAL,
                               "spreads what it receives over %u queues, but AF_XDP reads %u: "
                               "the rest would be lost to it",
                               has->spread, queues);
    }
    return 0;
}

/* carries: what it must not be taken from. has: NULL where the interface does not say. */
static int check_af_xdp(const char *carries, const struct xf_kernel_if_queues *has, unsigned queues,
                        struct xf_found *p)
{
    if (carries)
        return xf_found_refuse(
            p, -EBUSY,
            "carries %s, and AF_XDP takes all that an interface receives: name another, "
            "or %s without af_xdp",
            carries, p->name);
    if (p->mtu > IF_MTU_MAX) {
        if (xf_found_is_plain(p->name))
            xf_found_fix(p, false, "ip link set %s mtu 3000", p->name); /* what all drivers take */
        return xf_found_refuse(p, -EINVAL, "has an MTU of %u, and AF_XDP takes interfaces up to %u",
                               p->mtu, IF_MTU_MAX);
    }
    return has ? check_queues(has, queues, p) : 0;
}

static int probe(const char *sysfs, const struct xf_port_spec *spec,
                 const struct xf_dpdk_host *host, unsigned queues, struct xf_found *out)
{
    const char *name = spec->kernel_if;
    int rc = xf_interface_probe(sysfs, name, out);
    struct xf_kernel_if_queues has = {
        .receive = out->queues,
        .spread = out->queues,
        .receive_max = out->queues,
        .combined = true,
    };
    const char *carries = NULL;
    bool known = out->queues; /* those in use, which sysfs shows */

    (void)host;
    if (rc)
        return rc;
    if (xf_sysfs_is_here(sysfs)) {
        carries = xf_kernel_if_carries(name);
        known = !xf_kernel_if_queues(name, &has);
    }
    rc = check_af_xdp(carries, known ? &has : NULL, queues, out);
    out->usable = !rc;
    return rc;
}

static int probe_start(const struct xf_port_spec *spec, uint32_t if_mtu, unsigned queues,
                       struct xf_found *out)
{
    const char *name = spec->kernel_if;
    struct xf_kernel_if_queues has;
    bool known = !xf_kernel_if_queues(name, &has);

    memset(out, 0, sizeof(*out));
    xf_sysfs_copy(out->name, sizeof(out->name), name);
    out->mtu = if_mtu;
    return check_af_xdp(xf_kernel_if_carries(name), known ? &has : NULL, queues, out);
}

static int vdev(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                char out[XF_SPEC_VDEV_BYTES])
{
    int n = snprintf(out, XF_SPEC_VDEV_BYTES, "%s,iface=%s,start_queue=0,queue_count=%u",
                     spec->device, spec->kernel_if, queues);

    (void)if_mtu;
    return n < XF_SPEC_VDEV_BYTES ? 0 : -ENAMETOOLONG;
}

/* The interface is the administrator's: its MTU is taken as it is, never changed. */
static uint32_t mtu(const struct xf_port_spec *spec, const struct xf_port_device *device)
{
    (void)spec;
    return device->if_mtu < MTU ? device->if_mtu : MTU;
}

static uint32_t room(const struct xf_port_spec *spec, uint32_t mtu, uint32_t largest)
{
    (void)spec;
    (void)mtu;
    (void)largest;
    return ROOM;
}

const struct xf_port_kind xf_port_af_xdp = {
    .prefix = PREFIX,
    .parse = parse,
    .probe = probe,
    .probe_start = probe_start,
    .mtu_at_most = IF_MTU_MAX,
    .vdev = vdev,
    .ring = RING,
    .mtu = mtu,
    .room = room,
    .link_state = xf_interface_link_state,
};
