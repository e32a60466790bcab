/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Group: the link that a source has to several targets. */
#include "group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group_check.h"
#include "group_receive.h"
#include "transport/base/clock.h"

static struct xf_group *self(struct xf_link *link)
{
    return (struct xf_group *)link;
}

static uint64_t real_now_us(void *arg)
{
    (void)arg;
    return xf_now_us();
}

void xf_group_config_init(struct xf_group_config *config)
{
    *config = (struct xf_group_config){
        .answer_us = 25000000,
        .ready_us = 50000000,
        .silence_us = 10000000,
        .still_us = 10000000,
        .lag_us = 60000000,
        .last_us = 1000000,
    };
}

/* ---- out: the same bytes by each path ------------------------------------------------------ */

/* Whether somebody is still at its end. */
static bool path_is_used(const struct xf_group *g, unsigned path)
{
    const uint64_t alive = atomic_load_explicit(&g->alive, memory_order_acquire);
    const uint64_t by_copy = atomic_load_explicit(&g->by_copy, memory_order_acquire);

    if (g->by_address)
        return alive >> path & 1;
    return path ? (alive & by_copy) >> (path - 1) & 1 : (alive & ~by_copy) != 0;
}

/* Offers what a path has not taken yet. True: nothing is left. */
static bool flush_path(struct xf_group *g, unsigned queue, unsigned path)
{
    struct xf_group_pending *p = &g->lanes[queue].pending[path];
    struct xf_link *to = g->paths[path];

    if (!p->n)
        return true;
    unsigned sent = 0;

    if (path_is_used(g, path)) {
        sent = to->ops->tx_burst(to, queue, p->bufs + p->at, p->n);
    } else {
        to->ops->tx_free(to, queue, p->bufs + p->at, p->n);
        sent = p->n;
    }
    p->at += sent;
    p->n -= sent;
    return !p->n;
}

static bool flush(struct xf_group *g, unsigned queue)
{
    bool all = true;

    for (unsigned i = 0; i < g->out_n; i++)
        all = flush_path(g, queue, i) && all;
    return all;
}

/* Copies of them for a path, as many as it has room for. */
static unsigned copy_for(struct xf_group *g, unsigned queue, unsigned path,
                         const struct xf_buf *bufs, unsigned n)
{
    struct xf_group_pending *p = &g->lanes[queue].pending[path];
    struct xf_link *to = g->paths[path];

    p->at = 0;
    p->n = to->ops->tx_alloc(to, queue, p->bufs, n);
    for (unsigned i = 0; i < p->n; i++) {
        memcpy(p->bufs[i].data, bufs[i].data, bufs[i].len);
        p->bufs[i].len = bufs[i].len;
    }
    return p->n;
}

static void note_sent(struct xf_group_lane *l, const struct xf_buf *bufs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct xf_wire_header h;

        memcpy(&h, bufs[i].data, sizeof(h));
        if (h.sequence >= xf_count_of(&l->next))
            xf_count_set(&l->next, h.sequence + 1);
    }
}

static void give_back(struct xf_group_lane *l, const struct xf_buf *bufs, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        l->free[l->free_n++] = bufs[i].data;
}

/* All paths from `first` on take the same ones, or keep them until they can: so the slowest holds
   up the source, and loses nothing. */
static unsigned fan_out(struct xf_group *g, unsigned queue, unsigned first,
                        const struct xf_buf *bufs, unsigned n)
{
    struct xf_group_lane *l = &g->lanes[queue];

    for (unsigned i = first; i < g->out_n && n; i++)
        if (path_is_used(g, i))
            n = copy_for(g, queue, i, bufs, n);
    for (unsigned i = first; i < g->out_n; i++) {
        struct xf_group_pending *p = &l->pending[i];

        if (p->n <= n)
            continue;
        g->paths[i]->ops->tx_free(g->paths[i], queue, p->bufs + n, p->n - n);
        p->n = n; /* another had less room */
    }
    return n;
}

static unsigned group_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                               unsigned n)
{
    struct xf_group *g = self(link);
    struct xf_group_lane *l = &g->lanes[queue];

    if (!flush(g, queue))
        return 0;
    n = n < XF_BURST_MAX ? n : XF_BURST_MAX;
    /* Those for all are the path's own, and need no copy. */
    n = fan_out(g, queue, g->by_address ? 0 : 1, bufs, n);
    note_sent(l, bufs, n);
    if (g->by_address) {
        give_back(l, bufs, n);
    } else {
        memcpy(l->pending[0].bufs, bufs, n * sizeof(bufs[0]));
        l->pending[0].at = 0;
        l->pending[0].n = n;
    }
    flush(g, queue);
    return n;
}

static unsigned group_tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                               unsigned n)
{
    struct xf_group *g = self(link);
    struct xf_group_lane *l = &g->lanes[queue];

    if (!g->by_address)
        return g->paths[0]->ops->tx_alloc(g->paths[0], queue, bufs, n);
    n = n < l->free_n ? n : l->free_n;
    for (unsigned i = 0; i < n; i++)
        bufs[i] = (struct xf_buf){.data = l->free[--l->free_n], .cap = link->payload_bytes};
    return n;
}

static void group_tx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_group *g = self(link);

    if (g->by_address)
        give_back(&g->lanes[queue], bufs, n);
    else
        g->paths[0]->ops->tx_free(g->paths[0], queue, bufs, n);
}

/* ---- in: one packet for all that has come -------------------------------------------------- */

static void receive_path(struct xf_group *g, unsigned queue, unsigned path, uint64_t now_us)
{
    struct xf_link *from = g->paths[path];
    struct xf_buf bufs[XF_BURST_MAX];
    unsigned n = from->ops->rx_burst(from, queue, bufs, XF_BURST_MAX);

    if (xf_link_rx_more(from, queue, n, XF_BURST_MAX))
        g->lanes[queue].more = true;
    for (unsigned i = 0; i < n; i++)
        xf_group_receive(g, path, &bufs[i], now_us);
    if (n)
        from->ops->rx_free(from, queue, bufs, n);
}

static unsigned group_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                               unsigned n)
{
    struct xf_group *g = self(link);
    struct xf_group_lane *l = &g->lanes[queue];
    const uint64_t now_us = xf_group_now(g);

    flush(g, queue);
    l->more = false;
    for (unsigned i = 0; i < g->config.paths_n; i++)
        if (!g->by_address || path_is_used(g, i))
            receive_path(g, queue, i, now_us);
    if (queue == 0)
        xf_group_check(g, now_us);
    if (!n)
        return 0;
    pthread_mutex_lock(&l->lock);
    const uint32_t len = xf_group_tell(g, queue, now_us);

    pthread_mutex_unlock(&l->lock);
    bufs[0] = (struct xf_buf){.data = l->out, .len = len, .cap = sizeof(l->out)};
    return len ? 1 : 0;
}

static bool group_rx_more(const struct xf_link *link, unsigned queue)
{
    return ((const struct xf_group *)link)->lanes[queue].more;
}

static void group_rx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_group_lane *l = &self(link)->lanes[queue];

    (void)bufs;
    if (!n)
        return;
    pthread_mutex_lock(&l->lock);
    l->held = false;
    pthread_mutex_unlock(&l->lock);
}

/* ---- the rest of a link -------------------------------------------------------------------- */

/* Who the targets are, their own answers say. */
static void group_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    (void)peer;
}

static unsigned group_worst_loss(struct xf_link *link, unsigned queue)
{
    struct xf_group_lane *l = &self(link)->lanes[queue];

    pthread_mutex_lock(&l->lock);
    unsigned share = xf_worst_loss_share(&l->worst_loss);

    pthread_mutex_unlock(&l->lock);
    return share;
}

static void group_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    const struct xf_group *g = (const struct xf_group *)link;

    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < g->config.paths_n; i++) {
        struct xf_link_stats one;

        g->paths[i]->ops->stats(g->paths[i], &one);
        out->tx_packets += one.tx_packets;
        out->tx_bytes += one.tx_bytes;
        out->rx_packets += one.rx_packets;
        out->rx_bytes += one.rx_bytes;
        out->tx_unsent += one.tx_unsent;
        out->rx_not_ours += one.rx_not_ours;
        out->rx_bad_frame += one.rx_bad_frame;
        out->rx_port_missed += one.rx_port_missed;
        for (unsigned q = 0; q < XF_LINK_STATS_QUEUES; q++) {
            out->queues[q].tx_packets += one.queues[q].tx_packets;
            out->queues[q].rx_packets += one.queues[q].rx_packets;
        }
    }
}

static bool group_renewed(struct xf_link *link)
{
    return atomic_exchange_explicit(&self(link)->renewed, false, memory_order_relaxed);
}

/* Where each target has a path of its own, one that fails is that target's (group_check.c). */
static int group_health(struct xf_link *link)
{
    struct xf_group *g = self(link);

    return g->config.paths_n == 1 ? g->paths[0]->ops->health(g->paths[0]) : 0;
}

static void free_pending(struct xf_group *g, unsigned queue)
{
    struct xf_group_pending *pending = g->lanes[queue].pending;

    for (unsigned i = 0; pending && i < g->out_n; i++)
        if (pending[i].n)
            g->paths[i]->ops->tx_free(g->paths[i], queue, pending[i].bufs + pending[i].at,
                                      pending[i].n);
    free(pending);
}

static void group_close(struct xf_link *link)
{
    struct xf_group *g = self(link);

    for (unsigned i = 0; g->lanes && i < g->link.queues; i++) {
        free_pending(g, i);
        free(g->lanes[i].room);
        free(g->lanes[i].of);
        pthread_mutex_destroy(&g->lanes[i].lock);
    }
    for (unsigned i = 0; g->ones && i < g->count; i++)
        xf_seal_free(g->ones[i].seal);
    xf_seal_free(g->seal);
    pthread_mutex_destroy(&g->drops);
    free(g->lanes);
    free(g->ones);
    free(g->paths);
    free(g);
}

static const struct xf_link_ops ops = {
    .tx_alloc = group_tx_alloc,
    .tx_burst = group_tx_burst,
    .tx_free = group_tx_free,
    .rx_burst = group_rx_burst,
    .rx_more = group_rx_more,
    .rx_free = group_rx_free,
    .set_peer = group_set_peer,
    .stats = group_stats,
    .renewed = group_renewed,
    .worst_loss = group_worst_loss,
    .health = group_health,
    .close = group_close,
};

/* ---- life ---------------------------------------------------------------------------------- */

static int init_lanes(struct xf_group *g)
{
    const unsigned n = g->link.queues;

    g->lanes = aligned_alloc(_Alignof(struct xf_group_lane), n * sizeof(g->lanes[0]));
    if (!g->lanes)
        return -ENOMEM;
    memset(g->lanes, 0, n * sizeof(g->lanes[0]));
    for (unsigned i = 0; i < n; i++)
        pthread_mutex_init(&g->lanes[i].lock, NULL);
    for (unsigned i = 0; i < n; i++) {
        struct xf_group_lane *l = &g->lanes[i];

        l->of = calloc(g->count, sizeof(l->of[0]));
        l->pending = calloc(g->out_n, sizeof(l->pending[0]));
        if (!l->of || !l->pending)
            return -ENOMEM;
        for (unsigned j = 0; j < g->count; j++)
            xf_window_init(&l->of[j].window);
        if (!g->by_address)
            continue;
        l->room = aligned_alloc(64, (size_t)XF_GROUP_BUFS * XF_PAYLOAD_MAX);
        if (!l->room)
            return -ENOMEM;
        for (unsigned j = 0; j < XF_GROUP_BUFS; j++)
            l->free[l->free_n++] = l->room + (size_t)j * XF_PAYLOAD_MAX;
    }
    return 0;
}

static int init_targets(struct xf_group *g, const struct xf_group_config *c)
{
    const struct xf_offer *offer = &c->offer;

    g->ones = calloc(g->count, sizeof(g->ones[0]));
    if (!g->ones)
        return -ENOMEM;
    for (unsigned i = 0; i < g->count; i++) {
        struct xf_group_one *one = &g->ones[i];
        int rc = xf_seal_new_two(&one->seal, offer->secret, c->members[i].secret, offer->session_id,
                                 XF_ROLE_SOURCE);

        if (rc)
            return rc;
        snprintf(one->name, sizeof(one->name), "%s", c->names[i]);
        one->path = g->paths[c->paths_n > 1 ? i : 0];
        one->round = 1;
        xf_count_set(&one->heard_us, g->began_us);
        one->rate_us = one->even_us = g->began_us;
    }
    return 0;
}

static int init_paths(struct xf_group *g, const struct xf_group_config *c)
{
    const unsigned copies = c->copies ? g->count : 0;

    g->out_n = c->paths_n + copies;
    g->paths = calloc(g->out_n, sizeof(g->paths[0]));
    if (!g->paths)
        return -ENOMEM;
    memcpy(g->paths, c->paths, c->paths_n * sizeof(g->paths[0]));
    if (copies)
        memcpy(g->paths + c->paths_n, c->copies, copies * sizeof(g->paths[0]));
    if (c->by_copies)
        g->by_copy = UINT64_MAX;
    return 0;
}

static bool is_possible(const struct xf_group_config *c)
{
    const unsigned count = c->members[0].count;

    /* By one path, several are reached only as a group. */
    if (!count || count > XF_MEMBERS_MAX || c->paths_n != (c->members[0].group.ipv4 ? 1 : count) ||
        !(c->offer.features & XF_FEATURE_GROUP) || !c->offer.queues)
        return false;
    if ((c->by_copies && !c->copies) || (c->copies && !c->members[0].group.ipv4))
        return false;
    for (unsigned i = 0; i < c->paths_n; i++)
        if (c->offer.queues > c->paths[i]->queues ||
            c->offer.payload_bytes > c->paths[i]->payload_bytes)
            return false;
    return true;
}

int xf_group_new(struct xf_link **out, const struct xf_group_config *config)
{
    struct xf_group *g;
    int rc;

    *out = NULL;
    if (!is_possible(config))
        return -EINVAL;
    g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    pthread_mutex_init(&g->drops, NULL);
    g->config = *config;
    if (!g->config.now_us)
        g->config.now_us = real_now_us;
    g->count = config->members[0].count;
    g->by_address = !config->members[0].group.ipv4;
    g->alive = g->count == 64 ? UINT64_MAX : (UINT64_C(1) << g->count) - 1;
    g->link = *config->paths[0];
    g->link.ops = &ops;
    g->link.payload_bytes = config->offer.payload_bytes;
    g->link.queues = config->offer.queues;
    g->began_us = xf_group_now(g);
    memcpy(&g->tag, config->offer.session_id, sizeof(g->tag));
    rc = init_paths(g, config);
    rc = rc ?: init_lanes(g);
    rc = rc ?: init_targets(g, config);
    rc =
        rc ?: xf_seal_new(&g->seal, config->offer.secret, config->offer.session_id, XF_ROLE_TARGET);
    /* The keys are made; the rest is the caller's. */
    xf_offer_wipe_secret(&g->config.offer);
    g->config.members = NULL;
    g->config.names = NULL;
    g->config.paths = g->config.copies = NULL;
    if (rc) {
        group_close(&g->link);
        return rc;
    }
    if (!g->by_address)
        g->paths[0]->ops->set_peer(g->paths[0], &config->members[0].group);
    *out = &g->link;
    return 0;
}

void xf_group_offer(const struct xf_link *group, unsigned target, const struct xf_offer *offer,
                    struct xf_offer *own)
{
    const struct xf_group *g = (const struct xf_group *)group;

    *own = *offer;
    own->source = g->ones[target].path->self;
}

void xf_group_stand(struct xf_link *group)
{
    struct xf_group *g = self(group);

    atomic_store_explicit(&g->stand_us, xf_group_now(g), memory_order_relaxed);
}

void xf_group_drop(struct xf_link *group, unsigned target, int code, const char *why)
{
    xf_group_drop_for(self(group), target, code, "%s", why);
}

void xf_group_target(struct xf_link *group, unsigned target, struct xf_group_target *out)
{
    struct xf_group *g = self(group);
    struct xf_group_one *one = &g->ones[target];

    *out = (struct xf_group_target){
        .dropped = !xf_group_is_alive(g, target),
        .answered = one->answered,
        .ready = atomic_load_explicit(&one->ready, memory_order_relaxed),
        .complete = atomic_load_explicit(&one->complete, memory_order_relaxed),
        .by_copy = atomic_load_explicit(&g->by_copy, memory_order_relaxed) >> target & 1,
    };
    if (out->dropped) {
        out->code = one->code;
        out->why = one->why;
    }
}
