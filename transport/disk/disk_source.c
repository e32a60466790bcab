/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk source: each lane has two batches: one that it has mapped, and one that is read meanwhile,
 * of the pages that it is expected to want next. Readers take slices of a batch, so that several
 * reads are under way even of one lane.
 */
#include "disk_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/bitmap.h"
#include "transport/stripe.h"

#define READERS     4u
#define SLICE_PAGES 256u /* what a reader takes at once: 1 MiB */
#define ENDING_US   100u /* between two looks whether writes have ended */

struct batch {
    uint64_t gfns[XF_MAP_BATCH_PAGES];
    unsigned n;      /* 0: the batch is free */
    bool stale;      /* pages may have been written to since: nobody wants it any more */
    unsigned slices; /* that no reader has taken yet */
    unsigned left;   /* of the slices, not read yet */
    int rc;          /* the first error of a read */
    uint8_t *data;
    struct batch *next; /* in the queue, while it has slices */
};

struct lane {
    struct batch batches[2];
    struct batch *mapped; /* or NULL */
};

struct xf_disk_source {
    const struct xf_disk *disk;
    bool skip_holes;
    const uint64_t *only;           /* pages, or NULL: all */
    struct xf_disk_writers writers; /* none: take is NULL */
    uint64_t *wanted;               /* pages of this round */
    struct lane *lanes;
    unsigned lanes_n;
    pthread_t readers[READERS];
    unsigned readers_n;

    pthread_mutex_t lock;
    pthread_cond_t work;
    /* Under lock, and the batches that are not free or mapped. */
    struct batch *first, **last;
    bool stop;
};

/* ---- reading ------------------------------------------------------------------------------- */

static int read_slice(const struct xf_disk_source *s, const struct batch *b, unsigned from)
{
    const unsigned end = from + SLICE_PAGES < b->n ? from + SLICE_PAGES : b->n;
    unsigned behind;
    int rc = 0;

    for (unsigned i = from; i < end && !rc; i = behind) {
        for (behind = i + 1; behind < end && b->gfns[behind] == b->gfns[behind - 1] + 1;)
            behind++;
        rc = xf_disk_read(s->disk, b->data + i * XF_PAGE_BYTES, (behind - i) * XF_PAGE_BYTES,
                          b->gfns[i] * XF_PAGE_BYTES);
    }
    return rc;
}

static void *reader(void *arg)
{
    struct xf_disk_source *s = arg;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct batch *b = s->first;

        if (s->stop)
            break;
        if (!b) {
            pthread_cond_wait(&s->work, &s->lock);
            continue;
        }
        const unsigned all = (b->n + SLICE_PAGES - 1) / SLICE_PAGES;
        const unsigned from = (all - b->slices) * SLICE_PAGES;

        if (!--b->slices) {
            s->first = b->next;
            if (!s->first)
                s->last = &s->first;
        }
        pthread_mutex_unlock(&s->lock);
        int rc = read_slice(s, b, from);

        pthread_mutex_lock(&s->lock);
        b->rc = b->rc ?: rc;
        b->left--;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- batches ------------------------------------------------------------------------------- */

static void queue(struct xf_disk_source *s, struct batch *b)
{
    b->stale = false;
    b->slices = b->left = (b->n + SLICE_PAGES - 1) / SLICE_PAGES;
    b->rc = 0;
    b->next = NULL;
    *s->last = b;
    s->last = &b->next;
    pthread_cond_broadcast(&s->work);
}

/* What the lane has mapped is read anew when it is wanted again. */
static void release(struct lane *l)
{
    if (l->mapped)
        l->mapped->n = 0;
    l->mapped = NULL;
}

/* One that nobody reads into and no lane has; NULL: there is none. */
static struct batch *free_batch(struct lane *l)
{
    for (unsigned i = 0; i < 2; i++) {
        struct batch *b = &l->batches[i];

        if (b != l->mapped && (!b->n || !b->left)) {
            b->n = 0;
            return b;
        }
    }
    return NULL;
}

/* The lane's first page from `at` on that is there; the disk's page count: none is. */
static uint64_t next_page(const struct xf_disk_source *s, const struct xf_stripe *stripe,
                          uint64_t at)
{
    const uint64_t pages = s->disk->pages;

    for (at = xf_stripe_next(stripe, at); at < pages; at = xf_stripe_next(stripe, at)) {
        uint64_t end = xf_stripe_end(stripe, at, pages);

        at = xf_bitmap_next(s->wanted, end, at);
        if (at < end)
            return at;
    }
    return pages;
}

/* After a full batch that ends with this page, the lane will want the next ones. */
static void read_ahead(struct xf_disk_source *s, unsigned lane, uint64_t page)
{
    const struct xf_stripe stripe = {.lane = lane, .lanes = s->lanes_n};
    struct lane *l = &s->lanes[lane];
    uint64_t at = next_page(s, &stripe, page + 1);

    for (unsigned i = 0; i < 2; i++)
        if (l->batches[i].n && !l->batches[i].stale && l->batches[i].gfns[0] == at)
            return; /* they are on their way */
    struct batch *b = free_batch(l);

    if (!b)
        return;
    for (; b->n < XF_MAP_BATCH_PAGES && at < s->disk->pages; at = next_page(s, &stripe, at + 1))
        b->gfns[b->n++] = at;
    if (b->n)
        queue(s, b);
}

static struct batch *find(struct lane *l, const uint64_t *gfns, unsigned n)
{
    for (unsigned i = 0; i < 2; i++) {
        struct batch *b = &l->batches[i];

        if (b != l->mapped && !b->stale && b->n == n && !memcmp(b->gfns, gfns, n * sizeof(gfns[0])))
            return b;
    }
    return NULL;
}

/* ---- as a guest ---------------------------------------------------------------------------- */

static int source_lanes(void *ctx, unsigned lanes)
{
    struct xf_disk_source *s = ctx;

    s->lanes = calloc(lanes, sizeof(s->lanes[0]));
    if (!s->lanes)
        return -ENOMEM;
    s->lanes_n = lanes;
    for (unsigned i = 0; i < 2 * lanes; i++) {
        struct batch *b = &s->lanes[i / 2].batches[i % 2];

        b->data = aligned_alloc(XF_PAGE_BYTES, XF_MAP_BATCH_PAGES * XF_PAGE_BYTES);
        if (!b->data)
            return -ENOMEM;
    }
    for (; s->readers_n < READERS; s->readers_n++) {
        int rc = pthread_create(&s->readers[s->readers_n], NULL, reader, s);

        if (rc)
            return -rc;
    }
    return 0;
}

/* What the file has data for; where that cannot be told, all is data. */
static int find_data(const struct xf_disk_source *s)
{
    const off_t bytes = (off_t)s->disk->bytes;
    off_t hole = 0;

    while (hole < bytes) {
        off_t data = lseek(s->disk->fd, hole, SEEK_DATA);

        if (data < 0 && errno == ENXIO) /* no more of it */
            return 0;
        if (data < 0)
            return -errno;
        hole = lseek(s->disk->fd, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        uint64_t first = (uint64_t)data / XF_PAGE_BYTES;
        uint64_t end = ((uint64_t)hole + XF_PAGE_BYTES - 1) / XF_PAGE_BYTES;

        if (end > s->disk->pages) /* it has grown since it was opened */
            end = s->disk->pages;
        if (first < end)
            xf_bitmap_set_range(s->wanted, first, end - first);
    }
    return 0;
}

static int source_start(void *ctx, uint64_t *present, uint64_t *known)
{
    struct xf_disk_source *s = ctx;

    (void)known;
    if (s->only)
        memcpy(s->wanted, s->only, xf_bitmap_words(s->disk->pages) * sizeof(s->only[0]));
    else if (!s->skip_holes || s->disk->device || find_data(s))
        xf_bitmap_set_range(s->wanted, 0, s->disk->pages);
    memcpy(present, s->wanted, xf_bitmap_words(s->disk->pages) * sizeof(present[0]));
    return 0;
}

/* What was read before is not what is to be sent of the next round. */
static void forget(struct xf_disk_source *s)
{
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < 2 * s->lanes_n; i++)
        s->lanes[i / 2].batches[i % 2].stale = true;
    pthread_mutex_unlock(&s->lock);
}

static int source_dirty(void *ctx, uint64_t *dirty, bool final, uint64_t *count)
{
    struct xf_disk_source *s = ctx;
    const size_t bytes = xf_bitmap_words(s->disk->pages) * sizeof(dirty[0]);
    int rc;

    if (!s->writers.take) {
        memset(dirty, 0, bytes);
        *count = 0;
        return 0;
    }
    /* They have stopped: what they began ends soon. */
    while ((rc = s->writers.take(s->writers.ctx, dirty, count)) == -EAGAIN && final)
        usleep(ENDING_US);
    if (rc)
        return rc;
    forget(s);
    memcpy(s->wanted, dirty, bytes);
    return 0;
}

static int source_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n,
                      const void **pages)
{
    struct xf_disk_source *s = ctx;
    struct lane *l = &s->lanes[lane];
    int rc = -EAGAIN;

    pthread_mutex_lock(&s->lock);
    release(l);
    struct batch *b = find(l, gfns, n);

    if (b && !b->left) {
        rc = b->rc;
        for (unsigned i = 0; i < n; i++)
            pages[i] = b->data + i * XF_PAGE_BYTES;
        if (!rc)
            l->mapped = b;
    } else if (!b && (b = free_batch(l))) {
        memcpy(b->gfns, gfns, n * sizeof(gfns[0]));
        b->n = n;
        queue(s, b);
    } else {
        b = NULL; /* it is being read, or what was expected in its place is */
    }
    if (b && n == XF_MAP_BATCH_PAGES)
        read_ahead(s, lane, gfns[n - 1]);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void source_unmap(void *ctx, unsigned lane)
{
    struct xf_disk_source *s = ctx;

    pthread_mutex_lock(&s->lock);
    release(&s->lanes[lane]);
    pthread_mutex_unlock(&s->lock);
}

static int source_suspend(void *ctx)
{
    struct xf_disk_source *s = ctx;

    return s->writers.stop ? s->writers.stop(s->writers.ctx) : 0;
}

struct xf_guest_source xf_disk_source_guest(struct xf_disk_source *s)
{
    static const struct xf_guest_source_ops ops = {
        .lanes = source_lanes,
        .start = source_start,
        .dirty = source_dirty,
        .present = xf_guest_present,
        .map = source_map,
        .unmap = source_unmap,
        .keep_still = xf_guest_still,
    };
    static const struct xf_guest_control_ops control = {
        .throttle = xf_guest_no_throttle,
        .suspend = source_suspend,
    };

    return (struct xf_guest_source){
        .ops = &ops, .control = &control, .ctx = s, .page_count = s->disk->pages};
}

/* ---- life ---------------------------------------------------------------------------------- */

int xf_disk_source_new(struct xf_disk_source **out, const struct xf_disk *disk, bool skip_holes)
{
    struct xf_disk_source *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (!s)
        return -ENOMEM;
    s->disk = disk;
    s->skip_holes = skip_holes;
    s->last = &s->first;
    s->wanted = xf_bitmap_new(disk->pages);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    if (!s->wanted) {
        xf_disk_source_free(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

void xf_disk_source_written(struct xf_disk_source *s, const struct xf_disk_writers *writers)
{
    s->writers = *writers;
}

void xf_disk_source_only(struct xf_disk_source *s, const uint64_t *pages)
{
    s->only = pages;
}

void xf_disk_source_free(struct xf_disk_source *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->readers_n; i++)
        pthread_join(s->readers[i], NULL);
    for (unsigned i = 0; i < 2 * s->lanes_n; i++)
        free(s->lanes[i / 2].batches[i % 2].data);
    free(s->lanes);
    free(s->wanted);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
