/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tunnel sink: two halves of a buffer: the transport fills one while Xen's restore empties the
 * other.
 */
#include "tunnel_sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "tunnel.h"
#include "xl-plugin/plugin/timed.h"

struct xf_tunnel_sink {
    uint32_t half_pages;
    uint8_t *memory; /* two halves */
    unsigned
        landing; /* the half that the batch under way lands in: changes while lanes are still */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    uint32_t landed[2]; /* pages of each half; 0 = free to land in */
    unsigned half;      /* being taken from */
    uint32_t taken;     /* pages of it */
    uint32_t out;       /* pages after those that are out now */
    bool done, failed, held;
    bool ending; /* the last batch has come, which is held */
    struct xf_stats stats;
};

int xf_tunnel_sink_new(struct xf_tunnel_sink **out, uint64_t page_count)
{
    struct xf_tunnel_sink *t;

    *out = NULL;
    if (page_count < 2 * XF_TUNNEL_HALF_PAGES_MIN || page_count > 2 * XF_TUNNEL_HALF_PAGES_MAX ||
        page_count % (2 * XF_CHUNK_PAGES))
        return -EPROTONOSUPPORT;
    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->half_pages = (uint32_t)(page_count / 2);
    t->memory = xf_tunnel_map(page_count);
    if (!t->memory) {
        free(t);
        return -ENOMEM;
    }
    pthread_mutex_init(&t->lock, NULL);
    xf_timed_init(&t->changed);
    *out = t;
    return 0;
}

void xf_tunnel_sink_free(struct xf_tunnel_sink *t)
{
    if (!t)
        return;
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    xf_tunnel_unmap(t->memory, 2 * (uint64_t)t->half_pages);
    free(t);
}

/* ---- the guest that the transport sees ------------------------------------------------------ */

static int tunnel_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    struct xf_tunnel_sink *t = ctx;

    (void)lane;
    /* Nothing may be written to the half that is being taken from. */
    if (chunk * XF_CHUNK_PAGES / t->half_pages != t->landing)
        return -EPROTO;
    *base = t->memory + chunk * XF_CHUNK_PAGES * XF_PAGE_BYTES;
    return 0;
}

static void tunnel_unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)ctx;
    (void)lane;
    (void)chunk;
    (void)base;
}

static int tunnel_end_round(void *ctx, uint64_t count)
{
    struct xf_tunnel_sink *t = ctx;
    int rc = 0;

    if (!count) { /* the last one, which only says that there are no more */
        pthread_mutex_lock(&t->lock);
        t->ending = t->held;
        rc = t->held ? -EAGAIN : 0;
        pthread_mutex_unlock(&t->lock);
        return rc;
    }
    if (count > t->half_pages)
        return -EPROTO;
    pthread_mutex_lock(&t->lock);
    if (t->failed) {
        rc = -ECANCELED;
    } else if (t->landed[t->landing ^ 1]) {
        rc = -EAGAIN; /* the next batch would have nowhere to land */
    } else {
        t->landed[t->landing] = (uint32_t)count;
        t->landing ^= 1;
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

struct xf_guest_sink xf_tunnel_sink_guest(struct xf_tunnel_sink *t)
{
    static const struct xf_guest_sink_ops ops = {
        .lanes = xf_guest_lanes,
        .populate = xf_sink_populate,
        .map_chunk = tunnel_map_chunk,
        .unmap_chunk = tunnel_unmap_chunk,
        .map_part = xf_sink_map_part,
        .unmap_part = xf_sink_unmap_part,
        .wrote = xf_sink_wrote,
        .end_round = tunnel_end_round,
    };

    return (struct xf_guest_sink){
        .ops = &ops, .ctx = t, .page_count = 2 * (uint64_t)t->half_pages, .unmapped_rounds = true};
}

/* ---- taking --------------------------------------------------------------------------------- */

int xf_tunnel_sink_take(struct xf_tunnel_sink *t, uint32_t pages, const uint8_t **from)
{
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    /* After the last page none will come. */
    while (!t->failed && !t->landed[t->half] && !t->done)
        pthread_cond_wait(&t->changed, &t->lock);
    if (t->failed) {
        rc = -ECANCELED;
    } else if (pages < 1 || pages > t->landed[t->half] - t->taken) {
        rc = -EBADMSG;
    } else {
        t->out = pages;
        *from = t->memory + ((uint64_t)t->half * t->half_pages + t->taken) * XF_PAGE_BYTES;
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

void xf_tunnel_sink_give_back(struct xf_tunnel_sink *t)
{
    pthread_mutex_lock(&t->lock);
    t->taken += t->out;
    t->out = 0;
    if (t->taken == t->landed[t->half]) {
        t->landed[t->half] = 0;
        t->taken = 0;
        t->half ^= 1;
    }
    pthread_mutex_unlock(&t->lock);
}

bool xf_tunnel_sink_has_pages(struct xf_tunnel_sink *t)
{
    pthread_mutex_lock(&t->lock);
    bool has = t->landed[t->half] || t->ending;
    pthread_mutex_unlock(&t->lock);
    return has;
}

/* ---- ends ----------------------------------------------------------------------------------- */

void xf_tunnel_sink_done(struct xf_tunnel_sink *t, const struct xf_stats *stats)
{
    pthread_mutex_lock(&t->lock);
    t->done = true;
    t->stats = *stats;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void xf_tunnel_sink_hold(struct xf_tunnel_sink *t, bool hold)
{
    pthread_mutex_lock(&t->lock);
    t->held = hold;
    pthread_mutex_unlock(&t->lock);
}

void xf_tunnel_sink_fail(struct xf_tunnel_sink *t)
{
    pthread_mutex_lock(&t->lock);
    t->failed = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

bool xf_tunnel_sink_failed(struct xf_tunnel_sink *t)
{
    pthread_mutex_lock(&t->lock);
    bool failed = t->failed;
    pthread_mutex_unlock(&t->lock);
    return failed;
}

int xf_tunnel_sink_wait_done(struct xf_tunnel_sink *t, unsigned timeout_ms, struct xf_stats *stats,
                             uint64_t *left)
{
    struct timespec until = xf_timed_deadline(timeout_ms);
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    while (!t->failed && !t->done && !rc)
        rc = -pthread_cond_timedwait(&t->changed, &t->lock, &until);
    rc = t->failed ? -ECANCELED : t->done ? 0 : rc;
    *stats = t->stats;
    *left = (uint64_t)t->landed[0] + t->landed[1] - t->taken;
    pthread_mutex_unlock(&t->lock);
    return rc;
}
