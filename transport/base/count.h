/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Count: a counter that one thread writes and any may read: read, added to and written one after
 * the other, which costs what a plain one does.
 */
#ifndef XF_TRANSPORT_BASE_COUNT_H
#define XF_TRANSPORT_BASE_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t xf_count;

static inline uint64_t xf_count_of(const xf_count *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void xf_count_set(xf_count *c, uint64_t n)
{
    atomic_store_explicit(c, n, memory_order_relaxed);
}

static inline void xf_count_add(xf_count *c, uint64_t n)
{
    xf_count_set(c, xf_count_of(c) + n);
}

#endif
