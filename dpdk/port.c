/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Port: bursts of sealed packets to and from a DPDK port; the step between seal/open and the wire.
 */
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multicast.h"
#include "portdev.h"
#include "rss.h"
#include "spec.h"
#include "transport/base/clock.h"

/* Asking a port for its link state may cost a register read or a system call. */
#define HEALTH_EVERY_US 100000u

/* Bursts without a packet of ours, or few, that are looked through at a time. */
#define RX_LOOKS_MAX 16u

static unsigned port_tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_port *p = xf_port_of(link);
    struct rte_mbuf *m[XF_BURST_MAX];

    (void)queue;
    n = n < XF_BURST_MAX ? n : XF_BURST_MAX;
    if (rte_pktmbuf_alloc_bulk(p->pool, m, n))
        return 0;
    for (unsigned i = 0; i < n; i++) {
        /* The payload starts where a pool's packet starts anyway, aligned; the headers before it.
         */
        bufs[i].data = rte_pktmbuf_mtod(m[i], uint8_t *);
        bufs[i].cap = link->payload_bytes;
        bufs[i].len = 0;
        bufs[i].cookie = m[i];
    }
    return n;
}

static void port_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct rte_mbuf *m[XF_BURST_MAX];

    (void)link;
    (void)queue;
    while (n) {
        unsigned some = n < XF_BURST_MAX ? n : XF_BURST_MAX;

        for (unsigned i = 0; i < some; i++)
            m[i] = bufs[i].cookie;
        rte_pktmbuf_free_bulk(m, some);
        bufs += some;
        n -= some;
    }
}

/* Of frames that go by a ring of the kernel's, how many may at once. The first may be one that has
   to be tried; then *tried says whether it has been taken. */
static unsigned known_frames(struct xf_port *p, struct xf_port_queue *q, struct rte_mbuf **m,
                             unsigned n, bool *tried)
{
    unsigned known = 0;

    *tried =
        n && !xf_trial_knows(&q->trial, m[0]->pkt_len) &&
        xf_trial_send(&q->trial, p->spec.kernel_if, rte_pktmbuf_mtod(m[0], void *), m[0]->pkt_len);
    while (!*tried && known < n && xf_trial_knows(&q->trial, m[known]->pkt_len))
        known++;
    return known;
}

static unsigned send_frames(struct xf_port *p, unsigned queue, struct rte_mbuf **m, unsigned n)
{
    bool tried;

    if (!p->spec.tx_waits)
        return rte_eth_tx_burst(p->id, (uint16_t)queue, m, (uint16_t)n);
    n = known_frames(p, &p->queues[queue], m, n, &tried);
    if (tried) {
        rte_pktmbuf_free(m[0]);
        return 1;
    }
    if (!n)
        return 0;
    xf_alarm_set();
    n = rte_eth_tx_burst(p->id, (uint16_t)queue, m, (uint16_t)n);
    xf_alarm_clear();
    return n;
}

/* With these headers, one for each queue. */
static unsigned send_to(struct xf_port *p, unsigned queue, const struct xf_frame_template *frame,
                        struct xf_buf *bufs, unsigned n)
{
    struct xf_port_queue *q = &p->queues[queue];
    struct rte_mbuf *m[XF_BURST_MAX];
    unsigned sent;

    for (unsigned i = 0; i < n; i++) {
        struct rte_mbuf *b = bufs[i].cookie;

        /* All of this may be done twice to a packet that the port does not take at once. */
        b->data_off = RTE_PKTMBUF_HEADROOM - XF_FRAME_HEADER_BYTES;
        b->data_len = (uint16_t)(XF_FRAME_HEADER_BYTES + bufs[i].len);
        b->pkt_len = b->data_len;
        b->ol_flags = p->tx_flags;
        b->l2_len = XF_ETHER_BYTES;
        b->l3_len = XF_IPV4_BYTES;
        b->l4_len = XF_UDP_BYTES;
        xf_frame_write(frame, rte_pktmbuf_mtod(b, uint8_t *), bufs[i].len);
        m[i] = b;
    }
    sent = send_frames(p, queue, m, n);
    uint64_t bytes = 0;

    for (unsigned i = 0; i < sent; i++)
        bytes += bufs[i].len;
    xf_count_add(&q->tx_bytes, bytes);
    xf_count_add(&q->tx_packets, sent);
    xf_count_add(&q->tx_unsent, n - sent);
    return sent;
}

static unsigned port_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_port *p = xf_port_of(link);

    n = n < XF_BURST_MAX ? n : XF_BURST_MAX;
    if (!p->has_peer) { /* nowhere to send to yet */
        port_free(link, queue, bufs, n);
        return n;
    }
    return send_to(p, queue, &p->queues[queue].frame, bufs, n);
}

/* ---- groups --------------------------------------------------------------------------------- */

typedef void igmp_write(uint8_t frame[XF_IGMP_FRAME_BYTES], const struct xf_link_addr *self,
                        const struct xf_link_addr *group);

/* By the first queue. Whether the port has taken it. */
static bool send_igmp(struct xf_port *p, igmp_write *write)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);

    if (!m)
        return false;
    write((uint8_t *)rte_pktmbuf_append(m, XF_IGMP_FRAME_BYTES), &p->link.self,
          &p->membership.group);
    if (send_frames(p, 0, &m, 1) == 1)
        return true;
    rte_pktmbuf_free(m);
    return false;
}

static void report_if_due(struct xf_port *p)
{
    uint64_t now_us = xf_now_us();

    if (xf_membership_is_due(&p->membership, now_us))
        xf_membership_reported(&p->membership, now_us, send_igmp(p, xf_igmp_report));
}

/* What the peer's lanes send, by their hashes. Where the NIC cannot, who receives a lane's packets
   hands them on. A group as the peer sends nothing. */
static void steer(struct xf_port *p)
{
    if (p->rss && p->has_peer && !xf_multicast_is_valid(&p->peer))
        (void)xf_rss_steer(p->id, p->link.queues,
                           p->membership.joined ? &p->membership.group : &p->link.self, &p->peer);
}

static int port_join(struct xf_link *link, const struct xf_link_addr *group,
                     char said[XF_LINK_SAID_BYTES])
{
    struct xf_port *p = xf_port_of(link);
    int rc = p->membership.joined ? -EBUSY : xf_multicast_is_valid(group) ? 0 : -EINVAL;

    if (rc) {
        snprintf(said, XF_LINK_SAID_BYTES,
                 rc == -EBUSY ? "a member of a group already" : "not the address of a group");
        return rc;
    }
    rc = xf_membership_join(&p->membership, p->id, &p->spec, group, said);
    if (rc)
        return rc;
    steer(p);
    report_if_due(p);
    return 0;
}

static void port_leave(struct xf_link *link)
{
    struct xf_port *p = xf_port_of(link);

    if (!p->membership.joined)
        return;
    /* It may be lost: switches then forget the member after minutes. */
    if (!p->removed)
        (void)send_igmp(p, xf_igmp_leave);
    xf_membership_leave(&p->membership, p->id);
    steer(p);
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Whose the frame is; if ours, *buf is its payload. The mbuf stays the caller's. */
static enum xf_frame_verdict take(const struct xf_port *p, struct rte_mbuf *m, struct xf_buf *buf)
{
    bool ipv4_checked = (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    enum xf_frame_verdict verdict;
    uint8_t *frame;

    /* A frame in pieces: only ports with small buffers do that, and ours are a frame large. */
    if (m->nb_segs != 1 && rte_pktmbuf_linearize(m))
        return XF_FRAME_BAD;
    frame = rte_pktmbuf_mtod(m, uint8_t *);
    verdict = xf_frame_parse(frame, m->data_len, &p->link.self, xf_membership_group(&p->membership),
                             ipv4_checked, &buf->len);
    /* The port has seen a wrong UDP checksum, which the parser does not look at. */
    if (verdict == XF_FRAME_OURS &&
        (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
        return XF_FRAME_BAD;
    buf->data = frame + XF_FRAME_HEADER_BYTES;
    buf->cap = 0;
    buf->cookie = m;
    return verdict;
}

/*
 * Others' frames are passed over at once, for ours are behind them, and a ring that is full of
 * theirs loses ours. Within a bound: whoever floods the port does not keep us from sending.
 */
static unsigned port_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_port *p = xf_port_of(link);
    struct xf_port_queue *q = &p->queues[queue];
    struct rte_mbuf *m[XF_BURST_MAX];
    unsigned got, wanted, seen = 0, ours = 0, looks = 0;

    if (!queue && p->membership.joined)
        report_if_due(p);
    n = n < XF_BURST_MAX ? n : XF_BURST_MAX;
    do {
        wanted = n - ours;
        got = rte_eth_rx_burst(p->id, (uint16_t)queue, m, (uint16_t)wanted);
        seen += got;
        for (unsigned i = 0; i < got; i++) {
            if (i + 1 < got)
                rte_prefetch0(rte_pktmbuf_mtod(m[i + 1], void *));
            switch (take(p, m[i], &bufs[ours])) {
            case XF_FRAME_OURS:
                xf_count_add(&q->rx_bytes, bufs[ours].len);
                ours++;
                continue;
            case XF_FRAME_NOT_OURS:
                xf_count_add(&q->rx_not_ours, 1);
                break;
            case XF_FRAME_BAD:
                xf_count_add(&q->rx_bad_frame, 1);
                break;
            }
            rte_pktmbuf_free(m[i]);
        }
    } while (got == wanted && ours < n && ++looks < RX_LOOKS_MAX);
    xf_count_add(&q->rx_packets, ours);
    q->rx_more = n && seen >= n;
    return ours;
}

static bool port_rx_more(const struct xf_link *link, unsigned queue)
{
    return xf_port_of(link)->queues[queue].rx_more;
}

static void port_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    struct xf_port *p = xf_port_of(link);

    for (unsigned q = 0; q < link->queues; q++)
        xf_frame_template_init(&p->queues[q].frame, &link->self,
                               (uint16_t)(link->self.udp_port + q), peer, p->offload);
    p->peer = *peer;
    p->has_peer = true;
    steer(p);
}

static void port_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    const struct xf_port *p = xf_port_of(link);
    struct rte_eth_stats dev;

    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < link->queues; i++) {
        const struct xf_port_queue *q = &p->queues[i];

        out->tx_packets += xf_count_of(&q->tx_packets);
        out->tx_bytes += xf_count_of(&q->tx_bytes);
        out->tx_unsent += xf_count_of(&q->tx_unsent);
        out->rx_packets += xf_count_of(&q->rx_packets);
        out->rx_bytes += xf_count_of(&q->rx_bytes);
        out->rx_not_ours += xf_count_of(&q->rx_not_ours);
        out->rx_bad_frame += xf_count_of(&q->rx_bad_frame);
        if (i < XF_LINK_STATS_QUEUES) {
            out->queues[i].tx_packets = xf_count_of(&q->tx_packets);
            out->queues[i].rx_packets = xf_count_of(&q->rx_packets);
        }
    }
    if (!rte_eth_stats_get(p->id, &dev))
        out->rx_port_missed = dev.imissed + dev.rx_nombuf;
}

static int port_health(struct xf_link *link)
{
    struct xf_port *p = xf_port_of(link);
    uint64_t now = xf_now_us();

    if (now - p->health_us >= HEALTH_EVERY_US) {
        p->health_us = now;
        p->health_rc = xf_portdev_link_state(p);
        /* Who listens is well while nobody has come yet: the transport has its own limits. */
        if (!p->health_rc)
            p->joined = true;
        else if (p->health_rc == -ENETDOWN && p->spec.listens && !p->joined)
            p->health_rc = 0;
        else if (p->health_rc == -ENETDOWN && p->spec.kind->pairs)
            p->health_rc = -ECONNRESET; /* its peer does not come back */
    }
    return p->health_rc;
}

static void port_close(struct xf_link *link)
{
    struct xf_port *p = xf_port_of(link);

    port_leave(link);
    xf_portdev_close(p);
    for (unsigned i = 0; i < link->queues; i++)
        xf_trial_close(&p->queues[i].trial);
    free(p->queues);
    free(p);
}

static const struct xf_link_ops port_ops = {
    .tx_alloc = port_tx_alloc,
    .tx_burst = port_tx_burst,
    .tx_free = port_free,
    .rx_burst = port_rx_burst,
    .rx_more = port_rx_more,
    .rx_free = port_free,
    .set_peer = port_set_peer,
    .join = port_join,
    .leave = port_leave,
    .stats = port_stats,
    .health = port_health,
    .close = port_close,
};

/* ---- a second way out ---------------------------------------------------------------------- */

struct beside {
    struct xf_link link; /* first */
    struct xf_port *port;
    bool has_peer;
    struct xf_frame_template frames[]; /* each queue's */
};

static struct beside *beside_of(struct xf_link *link)
{
    return (struct beside *)link;
}

static unsigned beside_tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                unsigned n)
{
    return port_tx_alloc(&beside_of(link)->port->link, queue, bufs, n);
}

static unsigned beside_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                unsigned n)
{
    struct beside *b = beside_of(link);

    n = n < XF_BURST_MAX ? n : XF_BURST_MAX;
    if (!b->has_peer) {
        port_free(link, queue, bufs, n);
        return n;
    }
    return send_to(b->port, queue, &b->frames[queue], bufs, n);
}

static unsigned beside_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                unsigned n)
{
    (void)link;
    (void)queue;
    (void)bufs;
    (void)n;
    return 0;
}

static void beside_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    struct beside *b = beside_of(link);

    for (unsigned q = 0; q < link->queues; q++)
        xf_frame_template_init(&b->frames[q], &link->self, (uint16_t)(link->self.udp_port + q),
                               peer, b->port->offload);
    b->has_peer = true;
}

/* The port counts all. */
static void beside_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    (void)link;
    memset(out, 0, sizeof(*out));
}

static int beside_health(struct xf_link *link)
{
    return port_health(&beside_of(link)->port->link);
}

static void beside_close(struct xf_link *link)
{
    free(link);
}

static const struct xf_link_ops beside_ops = {
    .tx_alloc = beside_tx_alloc,
    .tx_burst = beside_tx_burst,
    .tx_free = port_free,
    .rx_burst = beside_rx_burst,
    .rx_free = port_free,
    .set_peer = beside_set_peer,
    .stats = beside_stats,
    .health = beside_health,
    .close = beside_close,
};

int xf_port_beside(struct xf_link **out, struct xf_link *port)
{
    struct beside *b = calloc(1, sizeof(*b) + port->queues * sizeof(b->frames[0]));

    *out = NULL;
    if (!b)
        return -ENOMEM;
    b->link = *port;
    b->link.ops = &beside_ops;
    b->port = xf_port_of(port);
    *out = &b->link;
    return 0;
}

int xf_port_open(struct xf_link **out, const struct xf_port_config *config,
                 char err[XF_DPDK_ERR_BYTES])
{
    unsigned queues = config->queues ? config->queues : 1;
    struct xf_port *p = calloc(1, sizeof(*p));
    int rc = -ENOMEM;

    err[0] = 0;
    *out = NULL;
    if (!p)
        goto out;
    p->link.ops = &port_ops;
    p->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, queues * sizeof(*p->queues));
    if (!p->queues)
        goto out;
    memset(p->queues, 0, queues * sizeof(*p->queues));
    p->link.frame_bytes = XF_FRAME_HEADER_BYTES;
    p->link.self.ipv4 = config->ipv4;
    p->link.self.udp_port = config->udp_port ? config->udp_port : XF_UDP_PORT_DEFAULT;

    rc = xf_spec_parse(&p->spec, config->port);
    if (rc)
        goto out;
    rc = xf_portdev_open(p, config, err);

out:
    if (rc) {
        if (!err[0])
            snprintf(err, XF_DPDK_ERR_BYTES, "port %s: %s", config->port, strerror(-rc));
        if (p)
            port_close(&p->link);
        return rc;
    }
    *out = &p->link;
    return 0;
}
