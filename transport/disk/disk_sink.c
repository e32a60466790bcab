/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk sink: what is mapped is a piece of memory, which a writer gets when it is unmapped. A piece
 * whose pages were written before is read first, for what comes of a later round is compared with
 * them, or is a fragment of one.
 */
#include "disk_sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "transport/page.h"

#define WRITERS 4u
/* Mapped at once, and with what is being written: so that a disk that is slower than the link has
   some of it to do, but not all of a host's memory. */
#define CHUNKS_MAX   16u
#define MEMORY_BYTES ((size_t)64 << 20)

#define PIECE_WORDS (XF_CHUNK_PAGES / 64)

/* Its bytes follow a page behind it. */
struct piece {
    uint64_t first;
    unsigned pages;
    uint64_t wrote[PIECE_WORDS]; /* bits of its pages */
    uint64_t fresh[PIECE_WORDS]; /* of those, what was never written before */
    struct piece *next;
};

_Static_assert(sizeof(struct piece) <= XF_PAGE_BYTES, "a piece's bytes follow it at a page");

struct xf_disk_sink {
    const struct xf_disk *disk;
    bool zeros;
    pthread_t writers[WRITERS];
    unsigned writers_n;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    uint64_t *filled;            /* pages that were written: a bit each */
    struct piece *first, **last; /* to be written */
    struct piece *under_way;     /* taken by writers */
    struct piece *spare[2];      /* of chunks, of parts */
    size_t bytes;                /* mapped, to be written, under way */
    bool unsynced;               /* what was written is not on the medium, */
    bool to_sync;                /* is to get there, */
    bool syncing;                /* is getting there */
    bool stop;
    int rc; /* the first error */
};

static uint8_t *bytes_of(struct piece *p)
{
    return (uint8_t *)p + XF_PAGE_BYTES;
}

static struct piece *piece_of(void *base)
{
    return (struct piece *)((uint8_t *)base - XF_PAGE_BYTES);
}

static struct piece **spare_of(struct xf_disk_sink *s, unsigned pages)
{
    return &s->spare[pages != XF_CHUNK_PAGES];
}

/* ---- writing ------------------------------------------------------------------------------- */

static int write_piece(const struct xf_disk_sink *s, struct piece *p)
{
    int rc = 0;

    if (s->zeros)
        for (uint64_t i = xf_bitmap_next(p->fresh, p->pages, 0); i < p->pages;
             i = xf_bitmap_next(p->fresh, p->pages, i + 1))
            if (xf_page_is_zero(bytes_of(p) + i * XF_PAGE_BYTES))
                xf_bitmap_clear(p->wrote, i);
    for (uint64_t i = xf_bitmap_next(p->wrote, p->pages, 0), end; i < p->pages && !rc;
         i = xf_bitmap_next(p->wrote, p->pages, end)) {
        end = xf_bitmap_next_clear(p->wrote, p->pages, i);
        rc = xf_disk_write(s->disk, bytes_of(p) + i * XF_PAGE_BYTES, (end - i) * XF_PAGE_BYTES,
                           (p->first + i) * XF_PAGE_BYTES);
    }
    return rc;
}

static void put_spare(struct xf_disk_sink *s, struct piece *p)
{
    struct piece **spare = spare_of(s, p->pages);

    s->bytes -= p->pages * XF_PAGE_BYTES;
    p->next = *spare;
    *spare = p;
}

static void take_out(struct piece **from, struct piece *p)
{
    while (*from != p)
        from = &(*from)->next;
    *from = p->next;
}

/* One of what is to be written, to its end; lock held but while it is written. */
static void write_first(struct xf_disk_sink *s)
{
    struct piece *p = s->first;

    s->first = p->next;
    if (!s->first)
        s->last = &s->first;
    p->next = s->under_way;
    s->under_way = p;
    pthread_mutex_unlock(&s->lock);
    int rc = write_piece(s, p);

    pthread_mutex_lock(&s->lock);
    s->rc = s->rc ?: rc;
    s->unsynced = true;
    take_out(&s->under_way, p);
    put_spare(s, p);
    pthread_cond_broadcast(&s->changed);
}

static void sync_disk(struct xf_disk_sink *s)
{
    s->to_sync = s->unsynced = false;
    s->syncing = true;
    pthread_mutex_unlock(&s->lock);
    int rc = xf_disk_sync(s->disk);

    pthread_mutex_lock(&s->lock);
    s->syncing = false;
    s->rc = s->rc ?: rc;
}

static void *writer(void *arg)
{
    struct xf_disk_sink *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        if (s->first)
            write_first(s);
        else if (s->to_sync)
            sync_disk(s);
        else
            pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- mapping ------------------------------------------------------------------------------- */

static bool overlaps(const struct piece *list, uint64_t first, unsigned pages)
{
    for (; list; list = list->next)
        if (list->first < first + pages && first < list->first + list->pages)
            return true;
    return false;
}

/* A piece's memory, as it was left. Lock held. */
static struct piece *new_piece(struct xf_disk_sink *s, unsigned pages)
{
    struct piece **spare = spare_of(s, pages), *p = *spare;

    if (p) {
        *spare = p->next;
        return p;
    }
    /* Zeros at first: nothing of this process gets to the disk with a page of which only a part
       came. */
    p = aligned_alloc(XF_PAGE_BYTES, (pages + 1) * XF_PAGE_BYTES);
    if (p)
        memset(p, 0, (pages + 1) * XF_PAGE_BYTES);
    return p;
}

static int map_pages(struct xf_disk_sink *s, uint64_t first, unsigned pages, void **base)
{
    const uint64_t end = first + pages < s->disk->pages ? first + pages : s->disk->pages;
    struct piece *p = NULL;
    int rc;

    pthread_mutex_lock(&s->lock);
    /* What is being written of it is to be read; and the disk is given time for what it has. */
    while (!s->rc && (overlaps(s->first, first, pages) || overlaps(s->under_way, first, pages) ||
                      (s->bytes >= MEMORY_BYTES && (s->first || s->under_way))))
        pthread_cond_wait(&s->changed, &s->lock);
    rc = s->rc;
    if (!rc && !(p = new_piece(s, pages)))
        rc = -EIO; /* -ENOMEM would say that less is to be mapped */
    if (p)
        s->bytes += pages * XF_PAGE_BYTES;
    bool was_filled = first < end && xf_bitmap_next(s->filled, end, first) < end;

    pthread_mutex_unlock(&s->lock);
    if (rc)
        return rc;
    p->first = first;
    p->pages = pages;
    memset(p->wrote, 0, sizeof(p->wrote));
    if (was_filled)
        rc = xf_disk_read(s->disk, bytes_of(p), pages * XF_PAGE_BYTES, first * XF_PAGE_BYTES);
    if (rc) {
        pthread_mutex_lock(&s->lock);
        put_spare(s, p);
        pthread_mutex_unlock(&s->lock);
        return rc;
    }
    *base = bytes_of(p);
    return 0;
}

static void unmap_pages(struct xf_disk_sink *s, void *base)
{
    struct piece *p = piece_of(base);
    bool wrote = xf_bitmap_next(p->wrote, p->pages, 0) < p->pages;

    pthread_mutex_lock(&s->lock);
    if (wrote) {
        memcpy(p->fresh, p->wrote, sizeof(p->fresh));
        for (uint64_t i = xf_bitmap_next(p->wrote, p->pages, 0); i < p->pages;
             i = xf_bitmap_next(p->wrote, p->pages, i + 1)) {
            if (xf_bitmap_test(s->filled, p->first + i))
                xf_bitmap_clear(p->fresh, i);
            xf_bitmap_set(s->filled, p->first + i);
        }
        p->next = NULL;
        *s->last = p;
        s->last = &p->next;
    } else {
        put_spare(s, p);
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- as a guest ---------------------------------------------------------------------------- */

static int sink_lanes(void *ctx, unsigned lanes)
{
    struct xf_disk_sink *s = ctx;

    (void)lanes;
    for (; s->writers_n < WRITERS; s->writers_n++) {
        int rc = pthread_create(&s->writers[s->writers_n], NULL, writer, s);

        if (rc)
            return -rc;
    }
    return 0;
}

static int sink_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    (void)lane;
    return map_pages(ctx, chunk * XF_CHUNK_PAGES, XF_CHUNK_PAGES, base);
}

static void sink_unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)lane;
    (void)chunk;
    unmap_pages(ctx, base);
}

static int sink_map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    (void)lane;
    return map_pages(ctx, first, XF_PART_PAGES, base);
}

static void sink_unmap_part(void *ctx, unsigned lane, uint64_t first, void *base)
{
    (void)lane;
    (void)first;
    unmap_pages(ctx, base);
}

static void sink_wrote(void *ctx, unsigned lane, uint64_t first, uint64_t count, void *base)
{
    struct piece *p = piece_of(base);

    (void)ctx;
    (void)lane;
    xf_bitmap_set_range(p->wrote, first - p->first, count);
}

static int sink_end_round(void *ctx, uint64_t count)
{
    struct xf_disk_sink *s = ctx;
    int rc;

    (void)count;
    pthread_mutex_lock(&s->lock);
    rc = s->rc;
    if (!rc && (s->bytes || s->unsynced || s->syncing)) {
        rc = -EAGAIN;
        s->to_sync = !s->first && !s->under_way && s->unsynced;
        if (s->to_sync)
            pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

struct xf_guest_sink xf_disk_sink_guest(struct xf_disk_sink *s)
{
    static const struct xf_guest_sink_ops ops = {
        .lanes = sink_lanes,
        .populate = xf_sink_populate,
        .map_chunk = sink_map_chunk,
        .unmap_chunk = sink_unmap_chunk,
        .map_part = sink_map_part,
        .unmap_part = sink_unmap_part,
        .wrote = sink_wrote,
        .end_round = sink_end_round,
    };

    return (struct xf_guest_sink){
        .ops = &ops,
        .ctx = s,
        .page_count = s->disk->pages,
        .chunks_max = CHUNKS_MAX,
        .parts = true,
        .wants_written = true,
        .unmapped_rounds = true,
    };
}

/* ---- life ---------------------------------------------------------------------------------- */

int xf_disk_sink_new(struct xf_disk_sink **out, const struct xf_disk *disk, bool zeros)
{
    struct xf_disk_sink *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (!s)
        return -ENOMEM;
    s->disk = disk;
    s->zeros = zeros;
    s->last = &s->first;
    s->filled = xf_bitmap_new(disk->pages);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (!s->filled) {
        xf_disk_sink_free(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

static void free_pieces(struct piece *p)
{
    while (p) {
        struct piece *next = p->next;

        free(p);
        p = next;
    }
}

void xf_disk_sink_free(struct xf_disk_sink *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->writers_n; i++)
        pthread_join(s->writers[i], NULL);
    free_pieces(s->first);
    free_pieces(s->spare[0]);
    free_pieces(s->spare[1]);
    free(s->filled);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
