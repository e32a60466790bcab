/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tunnel source: two halves of a buffer: Xen's save fills one while the transport sends the other.
 */
#include "tunnel_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "tunnel.h"
#include "xl-plugin/plugin/timed.h"

struct xf_tunnel_source {
    uint32_t half_pages;
    uint8_t *memory; /* two halves */
    const struct xf_stats *stats;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    unsigned half;     /* being filled */
    uint32_t filled;   /* pages of it, committed */
    uint32_t reserved; /* pages after those that are being written now */
    bool sending;      /* the other half */
    bool started, ended, done, failed;
    unsigned marks;
    struct xf_tunnel_counts counts;
};

int xf_tunnel_source_new(struct xf_tunnel_source **out, uint32_t half_pages)
{
    struct xf_tunnel_source *t = calloc(1, sizeof(*t));

    *out = NULL;
    if (!t)
        return -ENOMEM;
    t->half_pages = half_pages;
    t->memory = xf_tunnel_map(2 * (uint64_t)half_pages);
    if (!t->memory) {
        free(t);
        return -ENOMEM;
    }
    pthread_mutex_init(&t->lock, NULL);
    xf_timed_init(&t->changed);
    *out = t;
    return 0;
}

void xf_tunnel_source_free(struct xf_tunnel_source *t)
{
    if (!t)
        return;
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    xf_tunnel_unmap(t->memory, 2 * (uint64_t)t->half_pages);
    free(t);
}

void xf_tunnel_source_watch(struct xf_tunnel_source *t, const struct xf_stats *stats)
{
    t->stats = stats;
}

/* ---- the guest that the transport sees ------------------------------------------------------ */

static int tunnel_start(void *ctx, uint64_t *present, uint64_t *known)
{
    struct xf_tunnel_source *t = ctx;

    *known = 2 * (uint64_t)t->half_pages;

    for (uint64_t i = 0; i < 2 * (uint64_t)t->half_pages; i++)
        xf_bitmap_set(present, i);
    pthread_mutex_lock(&t->lock);
    t->started = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return 0;
}

static int tunnel_dirty(void *ctx, uint64_t *todo, bool final, uint64_t *count)
{
    struct xf_tunnel_source *t = ctx;
    int rc = 0;

    (void) final;
    *count = 0;
    memset(todo, 0, xf_bitmap_words(2 * (uint64_t)t->half_pages) * sizeof(todo[0]));
    pthread_mutex_lock(&t->lock);
    t->sending = false; /* what was sent before has landed */
    if (t->stats)
        t->counts.zero = t->stats->pages_zero;
    /* Who steps sees that the tunnel has failed, and knows better what to tell the target. */
    if (t->failed || t->reserved || (!t->filled && !t->ended)) {
        rc = -EAGAIN;
    } else if (t->filled) {
        uint64_t first = (uint64_t)t->half * t->half_pages;

        for (uint64_t i = first; i < first + t->filled; i++)
            xf_bitmap_set(todo, i);
        *count = t->filled;
        t->sending = true;
        t->half ^= 1;
        t->filled = 0;
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static int tunnel_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n,
                      const void **pages)
{
    struct xf_tunnel_source *t = ctx;

    (void)lane;
    for (unsigned i = 0; i < n; i++)
        pages[i] = t->memory + gfns[i] * XF_PAGE_BYTES;
    return 0;
}

static void tunnel_unmap(void *ctx, unsigned lane)
{
    (void)ctx;
    (void)lane;
}

struct xf_guest_source xf_tunnel_source_guest(struct xf_tunnel_source *t)
{
    static const struct xf_guest_source_ops ops = {
        .lanes = xf_guest_lanes,
        .start = tunnel_start,
        .map = tunnel_map,
        .unmap = tunnel_unmap,
        .dirty = tunnel_dirty,
        .present = xf_guest_present,
        .keep_still = xf_guest_still,
    };

    return (struct xf_guest_source){.ops = &ops,
                                    .control = &xf_guest_uncontrolled,
                                    .ctx = t,
                                    .page_count = 2 * (uint64_t)t->half_pages};
}

/* ---- filling -------------------------------------------------------------------------------- */

int xf_tunnel_source_reserve(struct xf_tunnel_source *t, uint32_t pages, uint8_t **room)
{
    int rc = 0;

    if (pages > t->half_pages)
        return -EMSGSIZE;
    pthread_mutex_lock(&t->lock);
    while (!t->failed && t->filled + pages > t->half_pages)
        pthread_cond_wait(&t->changed, &t->lock);
    if (t->failed) {
        rc = -ECANCELED;
    } else {
        t->reserved = pages;
        *room = t->memory + ((uint64_t)t->half * t->half_pages + t->filled) * XF_PAGE_BYTES;
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

void xf_tunnel_source_commit(struct xf_tunnel_source *t)
{
    pthread_mutex_lock(&t->lock);
    t->filled += t->reserved;
    t->counts.pages += t->reserved;
    t->reserved = 0;
    pthread_mutex_unlock(&t->lock);
}

void xf_tunnel_source_mark(struct xf_tunnel_source *t)
{
    pthread_mutex_lock(&t->lock);
    t->marks++;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void set(struct xf_tunnel_source *t, bool *flag)
{
    pthread_mutex_lock(&t->lock);
    *flag = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void xf_tunnel_source_end(struct xf_tunnel_source *t)
{
    set(t, &t->ended);
}

void xf_tunnel_source_done(struct xf_tunnel_source *t)
{
    set(t, &t->done);
}

void xf_tunnel_source_fail(struct xf_tunnel_source *t)
{
    set(t, &t->failed);
}

bool xf_tunnel_source_failed(struct xf_tunnel_source *t)
{
    pthread_mutex_lock(&t->lock);
    bool failed = t->failed;
    pthread_mutex_unlock(&t->lock);
    return failed;
}

/* ---- waiting -------------------------------------------------------------------------------- */

int xf_tunnel_source_wait_started(struct xf_tunnel_source *t, unsigned timeout_ms)
{
    struct timespec until = xf_timed_deadline(timeout_ms);
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    while (!t->started && !t->failed && !rc)
        rc = -pthread_cond_timedwait(&t->changed, &t->lock, &until);
    rc = t->failed ? -ECANCELED : t->started ? 0 : -EAGAIN;
    pthread_mutex_unlock(&t->lock);
    return rc;
}

int xf_tunnel_source_wait_landed(struct xf_tunnel_source *t, unsigned marks,
                                 struct xf_tunnel_counts *counts)
{
    pthread_mutex_lock(&t->lock);
    while (!t->failed && (t->marks < marks || t->filled || t->reserved || t->sending))
        pthread_cond_wait(&t->changed, &t->lock);
    int rc = t->failed ? -ECANCELED : 0;
    if (counts)
        *counts = t->counts;
    pthread_mutex_unlock(&t->lock);
    return rc;
}

int xf_tunnel_source_wait_done(struct xf_tunnel_source *t, struct xf_tunnel_counts *counts)
{
    pthread_mutex_lock(&t->lock);
    while (!t->failed && !t->done)
        pthread_cond_wait(&t->changed, &t->lock);
    int rc = t->failed ? -ECANCELED : 0;
    if (counts)
        *counts = t->counts;
    pthread_mutex_unlock(&t->lock);
    return rc;
}
