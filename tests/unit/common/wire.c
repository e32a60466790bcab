/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wire: a lock around a simulated link that the real clock drives. */
#include "wire.h"

static struct wire_end *enter(struct xf_link *link)
{
    struct wire_end *e = (struct wire_end *)link;

    pthread_mutex_lock(&e->wire->lock);
    xf_simlink_advance(e->wire->net, xf_now_us());
    return e;
}

static void leave(struct wire_end *e)
{
    pthread_mutex_unlock(&e->wire->lock);
}

#define WIRE_BURST(name)                                                                           \
    static unsigned wire_##name(struct xf_link *link, unsigned queue, struct xf_buf *bufs,         \
                                unsigned n)                                                        \
    {                                                                                              \
        struct wire_end *e = enter(link);                                                          \
        unsigned got = e->below->ops->name(e->below, queue, bufs, n);                              \
                                                                                                   \
        leave(e);                                                                                  \
        return got;                                                                                \
    }
#define WIRE_FREE(name)                                                                            \
    static void wire_##name(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n) \
    {                                                                                              \
        struct wire_end *e = enter(link);                                                          \
                                                                                                   \
        e->below->ops->name(e->below, queue, bufs, n);                                             \
        leave(e);                                                                                  \
    }

WIRE_BURST(tx_alloc)
WIRE_BURST(tx_burst)
WIRE_BURST(rx_burst)
WIRE_FREE(tx_free)
WIRE_FREE(rx_free)

static void wire_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    (void)peer;
}

static void wire_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    (void)link;
    memset(out, 0, sizeof(*out));
}

static int wire_health(struct xf_link *link)
{
    struct wire_end *e = enter(link);
    int rc = e->below->ops->health(e->below);

    leave(e);
    return rc;
}

static void wire_close(struct xf_link *link)
{
    (void)link;
}

static const struct xf_link_ops wire_ops = {
    .tx_alloc = wire_tx_alloc,
    .tx_burst = wire_tx_burst,
    .tx_free = wire_tx_free,
    .rx_burst = wire_rx_burst,
    .rx_free = wire_rx_free,
    .set_peer = wire_set_peer,
    .stats = wire_stats,
    .health = wire_health,
    .close = wire_close,
};

int wire_open(struct wire *wire, struct wire_end ends[2], const struct xf_simlink_config *net,
              const struct xf_fault_config *faults)
{
    int rc = xf_simlink_new(&wire->net, net);

    pthread_mutex_init(&wire->lock, NULL);
    for (unsigned i = 0; i < 2 && !rc; i++) {
        struct xf_fault_config config = *faults;
        struct xf_link *end = xf_simlink_end(wire->net, i);

        config.seed = 2 * net->seed + i;
        rc = xf_faultlink_new(&wire->fault[i], end, &config);
        ends[i] = (struct wire_end){.link = *end, .below = wire->fault[i], .wire = wire};
        ends[i].link.ops = &wire_ops;
    }
    return rc;
}

void wire_free(struct wire *wire)
{
    for (unsigned i = 0; i < 2; i++)
        wire->fault[i]->ops->close(wire->fault[i]);
    xf_simlink_free(wire->net);
    pthread_mutex_destroy(&wire->lock);
}
