/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz: what the fuzz targets share: reading choices off the input, a link that hands over one
 * packet at a time and shows what was sent, and sealing as the other end would. A broken promise
 * ends in abort(), which is a finding for libFuzzer and for replay.c alike.
 *
 * An input is a small program: a byte of settings, then operations with their arguments. So the
 * checks behind authentication are reached too: the harness has the keys.
 */
#ifndef XF_TESTS_FUZZ_H
#define XF_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/link.h"
#include "transport/seal.h"
#include "transport/wire.h"

#ifdef __SANITIZE_ADDRESS__
#define FUZZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_ASAN 1
#endif
#endif
#ifdef FUZZ_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n)   ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define __lsan_disable()                   ((void)0)
#define __lsan_enable()                    ((void)0)
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(what)                                                                           \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- the input ---------------------------------------------------------------------------- */

struct fuzz_in {
    const uint8_t *data;
    size_t left;
};

/* Zeros once the input is used up. To be called in statements of their own: in an initializer no
   order is promised, and an input must mean the same to every compiler. */
static inline void fuzz_take(struct fuzz_in *in, void *out, size_t n)
{
    size_t have = n < in->left ? n : in->left;

    memset(out, 0, n);
    if (have)
        memcpy(out, in->data, have);
    in->data += have;
    in->left -= have;
}

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
    uint8_t v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

static inline int8_t fuzz_s8(struct fuzz_in *in)
{
    return (int8_t)fuzz_u8(in);
}

static inline uint16_t fuzz_u16(struct fuzz_in *in)
{
    uint16_t v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

/* ---- the link ----------------------------------------------------------------------------- */

struct fuzz_link {
    struct xf_link link; /* first */
    uint8_t *rx;         /* the one packet that waits, on the heap so that ASan knows its end */
    uint32_t rx_len;
    unsigned rx_queue;
    unsigned tx_room; /* packets that tx_burst takes in one call */
    int health;
    unsigned lent;                                                     /* tx buffers that are out */
    void (*sent)(void *arg, unsigned queue, const struct xf_buf *buf); /* may be NULL */
    void *arg;
};

static inline struct fuzz_link *fuzz_link_of(const struct xf_link *link)
{
    return (struct fuzz_link *)(uintptr_t)link;
}

static inline unsigned fuzz_tx_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                     unsigned n)
{
    FUZZ_CHECK(queue < link->queues);
    FUZZ_CHECK(n <= XF_BURST_MAX);
    for (unsigned i = 0; i < n; i++) {
        memset(&bufs[i], 0, sizeof(bufs[i]));
        bufs[i].data = malloc(link->payload_bytes);
        bufs[i].cap = link->payload_bytes;
        FUZZ_CHECK(bufs[i].data);
    }
    fuzz_link_of(link)->lent += n;
    return n;
}

static inline void fuzz_tx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                unsigned n)
{
    FUZZ_CHECK(queue < link->queues);
    for (unsigned i = 0; i < n; i++)
        free(bufs[i].data);
    fuzz_link_of(link)->lent -= n;
}

static inline unsigned fuzz_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                     unsigned n)
{
    struct fuzz_link *l = fuzz_link_of(link);

    n = n < l->tx_room ? n : l->tx_room;
    for (unsigned i = 0; i < n; i++) {
        FUZZ_CHECK(bufs[i].len <= bufs[i].cap);
        if (l->sent)
            l->sent(l->arg, queue, &bufs[i]);
    }
    fuzz_tx_free(link, queue, bufs, n);
    return n;
}

static inline unsigned fuzz_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                     unsigned n)
{
    struct fuzz_link *l = fuzz_link_of(link);

    FUZZ_CHECK(queue < link->queues);
    if (!l->rx || queue != l->rx_queue || !n)
        return 0;
    memset(&bufs[0], 0, sizeof(bufs[0]));
    bufs[0].data = bufs[0].cookie = l->rx;
    bufs[0].len = bufs[0].cap = l->rx_len;
    l->rx = NULL;
    return 1;
}

static inline void fuzz_rx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                unsigned n)
{
    FUZZ_CHECK(queue < link->queues);
    for (unsigned i = 0; i < n; i++)
        free(bufs[i].cookie);
}

static inline void fuzz_set_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    (void)peer;
}

static inline void fuzz_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    (void)link;
    memset(out, 0, sizeof(*out));
}

static inline int fuzz_health(struct xf_link *link)
{
    return fuzz_link_of(link)->health;
}

static inline void fuzz_close(struct xf_link *link)
{
    (void)link;
}

static inline void fuzz_link_init(struct fuzz_link *l, unsigned queues, uint32_t payload_bytes)
{
    static const struct xf_link_ops ops = {
        .tx_alloc = fuzz_tx_alloc,
        .tx_burst = fuzz_tx_burst,
        .tx_free = fuzz_tx_free,
        .rx_burst = fuzz_rx_burst,
        .rx_free = fuzz_rx_free,
        .set_peer = fuzz_set_peer,
        .stats = fuzz_stats,
        .health = fuzz_health,
        .close = fuzz_close,
    };

    memset(l, 0, sizeof(*l));
    l->link.ops = &ops;
    l->link.queues = queues;
    l->link.payload_bytes = payload_bytes;
    l->tx_room = XF_BURST_MAX;
}

static inline void fuzz_link_fini(struct fuzz_link *l)
{
    free(l->rx);
    FUZZ_CHECK(l->lent == 0);
}

/* What the next step receives. */
static inline void fuzz_deliver(struct fuzz_link *l, unsigned queue, const void *packet, size_t len)
{
    free(l->rx);
    l->rx = malloc(len + !len);
    FUZZ_CHECK(l->rx);
    if (len)
        memcpy(l->rx, packet, len);
    l->rx_len = (uint32_t)len;
    l->rx_queue = queue;
}

/* ---- the other end ------------------------------------------------------------------------ */

static const uint8_t fuzz_session_id[XF_SESSION_ID_BYTES] = "fuzz session id";
static const uint8_t fuzz_secret[XF_SECRET_BYTES] = "the secret that fuzzers know";

/*
 * The other end's keys, made once: that costs more than most inputs. They live in memory of their
 * own, where LeakSanitizer does not see what they point to.
 */
static inline struct xf_seal *fuzz_keys(enum xf_role role)
{
    static struct xf_seal *keys[2];

    if (!keys[role]) {
        __lsan_disable();
        FUZZ_CHECK(!xf_seal_new(&keys[role], fuzz_secret, fuzz_session_id, role));
        __lsan_enable();
    }
    return keys[role];
}

/* Seals a packet as the end that `seal` belongs to; returns its length. out: XF_PAYLOAD_MAX + 64.
 */
static inline size_t fuzz_seal(const struct xf_seal *seal, uint8_t *out, uint8_t type,
                               uint16_t queue, uint64_t sequence, const void *body, size_t len)
{
    struct xf_wire_header h = {
        .version = XF_WIRE_VERSION,
        .type = type,
        .queue = queue,
        .sequence = sequence,
    };
    struct xf_seal_run run;

    memcpy(&h.session_tag, fuzz_session_id, sizeof(h.session_tag));
    memcpy(out, &h, sizeof(h));
    xf_seal_begin(seal, &run, &h);
    xf_seal_update(seal, &run, out + sizeof(h), body, len);
    xf_seal_end(seal, &run, out + sizeof(h) + len);
    return sizeof(h) + len + XF_TAG_BYTES;
}

static inline struct xf_offer fuzz_offer(const struct xf_link *link, uint64_t page_count)
{
    struct xf_offer offer = {
        .version = XF_PROTOCOL_VERSION,
        .queues = (uint16_t)link->queues,
        .payload_bytes = link->payload_bytes,
        .page_count = page_count,
    };

    memcpy(offer.session_id, fuzz_session_id, sizeof(offer.session_id));
    memcpy(offer.secret, fuzz_secret, sizeof(offer.secret));
    return offer;
}

#endif
