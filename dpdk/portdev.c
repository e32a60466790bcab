/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Port device: brings a port up and down as its kind (kind.h) says. */
#include "portdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_mempool.h>

#include "kernelif.h"
#include "transport/base/clock.h"

#define MTU_MIN 576u /* smaller ones cannot carry a useful part of a page */

/* Longest wait for a link: the slowest NICs negotiate for some seconds; a memif peer may start
 * late. */
#define LINK_WAIT_US (15 * 1000000u)
#define LINK_POLL_US 2000u

#define RING_PACKETS 1024u
#define POOL_CACHE   256u

struct plan {
    uint32_t mtu;
    uint32_t room; /* of an mbuf, with its headroom */
    uint16_t rx_ring, tx_ring;
};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static int make_plan(const struct xf_port *p, const struct rte_eth_dev_info *info,
                     const struct xf_port_config *config, struct plan *plan,
                     char err[XF_DPDK_ERR_BYTES])
{
    const struct xf_port_kind *kind = p->spec.kind;
    struct xf_port_device device = {.max_mtu = info->max_mtu};
    uint16_t mtu = RTE_ETHER_MTU;
    uint32_t largest = 0;
    int rc = 0;

    rte_eth_dev_get_mtu(p->id, &mtu);
    device.mtu = mtu;
    if (p->spec.kernel_if[0])
        rc = xf_kernel_if_mtu(p->spec.kernel_if, &device.if_mtu);
    if (!rc) {
        largest = kind->mtu(&p->spec, &device);
        rc = largest ? 0 : -EINVAL;
    }
    if (rc) {
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: no MTU: %s", config->port, strerror(-rc));
        return rc;
    }
    if (config->mtu > largest) {
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: MTU %u was asked for, but it takes at most %u",
                 config->port, config->mtu, largest);
        return -EINVAL;
    }
    plan->mtu = config->mtu ? config->mtu : largest;
    if (plan->mtu < MTU_MIN) {
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: MTU %u is too small (%u at least)", config->port,
                 plan->mtu, MTU_MIN);
        return -EINVAL;
    }

    plan->rx_ring = plan->tx_ring = kind->ring ? kind->ring : RING_PACKETS;
    plan->room = kind->room(&p->spec, plan->mtu, largest) + RTE_PKTMBUF_HEADROOM;
    return 0;
}

/* A packet that the port still holds cannot be used again: rings, bursts and the pool's cache add
 * up. */
static unsigned pool_packets(const struct plan *plan, unsigned queues)
{
    unsigned a_queue = plan->rx_ring + plan->tx_ring + 8 * XF_BURST_MAX;

    return queues * a_queue + 2 * POOL_CACHE;
}

static int removal_event(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
    struct xf_port *p = arg;

    (void)port;
    (void)type;
    (void)ret;
    p->removed = true;
    return 0;
}

static int configure(struct xf_port *p, const struct rte_eth_dev_info *info, struct plan *plan,
                     unsigned queues)
{
    struct rte_eth_conf conf = {0};
    int rc;

    if (p->spec.kind->sets_mtu)
        conf.rxmode.mtu = plan->mtu;
    conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
    conf.txmode.offloads =
        info->tx_offload_capa & (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
    p->offload.ipv4 = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    p->offload.udp = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    p->tx_flags = 0;
    if (p->offload.ipv4)
        p->tx_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
    if (p->offload.udp)
        p->tx_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;

    p->rss = queues > 1 && info->flow_type_rss_offloads;
    if (p->rss) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            info->flow_type_rss_offloads & (RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_UDP);
    }
    rc = rte_eth_dev_configure(p->id, (uint16_t)queues, (uint16_t)queues, &conf);
    if (rc)
        return rc;
    return rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &plan->rx_ring, &plan->tx_ring);
}

static int set_up_queues(struct xf_port *p, const struct rte_eth_dev_info *info,
                         const struct plan *plan, unsigned queues)
{
    struct rte_eth_rxconf rxconf = info->default_rxconf;
    struct rte_eth_txconf txconf = info->default_txconf;
    int socket = rte_eth_dev_socket_id(p->id);
    char name[RTE_MEMPOOL_NAMESIZE];
    int rc = 0;

    rxconf.offloads = txconf.offloads = 0; /* the port's own apply to each queue */
    snprintf(name, sizeof(name), "xf_port_%u", p->id);
    p->pool = rte_pktmbuf_pool_create(name, pool_packets(plan, queues), POOL_CACHE, 0,
                                      (uint16_t)plan->room, socket);
    if (!p->pool)
        return -rte_errno;
    for (unsigned q = 0; q < queues && !rc; q++)
        rc = rte_eth_rx_queue_setup(p->id, (uint16_t)q, plan->rx_ring, (unsigned)socket, &rxconf,
                                    p->pool);
    for (unsigned q = 0; q < queues && !rc; q++)
        rc = rte_eth_tx_queue_setup(p->id, (uint16_t)q, plan->tx_ring, (unsigned)socket, &txconf);
    return rc;
}

int xf_portdev_link_state(const struct xf_port *p)
{
    struct rte_eth_link link = {0};
    int rc;

    if (p->removed)
        return -ENODEV;
    if (p->spec.kind->link_state)
        return p->spec.kind->link_state(&p->spec);
    rc = rte_eth_link_get_nowait(p->id, &link);
    if (rc)
        return rc;
    return link.link_status == RTE_ETH_LINK_UP ? 0 : -ENETDOWN;
}

/* Of two ports that pair up, who listens goes on: its link comes up when the other calls, which is
   to start after this. The other calls until somebody listens. */
static int start(struct xf_port *p)
{
    uint64_t end = xf_now_us() + LINK_WAIT_US;
    bool calls = p->spec.kind->pairs && !p->spec.listens;
    int rc;

    /*
     * Quiet: what makes it fail is reported by our caller. The rest is the tries to call, and the
     * kernel drivers' complaint that they cannot set the MAC address to what it is.
     */
    xf_dpdk_quiet(true);
    while ((rc = rte_eth_dev_start(p->id)) != 0 && calls && xf_now_us() < end)
        usleep(LINK_POLL_US);
    xf_dpdk_quiet(false);
    if (rc)
        return calls ? -ENETDOWN : rc;
    p->started = true;
    if (p->spec.listens)
        return 0;
    while ((rc = xf_portdev_link_state(p)) == -ENETDOWN && xf_now_us() < end)
        usleep(LINK_POLL_US);
    return rc;
}

/* Of a port that has started: what a queue's ring holds. */
static uint32_t usable_rx_ring(const struct xf_port *p, const struct plan *plan, uint32_t if_mtu,
                               unsigned queues)
{
    const struct xf_port_kind *kind = p->spec.kind;

    return kind->rx_ring ? kind->rx_ring(&p->spec, if_mtu, plan->rx_ring,
                                         rte_mempool_in_use_count(p->pool) / queues)
                         : plan->rx_ring;
}

int xf_portdev_open(struct xf_port *p, const struct xf_port_config *config,
                    char err[XF_DPDK_ERR_BYTES])
{
    unsigned queues = config->queues ? config->queues : 1;
    struct rte_eth_dev_info info;
    struct rte_ether_addr mac;
    struct plan plan = {0};
    uint32_t if_mtu = 0;
    const char *step = "look at";
    int rc;

    xf_dpdk_forget_errors();
    rc = rte_eth_dev_get_port_by_name(p->spec.device, &p->id);
    if (rc) {
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: DPDK was not started for it", config->port);
        return rc;
    }
    rc = rte_eth_dev_info_get(p->id, &info);
    if (rc)
        goto out;
    unsigned most = min_u32(info.max_rx_queues, info.max_tx_queues);

    if (queues > most && config->fewer && most)
        queues = most;
    if (queues > most) {
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: %u queues were asked for, but it has %u",
                 config->port, queues, most);
        return -EINVAL;
    }
    rc = make_plan(p, &info, config, &plan, err);
    if (rc)
        return rc;
    if (p->spec.kernel_if[0])
        xf_kernel_if_mtu(p->spec.kernel_if, &if_mtu);

    step = "configure";
    rc = configure(p, &info, &plan, queues);
    if (rc && p->spec.kind->sets_mtu && !config->mtu && plan.mtu > RTE_ETHER_MTU) {
        plan.mtu = RTE_ETHER_MTU; /* nobody asked for jumbo frames, so do without */
        rc = configure(p, &info, &plan, queues);
    }
    if (rc)
        goto out;
    step = "set up the queues of";
    rc = set_up_queues(p, &info, &plan, queues);
    if (rc)
        goto out;
    p->has_callback =
        !rte_eth_dev_callback_register(p->id, RTE_ETH_EVENT_INTR_RMV, removal_event, p);
    step = "start";
    rc = start(p);
    if (rc == -ENETDOWN) {
        snprintf(err, XF_DPDK_ERR_BYTES,
                 p->spec.kind->pairs ? "port %s: its server did not answer in %u s"
                                     : "port %s: no link after %u s: cable, switch, other "
                                       "end up?",
                 config->port, LINK_WAIT_US / 1000000u);
        return rc;
    }
    if (rc)
        goto out;
    step = "get the MAC address of";
    rc = rte_eth_macaddr_get(p->id, &mac);
    if (rc)
        goto out;

    memcpy(p->link.self.mac, mac.addr_bytes, sizeof(p->link.self.mac));
    p->link.queues = queues;
    p->link.payload_bytes = plan.mtu - XF_FRAME_MTU_OVERHEAD;
    p->link.rx_ring = usable_rx_ring(p, &plan, if_mtu, queues);

out:
    if (rc)
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: cannot %s it: %s%s%s", config->port, step,
                 strerror(-rc), xf_dpdk_first_error()[0] ? ": " : "", xf_dpdk_first_error());
    return rc;
}

static void take_down(void *port)
{
    struct xf_port *p = port;

    if (p->started)
        rte_eth_dev_stop(p->id);
    if (p->pool)
        rte_eth_dev_close(p->id); /* lets go of the pool's packets */
}

void xf_portdev_close(struct xf_port *p)
{
    if (p->has_callback)
        rte_eth_dev_callback_unregister(p->id, RTE_ETH_EVENT_INTR_RMV, removal_event, p);
    /* One whose peer or socket is gone already closes as well, but not without complaint. */
    xf_dpdk_quiet(p->spec.kind->pairs);
    if (p->spec.kind->close_on_interrupt_thread)
        xf_dpdk_alone(take_down, p);
    else
        take_down(p);
    xf_dpdk_quiet(false);
    p->started = false;
    /* The pool goes with the EAL's memory. To free it would only fill it with zeros before that,
       which takes tens of milliseconds of a guest's pause. */
    p->pool = NULL;
}
