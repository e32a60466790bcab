/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Membership: from a port's filter for a group to the frames that are taken from it. */
#include "membership.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "eal.h"
#include "kernelif.h"

static const char *const names[] = {
    [XF_FILTER_NONE] = "it has none",
    [XF_FILTER_KERNEL] = "the kernel's membership",
    [XF_FILTER_LIST] = "the NIC's list of groups",
    [XF_FILTER_ALL_GROUPS] = "open to all groups",
    [XF_FILTER_PROMISCUOUS] = "open to all frames",
};

/* Each way lets in more that is not ours than the one before. Ports that pair up have nothing but
   the other's frames. */
static int open_filter(struct xf_membership *m, uint16_t port, const struct xf_port_spec *spec)
{
    struct rte_ether_addr mac;
    int rc;

    m->filter = XF_FILTER_NONE;
    if (spec->kind->pairs)
        return 0;
    if (spec->kernel_if[0]) {
        m->filter = XF_FILTER_KERNEL;
        m->kernel_fd = xf_kernel_if_join(spec->kernel_if, m->group.ipv4);
        if (m->kernel_fd >= 0)
            return 0;
    }
    memcpy(mac.addr_bytes, m->group.mac, sizeof(mac.addr_bytes));
    m->filter = XF_FILTER_LIST;
    rc = rte_eth_dev_set_mc_addr_list(port, &mac, 1);
    if (rc) {
        m->filter = XF_FILTER_ALL_GROUPS;
        rc = rte_eth_allmulticast_enable(port);
    }
    if (rc) {
        m->filter = XF_FILTER_PROMISCUOUS;
        rc = rte_eth_promiscuous_enable(port);
    }
    return rc;
}

int xf_membership_join(struct xf_membership *m, uint16_t port, const struct xf_port_spec *spec,
                       const struct xf_link_addr *group, char said[XF_LINK_SAID_BYTES])
{
    struct in_addr address = {htonl(group->ipv4)};
    struct rte_eth_dev_info info;
    char text[INET_ADDRSTRLEN];
    int rc;

    inet_ntop(AF_INET, &address, text, sizeof(text));
    *m = (struct xf_membership){.group = *group};
    xf_dpdk_quiet(true); /* of what is tried, some fails */
    rc = open_filter(m, port, spec);
    xf_dpdk_quiet(false);
    if (rc) {
        const char *driver = rte_eth_dev_info_get(port, &info) ? "its driver" : info.driver_name;

        snprintf(said, XF_LINK_SAID_BYTES, "group %s: %s cannot receive from groups: %s", text,
                 driver, strerror(-rc));
        *m = (struct xf_membership){0};
        return rc;
    }
    snprintf(said, XF_LINK_SAID_BYTES, "member of group %s; the port's filter: %s", text,
             names[m->filter]);
    m->joined = true;
    return 0;
}

void xf_membership_leave(struct xf_membership *m, uint16_t port)
{
    switch (m->filter) {
    case XF_FILTER_NONE:
        break;
    case XF_FILTER_KERNEL:
        close(m->kernel_fd);
        break;
    case XF_FILTER_LIST:
        rte_eth_dev_set_mc_addr_list(port, NULL, 0);
        break;
    case XF_FILTER_ALL_GROUPS:
        rte_eth_allmulticast_disable(port);
        break;
    case XF_FILTER_PROMISCUOUS:
        rte_eth_promiscuous_disable(port);
        break;
    }
    *m = (struct xf_membership){0};
}

void xf_membership_reported(struct xf_membership *m, uint64_t now_us, bool sent)
{
    m->reports += sent;
    const unsigned doubled = sent ? m->reports - 1 : 0;
    const uint64_t wait_us = XF_MEMBERSHIP_AGAIN_US << (doubled < 5 ? doubled : 5);

    m->due_us = now_us + (wait_us < XF_MEMBERSHIP_EVERY_US ? wait_us : XF_MEMBERSHIP_EVERY_US);
}
