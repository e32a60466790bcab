/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, feed: sealed packets in memory, and a link that reads them. */
#include "bench_feed.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "transport/seal.h"

#define SMALL_BUFFERS 64u /* for what the target sends */
#define LINE_BYTES    64u
/* Besides the packets of whole pages: of memory, PINGs, BARRIERs; as many as are ever kept. */
#define OTHERS ((size_t)1 << 16)

struct kept {
    uint64_t at; /* in `bytes` */
    uint32_t len, round;
};

struct queue {
    _Alignas(64) struct kept *index;
    uint8_t *bytes;
    size_t n, used, index_bytes, room; /* kept; bytes used; of both mappings */
    size_t next;                       /* to be handed out */
    uint32_t round;                    /* that the target is in */
    unsigned turn;
    uint8_t *small;
    _Alignas(64) uint8_t plain[XF_PAYLOAD_MAX];
};

struct xf_feed {
    struct xf_link link; /* first */
    struct xf_seal *seal;
    struct queue *queues;
    uint32_t last_round;
    _Atomic bool full;
    _Alignas(64) _Atomic bool go;
};

static struct xf_feed *of(struct xf_link *link)
{
    return (struct xf_feed *)link;
}

void xf_feed_keep(void *arg, unsigned queue, uint32_t round, const uint8_t *data, uint32_t len)
{
    struct xf_feed *f = arg;
    struct queue *q = &f->queues[queue];

    if ((q->n + 1) * sizeof(struct kept) > q->index_bytes || q->used + len > q->room) {
        atomic_store(&f->full, true);
        return;
    }
    memcpy(q->bytes + q->used, data, len);
    q->index[q->n++] = (struct kept){.at = q->used, .len = len, .round = round};
    q->used += (len + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

static uint8_t type_of(const struct queue *q, size_t packet)
{
    return q->bytes[q->index[packet].at + offsetof(struct xf_wire_header, type)];
}

/* ---- to the target -------------------------------------------------------------------------- */

static unsigned rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_feed *f = of(link);
    struct queue *q = &f->queues[queue];
    const bool go = atomic_load_explicit(&f->go, memory_order_relaxed);
    unsigned got = 0;

    for (; got < n && q->next < q->n; got++, q->next++) {
        const struct kept *k = &q->index[q->next];

        if (k->round > q->round || (!go && type_of(q, q->next) == XF_PACKET_DATA))
            break;
        bufs[got] = (struct xf_buf){.data = q->bytes + k->at, .len = k->len};
    }
    return got;
}

static void nothing(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    (void)link;
    (void)queue;
    (void)bufs;
    (void)n;
}

/* ---- from it -------------------------------------------------------------------------------- */

static unsigned tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct queue *q = &of(link)->queues[queue];

    for (unsigned i = 0; i < n; i++)
        bufs[i] = (struct xf_buf){
            .data = q->small + (size_t)(q->turn++ % SMALL_BUFFERS) * XF_PAYLOAD_MAX,
            .cap = link->payload_bytes,
        };
    return n;
}

static void look_at(struct xf_feed *f, struct queue *q, const struct xf_buf *buf)
{
    const uint8_t *body = buf->data + sizeof(struct xf_wire_header);
    const size_t len = buf->len - sizeof(struct xf_wire_header) - XF_TAG_BYTES;
    struct xf_wire_feedback fb;
    struct xf_wire_header h;

    memcpy(&h, buf->data, sizeof(h));
    if (h.type != XF_PACKET_FEEDBACK || len < sizeof(fb) ||
        xf_seal_open(f->seal, &h, body, len, body + len, q->plain))
        return;
    memcpy(&fb, q->plain, sizeof(fb));
    if (fb.round > q->round)
        q->round = fb.round;
}

static unsigned tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct xf_feed *f = of(link);
    struct queue *q = &f->queues[queue];

    for (unsigned i = 0; i < n && q->round < f->last_round; i++)
        look_at(f, q, &bufs[i]);
    return n;
}

static void set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    (void)peer;
}

static void no_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    (void)link;
    memset(out, 0, sizeof(*out));
}

static int health(struct xf_link *link)
{
    (void)link;
    return 0;
}

static void no_close(struct xf_link *link)
{
    (void)link;
}

/* ---- its life ------------------------------------------------------------------------------- */

static const struct xf_link_ops ops = {
    .tx_alloc = tx_alloc,
    .tx_burst = tx_burst,
    .tx_free = nothing,
    .rx_burst = rx_burst,
    .rx_free = nothing,
    .set_peer = set_peer,
    .stats = no_stats,
    .health = health,
    .close = no_close,
};

/* Takes memory as it is written to. */
static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    /* As a port's buffers are. */
    (void)madvise(at, bytes, MADV_HUGEPAGE);
    return at;
}

static int make_queue(struct queue *q, uint64_t pages, uint32_t payload_bytes)
{
    /* At the least a packet for each page, at the most an eighth more than its bytes. */
    q->index_bytes = (pages * XF_FRAGS_MAX + OTHERS) * sizeof(struct kept);
    q->room =
        pages * XF_PAGE_BYTES / 8 * 9 + OTHERS * 2 * LINE_BYTES + (size_t)payload_bytes * 4096;
    q->index = map(q->index_bytes);
    q->bytes = map(q->room);
    q->small = calloc(SMALL_BUFFERS, XF_PAYLOAD_MAX);
    return q->index && q->bytes && q->small ? 0 : -ENOMEM;
}

int xf_feed_new(struct xf_feed **out, unsigned queues, uint32_t payload_bytes, uint64_t page_count)
{
    struct xf_feed *f = aligned_alloc(_Alignof(struct xf_feed), sizeof(*f));
    int rc = 0;

    *out = NULL;
    if (!f)
        return -ENOMEM;
    memset(f, 0, sizeof(*f));
    f->link = (struct xf_link){.ops = &ops, .queues = queues, .payload_bytes = payload_bytes};
    f->queues = aligned_alloc(_Alignof(struct queue), queues * sizeof(f->queues[0]));
    if (!f->queues) {
        free(f);
        return -ENOMEM;
    }
    memset(f->queues, 0, queues * sizeof(f->queues[0]));
    for (unsigned i = 0; i < queues && !rc; i++)
        rc = make_queue(&f->queues[i], page_count / queues + XF_CHUNK_PAGES, payload_bytes);
    if (rc) {
        xf_feed_free(f);
        return rc;
    }
    *out = f;
    return 0;
}

void xf_feed_free(struct xf_feed *f)
{
    if (!f)
        return;
    for (unsigned i = 0; i < f->link.queues; i++) {
        struct queue *q = &f->queues[i];

        if (q->index)
            munmap(q->index, q->index_bytes);
        if (q->bytes)
            munmap(q->bytes, q->room);
        free(q->small);
    }
    free(f->queues);
    xf_seal_free(f->seal);
    free(f);
}

int xf_feed_kept(struct xf_feed *f, const struct xf_offer *offer)
{
    if (atomic_load(&f->full))
        return -ENOSPC;
    for (unsigned i = 0; i < f->link.queues; i++) {
        const struct queue *q = &f->queues[i];

        for (size_t p = 0; p < q->n; p++)
            if (type_of(q, p) == XF_PACKET_DATA && q->index[p].round > f->last_round)
                f->last_round = q->index[p].round;
    }
    return xf_seal_new(&f->seal, offer->secret, offer->session_id, XF_ROLE_SOURCE);
}

void xf_feed_rewind(struct xf_feed *f)
{
    atomic_store(&f->go, false);
    for (unsigned i = 0; i < f->link.queues; i++) {
        f->queues[i].next = 0;
        f->queues[i].round = 1;
    }
}

void xf_feed_go(struct xf_feed *f)
{
    atomic_store(&f->go, true);
}

struct xf_link *xf_feed_link(struct xf_feed *f)
{
    return &f->link;
}
