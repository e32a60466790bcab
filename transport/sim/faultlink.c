/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault link: loses, reorders, duplicates and corrupts what is sent through it. */
#include "faultlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/count.h"
#include "transport/base/random.h"
#include "transport/wire.h"

#define HELD_MAX 64
/* A held packet is let go after so many later ones at the most, or so many looks for packets. */
#define HOLD_PACKETS 32
#define HOLD_POLLS   4096

struct held {
    uint8_t data[XF_PAYLOAD_MAX];
    uint32_t len;
    unsigned packets, polls; /* still to wait; whichever ends first */
};

/* A queue is one thread's. */
struct queue {
    _Alignas(64) struct xf_random random;
    xf_count lost, reordered, duplicated, corrupted;
    const uint8_t *judged; /* a buffer that the link below did not take: its lot is cast already */
    unsigned held_n;
    bool more; /* as of the last look */
    struct held held[HELD_MAX];
};

struct faultlink {
    struct xf_link link; /* first */
    struct xf_link *below;
    struct xf_fault_config config;
    struct queue *queues;
};

static struct faultlink *self(struct xf_link *link)
{
    return (struct faultlink *)link;
}

/* Whether what passes is lost: both ways, and whatever is held back. */
static bool is_cut(const struct faultlink *f)
{
    return f->config.state && f->config.state(f->config.state_arg);
}

/* A packet of its own with these bytes; dropped if there is no room, as networks do. */
static void send_copy(struct faultlink *f, unsigned queue, const uint8_t *data, uint32_t len)
{
    struct xf_buf buf;

    if (is_cut(f))
        return;
    if (f->below->ops->tx_alloc(f->below, queue, &buf, 1) != 1)
        return;
    memcpy(buf.data, data, len);
    buf.len = len;
    if (f->below->ops->tx_burst(f->below, queue, &buf, 1) != 1)
        f->below->ops->tx_free(f->below, queue, &buf, 1);
}

static void release_held(struct faultlink *f, unsigned queue)
{
    struct queue *q = &f->queues[queue];

    for (unsigned i = 0; i < q->held_n;) {
        struct held *h = &q->held[i];

        if (h->packets && h->polls) {
            i++;
            continue;
        }
        send_copy(f, queue, h->data, h->len);
        q->held_n--;
        if (i != q->held_n)
            *h = q->held[q->held_n];
    }
}

/* Casts a packet's lot. True: it was lost or held back, and its buffer is to be freed. */
static bool swallow(struct faultlink *f, unsigned queue, struct xf_buf *buf)
{
    struct queue *q = &f->queues[queue];

    if (xf_random_hits(&q->random, f->config.loss_pct)) {
        xf_count_add(&q->lost, 1);
        return true;
    }
    if (xf_random_hits(&q->random, f->config.corrupt_pct) && buf->len) {
        uint64_t bit = xf_random_below(&q->random, (uint64_t)buf->len * 8);

        buf->data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        xf_count_add(&q->corrupted, 1);
    }
    if (xf_random_hits(&q->random, f->config.duplicate_pct)) {
        send_copy(f, queue, buf->data, buf->len);
        xf_count_add(&q->duplicated, 1);
    }
    if (xf_random_hits(&q->random, f->config.reorder_pct) && q->held_n < HELD_MAX &&
        buf->len <= XF_PAYLOAD_MAX) {
        struct held *h = &q->held[q->held_n++];

        memcpy(h->data, buf->data, buf->len);
        h->len = buf->len;
        h->packets = 1 + (unsigned)xf_random_below(&q->random, HOLD_PACKETS);
        h->polls = HOLD_POLLS;
        xf_count_add(&q->reordered, 1);
        return true;
    }
    return false;
}

static unsigned fault_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                               unsigned n)
{
    struct faultlink *f = self(link);
    struct queue *q = &f->queues[queue];

    if (is_cut(f)) {
        q->judged = NULL;
        f->below->ops->tx_free(f->below, queue, bufs, n);
        return n;
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < q->held_n; j++)
            q->held[j].packets -= q->held[j].packets > 0;
        release_held(f, queue);
        if (bufs[i].data != q->judged && swallow(f, queue, &bufs[i])) {
            f->below->ops->tx_free(f->below, queue, &bufs[i], 1);
            continue;
        }
        q->judged = NULL;
        if (f->below->ops->tx_burst(f->below, queue, &bufs[i], 1) != 1) {
            q->judged = bufs[i].data;
            return i;
        }
    }
    return n;
}

static unsigned fault_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                               unsigned n)
{
    struct faultlink *f = self(link);
    struct queue *q = &f->queues[queue];

    for (unsigned j = 0; j < q->held_n; j++)
        q->held[j].polls -= q->held[j].polls > 0;
    release_held(f, queue);
    unsigned got = f->below->ops->rx_burst(f->below, queue, bufs, n);

    q->more = xf_link_rx_more(f->below, queue, got, n);
    if (!got || !is_cut(f))
        return got;
    f->below->ops->rx_free(f->below, queue, bufs, got);
    return 0;
}

static bool fault_rx_more(const struct xf_link *link, unsigned queue)
{
    return ((const struct faultlink *)link)->queues[queue].more;
}

static unsigned fault_tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                               unsigned n)
{
    return self(link)->below->ops->tx_alloc(self(link)->below, queue, bufs, n);
}

static void fault_tx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    self(link)->queues[queue].judged = NULL;
    self(link)->below->ops->tx_free(self(link)->below, queue, bufs, n);
}

static void fault_rx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    self(link)->below->ops->rx_free(self(link)->below, queue, bufs, n);
}

static void fault_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    self(link)->below->ops->set_peer(self(link)->below, peer);
}

static int fault_join(struct xf_link *link, const struct xf_link_addr *group,
                      char said[XF_LINK_SAID_BYTES])
{
    return xf_link_join(self(link)->below, group, said);
}

static void fault_leave(struct xf_link *link)
{
    xf_link_leave(self(link)->below);
}

static void fault_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    const struct faultlink *f = (const struct faultlink *)link;

    f->below->ops->stats(f->below, out);
}

static int fault_health(struct xf_link *link)
{
    struct faultlink *f = self(link);
    int rc = f->config.state ? f->config.state(f->config.state_arg) : 0;

    return rc < 0 ? rc : f->below->ops->health(f->below);
}

static void fault_close(struct xf_link *link)
{
    free(self(link)->queues);
    free(self(link));
}

static const struct xf_link_ops ops = {
    .tx_alloc = fault_tx_alloc,
    .tx_burst = fault_tx_burst,
    .tx_free = fault_tx_free,
    .rx_burst = fault_rx_burst,
    .rx_more = fault_rx_more,
    .rx_free = fault_rx_free,
    .set_peer = fault_set_peer,
    .join = fault_join,
    .leave = fault_leave,
    .stats = fault_stats,
    .health = fault_health,
    .close = fault_close,
};

int xf_faultlink_new(struct xf_link **out, struct xf_link *below,
                     const struct xf_fault_config *config)
{
    struct faultlink *f = calloc(1, sizeof(*f));

    *out = NULL;
    if (!f)
        return -ENOMEM;
    f->queues = aligned_alloc(_Alignof(struct queue), below->queues * sizeof(f->queues[0]));
    if (!f->queues) {
        free(f);
        return -ENOMEM;
    }
    memset(f->queues, 0, below->queues * sizeof(f->queues[0]));
    f->link = *below;
    f->link.ops = &ops;
    f->below = below;
    f->config = *config;
    for (unsigned q = 0; q < below->queues; q++)
        f->queues[q].random.state = config->seed + q * UINT64_C(0x9e3779b97f4a7c15);
    *out = &f->link;
    return 0;
}

struct xf_link *xf_faultlink_below(struct xf_link *link)
{
    return self(link)->below;
}

void xf_faultlink_stats(const struct xf_link *link, struct xf_fault_stats *out)
{
    const struct faultlink *f = (const struct faultlink *)link;

    *out = (struct xf_fault_stats){0};
    for (unsigned q = 0; q < link->queues; q++) {
        out->lost += xf_count_of(&f->queues[q].lost);
        out->reordered += xf_count_of(&f->queues[q].reordered);
        out->duplicated += xf_count_of(&f->queues[q].duplicated);
        out->corrupted += xf_count_of(&f->queues[q].corrupted);
    }
}
