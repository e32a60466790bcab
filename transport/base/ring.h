/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ring: a queue of elements between two threads without a lock: one puts, the other takes. Each
 * writes its own end, in a cache line of its own. Elements are copied in and out.
 *
 * Threads: put() one, take() one; init and fini while neither is called.
 */
#ifndef XF_TRANSPORT_BASE_RING_H
#define XF_TRANSPORT_BASE_RING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct xf_ring {
    uint8_t *slots;
    uint32_t slot_bytes, mask;
    _Alignas(64) _Atomic uint32_t put; /* counted up by who puts */
    _Alignas(64) _Atomic uint32_t taken;
};

/* slots: a power of two. 0 or -ENOMEM. */
static inline int xf_ring_init(struct xf_ring *r, uint32_t slots, uint32_t slot_bytes)
{
    r->slots = malloc((size_t)slots * slot_bytes);
    r->slot_bytes = slot_bytes;
    r->mask = slots - 1;
    atomic_init(&r->put, 0);
    atomic_init(&r->taken, 0);
    return r->slots ? 0 : -ENOMEM;
}

static inline void xf_ring_fini(struct xf_ring *r)
{
    free(r->slots);
    r->slots = NULL;
}

/* False: it is full. */
static inline bool xf_ring_put(struct xf_ring *r, const void *element)
{
    uint32_t at = atomic_load_explicit(&r->put, memory_order_relaxed);

    if (at - atomic_load_explicit(&r->taken, memory_order_acquire) > r->mask)
        return false;
    memcpy(r->slots + (size_t)(at & r->mask) * r->slot_bytes, element, r->slot_bytes);
    atomic_store_explicit(&r->put, at + 1, memory_order_release);
    return true;
}

/* False: it is empty. */
static inline bool xf_ring_take(struct xf_ring *r, void *element)
{
    uint32_t at = atomic_load_explicit(&r->taken, memory_order_relaxed);

    if (at == atomic_load_explicit(&r->put, memory_order_acquire))
        return false;
    memcpy(element, r->slots + (size_t)(at & r->mask) * r->slot_bytes, r->slot_bytes);
    atomic_store_explicit(&r->taken, at + 1, memory_order_release);
    return true;
}

#endif
