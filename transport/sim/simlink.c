/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Simulated link: packets on a virtual clock. */
#include "simlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "transport/base/random.h"
#include "transport/wire.h"

struct packet {
    TAILQ_ENTRY(packet) at;
    uint64_t arrives_us;
    uint32_t len;
    uint8_t data[];
};

TAILQ_HEAD(inbox, packet);

struct end {
    struct xf_link link; /* first */
    struct xf_simlink *net;
    struct end *other;
    struct inbox inbox[XF_QUEUES_MAX]; /* by time of arrival */
    uint64_t free_at_ns;               /* when the bottleneck of what we send is free again */
    struct xf_link_stats stats;
};

struct xf_simlink {
    struct xf_simlink_config config;
    struct xf_random random;
    uint64_t now_us;
    uint64_t dropped, held;
    int down;
    double loss_pct;
    struct end ends[2];
};

static unsigned sim_tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_simlink *net = ((struct end *)link)->net;

    (void)queue;
    for (unsigned i = 0; i < n; i++) {
        struct packet *p = malloc(sizeof(*p) + link->payload_bytes);

        if (!p)
            return i;
        net->held++;
        bufs[i] = (struct xf_buf){.data = p->data, .cap = link->payload_bytes, .cookie = p};
    }
    return n;
}

static void sim_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    (void)queue;
    for (unsigned i = 0; i < n; i++)
        free(bufs[i].cookie);
    ((struct end *)link)->net->held -= n;
}

/* Puts a packet in the other end's inbox, or drops it. */
static void deliver(struct end *e, unsigned queue, struct packet *p)
{
    struct xf_simlink *net = e->net;
    const struct xf_simlink_config *c = &net->config;
    uint64_t leaves_ns = net->now_us * 1000;

    if (c->bytes_per_s) {
        if (e->free_at_ns > leaves_ns)
            leaves_ns = e->free_at_ns;
        double waiting = (double)(leaves_ns - net->now_us * 1000) * (double)c->bytes_per_s / 1e9;

        if (c->buffer_bytes && waiting > c->buffer_bytes) {
            net->dropped++;
            free(p);
            return;
        }
        leaves_ns += (uint64_t)((double)p->len * 1e9 / (double)c->bytes_per_s);
        e->free_at_ns = leaves_ns;
    }
    p->arrives_us = leaves_ns / 1000 + c->delay_us +
                    (c->jitter_us ? xf_random_below(&net->random, c->jitter_us + 1) : 0);

    struct inbox *inbox = &e->other->inbox[queue];
    struct packet *before = TAILQ_LAST(inbox, inbox); /* most come in order */

    while (before && before->arrives_us > p->arrives_us)
        before = TAILQ_PREV(before, inbox, at);
    if (before)
        TAILQ_INSERT_AFTER(inbox, before, p, at);
    else
        TAILQ_INSERT_HEAD(inbox, p, at);
}

static unsigned sim_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct end *e = (struct end *)link;

    for (unsigned i = 0; i < n; i++) {
        struct packet *p = bufs[i].cookie;

        p->len = bufs[i].len;
        e->stats.tx_packets++;
        e->stats.tx_bytes += p->len;
        if (e->net->down || xf_random_hits(&e->net->random, e->net->loss_pct) ||
            (e->net->config.path_bytes && p->len > e->net->config.path_bytes))
            free(p);
        else
            deliver(e, queue, p);
    }
    e->net->held -= n;
    return n;
}

/* A receiver that does not look loses what its ring cannot hold. */
static void overflow(struct end *e, unsigned queue)
{
    uint32_t ring = e->net->config.rx_ring, arrived = 0;

    if (!ring)
        return;
    struct packet *p, *next;

    for (p = TAILQ_FIRST(&e->inbox[queue]); p && p->arrives_us <= e->net->now_us; p = next) {
        next = TAILQ_NEXT(p, at);
        if (++arrived <= ring)
            continue;
        TAILQ_REMOVE(&e->inbox[queue], p, at);
        e->stats.rx_port_missed++;
        e->net->dropped++;
        free(p);
    }
}

static unsigned sim_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct end *e = (struct end *)link;
    unsigned got = 0;

    overflow(e, queue);
    struct packet *p;

    while (got < n && (p = TAILQ_FIRST(&e->inbox[queue])) && p->arrives_us <= e->net->now_us) {
        TAILQ_REMOVE(&e->inbox[queue], p, at);
        e->stats.rx_packets++;
        e->stats.rx_bytes += p->len;
        bufs[got++] = (struct xf_buf){.data = p->data, .len = p->len, .cookie = p};
    }
    e->net->held += got;
    return got;
}

static void sim_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    (void)peer;
}

static void sim_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    *out = ((const struct end *)link)->stats;
}

static int sim_health(struct xf_link *link)
{
    return ((struct end *)link)->net->down ? -ENETDOWN : 0;
}

static void sim_close(struct xf_link *link)
{
    (void)link;
}

static const struct xf_link_ops ops = {
    .tx_alloc = sim_tx_alloc,
    .tx_burst = sim_tx_burst,
    .tx_free = sim_free,
    .rx_burst = sim_rx_burst,
    .rx_free = sim_free,
    .set_peer = sim_set_peer,
    .stats = sim_stats,
    .health = sim_health,
    .close = sim_close,
};

int xf_simlink_new(struct xf_simlink **out, const struct xf_simlink_config *config)
{
    struct xf_simlink *net;

    *out = NULL;
    if (config->queues == 0 || config->queues > XF_QUEUES_MAX)
        return -EINVAL;
    net = calloc(1, sizeof(*net));
    if (!net)
        return -ENOMEM;
    net->config = *config;
    net->random.state = config->seed;
    for (unsigned i = 0; i < 2; i++) {
        net->ends[i].net = net;
        net->ends[i].other = &net->ends[1 - i];
        net->ends[i].link = (struct xf_link){
            .ops = &ops,
            .queues = config->queues,
            .payload_bytes = config->payload_bytes,
            .self = {.mac = {2, 0, 0, 0, 0, (uint8_t)i}, .udp_port = 1, .ipv4 = i + 1},
            .rx_ring = config->rx_ring,
        };
        for (unsigned q = 0; q < config->queues; q++)
            TAILQ_INIT(&net->ends[i].inbox[q]);
    }
    *out = net;
    return 0;
}

void xf_simlink_free(struct xf_simlink *net)
{
    if (!net)
        return;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned q = 0; q < net->config.queues; q++) {
            struct inbox *inbox = &net->ends[i].inbox[q];
            struct packet *p;

            while ((p = TAILQ_FIRST(inbox))) {
                TAILQ_REMOVE(inbox, p, at);
                free(p);
            }
        }
    }
    free(net);
}

struct xf_link *xf_simlink_end(struct xf_simlink *net, unsigned end)
{
    return &net->ends[end].link;
}

void xf_simlink_advance(struct xf_simlink *net, uint64_t now_us)
{
    if (now_us > net->now_us)
        net->now_us = now_us;
}

void xf_simlink_set_down(struct xf_simlink *net, int down)
{
    net->down = down;
}

uint64_t xf_simlink_held(const struct xf_simlink *net)
{
    return net->held;
}

void xf_simlink_set_loss(struct xf_simlink *net, double pct)
{
    net->loss_pct = pct;
}

void xf_simlink_set_path_bytes(struct xf_simlink *net, uint32_t bytes)
{
    net->config.path_bytes = bytes;
}

uint64_t xf_simlink_dropped(const struct xf_simlink *net)
{
    return net->dropped;
}
