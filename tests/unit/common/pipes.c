/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pipes: a ring under a lock for each queue. */
#include "pipes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PIPE_PACKETS 1024u

struct pipe {
    pthread_mutex_t lock;
    struct xf_buf bufs[PIPE_PACKETS];
    unsigned first, n;
};

struct end {
    struct xf_link link; /* first */
    struct pipes *pipes;
    unsigned number;
    struct pipe in[8];
};

struct pipes {
    struct end ends[2];
    unsigned shift;
    atomic_uint held;
};

static struct end *end_of(const struct xf_link *link)
{
    return (struct end *)(uintptr_t)link;
}

static unsigned pipe_tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    (void)queue;
    for (unsigned i = 0; i < n; i++) {
        bufs[i].data = malloc(link->payload_bytes);
        bufs[i].cap = link->payload_bytes;
        bufs[i].cookie = bufs[i].data;
    }
    atomic_fetch_add(&end_of(link)->pipes->held, n);
    return n;
}

static void pipe_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    (void)queue;
    for (unsigned i = 0; i < n; i++)
        free(bufs[i].cookie);
    atomic_fetch_sub(&end_of(link)->pipes->held, n);
}

static unsigned pipe_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct pipes *p = end_of(link)->pipes;
    struct end *to = &p->ends[!end_of(link)->number];
    struct pipe *pipe = &to->in[(queue + p->shift) % to->link.queues];

    for (unsigned i = 0; i < n; i++) {
        pthread_mutex_lock(&pipe->lock);
        bool full = pipe->n == PIPE_PACKETS;

        if (!full)
            pipe->bufs[(pipe->first + pipe->n++) % PIPE_PACKETS] = bufs[i];
        pthread_mutex_unlock(&pipe->lock);
        if (full) /* as a network does */
            pipe_free(link, queue, &bufs[i], 1);
    }
    return n;
}

static unsigned pipe_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct pipe *pipe = &end_of(link)->in[queue];
    unsigned got = 0;

    pthread_mutex_lock(&pipe->lock);
    for (; got < n && pipe->n; got++, pipe->n--) {
        bufs[got] = pipe->bufs[pipe->first];
        pipe->first = (pipe->first + 1) % PIPE_PACKETS;
    }
    pthread_mutex_unlock(&pipe->lock);
    return got;
}

static void pipe_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    (void)peer;
}

static void pipe_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    (void)link;
    memset(out, 0, sizeof(*out));
}

static int pipe_health(struct xf_link *link)
{
    (void)link;
    return 0;
}

static void pipe_close(struct xf_link *link)
{
    (void)link;
}

struct pipes *pipes_new(const unsigned queues[2], unsigned shift, uint32_t payload_bytes)
{
    static const struct xf_link_ops ops = {
        .tx_alloc = pipe_tx_alloc,
        .tx_burst = pipe_tx_burst,
        .tx_free = pipe_free,
        .rx_burst = pipe_rx_burst,
        .rx_free = pipe_free,
        .set_peer = pipe_set_peer,
        .stats = pipe_stats,
        .health = pipe_health,
        .close = pipe_close,
    };
    struct pipes *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->shift = shift;
    for (unsigned i = 0; i < 2; i++) {
        p->ends[i].link = (struct xf_link){.ops = &ops,
                                           .queues = queues[i],
                                           .payload_bytes = payload_bytes,
                                           .rx_ring = PIPE_PACKETS};
        p->ends[i].pipes = p;
        p->ends[i].number = i;
        for (unsigned q = 0; q < 8; q++)
            pthread_mutex_init(&p->ends[i].in[q].lock, NULL);
    }
    return p;
}

void pipes_free(struct pipes *p)
{
    for (unsigned i = 0; i < 2; i++)
        for (unsigned q = 0; q < 8; q++) {
            struct pipe *pipe = &p->ends[i].in[q];

            for (; pipe->n; pipe->n--) {
                free(pipe->bufs[pipe->first].cookie);
                pipe->first = (pipe->first + 1) % PIPE_PACKETS;
            }
            pthread_mutex_destroy(&pipe->lock);
        }
    free(p);
}

struct xf_link *pipes_end(struct pipes *p, unsigned end)
{
    return &p->ends[end].link;
}

unsigned pipes_held(const struct pipes *p)
{
    unsigned waiting = 0;

    for (unsigned i = 0; i < 2; i++)
        for (unsigned q = 0; q < 8; q++)
            waiting += p->ends[i].in[q].n;
    return atomic_load(&p->held) - waiting;
}
