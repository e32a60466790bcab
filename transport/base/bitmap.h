/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bitmap: one bit per page in 64-bit words, as Xen's log-dirty interface fills them. Inline, not
 * thread-safe.
 */
#ifndef XF_TRANSPORT_BASE_BITMAP_H
#define XF_TRANSPORT_BASE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t xf_bitmap_words(uint64_t bits)
{
    return (bits + 63) / 64;
}

/* All zero; free() it. NULL when out of memory. */
static inline uint64_t *xf_bitmap_new(uint64_t bits)
{
    return calloc(xf_bitmap_words(bits) + !bits, sizeof(uint64_t));
}

static inline bool xf_bitmap_test(const uint64_t *map, uint64_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

static inline void xf_bitmap_set(uint64_t *map, uint64_t bit)
{
    map[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline void xf_bitmap_clear(uint64_t *map, uint64_t bit)
{
    map[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

/* Sets `count` bits from `first` on. */
static inline void xf_bitmap_set_range(uint64_t *map, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count;) {
        uint64_t shift = i % 64, left = first + count - i;
        uint64_t n = left < 64 - shift ? left : 64 - shift;

        map[i / 64] |= (~UINT64_C(0) >> (64 - n)) << shift;
        i += n;
    }
}

static inline void xf_bitmap_clear_range(uint64_t *map, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count;) {
        uint64_t shift = i % 64, left = first + count - i;
        uint64_t n = left < 64 - shift ? left : 64 - shift;

        map[i / 64] &= ~((~UINT64_C(0) >> (64 - n)) << shift);
        i += n;
    }
}

static inline uint64_t xf_bitmap_count(const uint64_t *map, uint64_t bits)
{
    uint64_t n = 0;

    /* Most words of a large guest's are zero, and to count bits takes a call on an old x86-64. */
    for (uint64_t w = 0; w < xf_bitmap_words(bits); w++)
        if (map[w])
            n += (uint64_t)__builtin_popcountll(map[w]);
    return n;
}

/* The first set bit at or after `from`, or `bits` if there is none. */
static inline uint64_t xf_bitmap_next(const uint64_t *map, uint64_t bits, uint64_t from)
{
    if (from >= bits)
        return bits;
    uint64_t w = from / 64;
    uint64_t word = map[w] & (~UINT64_C(0) << (from % 64));

    while (!word) {
        if (++w >= xf_bitmap_words(bits))
            return bits;
        word = map[w];
    }
    uint64_t bit = w * 64 + (uint64_t)__builtin_ctzll(word);
    return bit < bits ? bit : bits;
}

/* The first clear bit at or after `from`, or `bits` if there is none. */
static inline uint64_t xf_bitmap_next_clear(const uint64_t *map, uint64_t bits, uint64_t from)
{
    if (from >= bits)
        return bits;
    uint64_t w = from / 64;
    uint64_t word = ~map[w] & (~UINT64_C(0) << (from % 64));

    while (!word) {
        if (++w >= xf_bitmap_words(bits))
            return bits;
        word = ~map[w];
    }
    uint64_t bit = w * 64 + (uint64_t)__builtin_ctzll(word);
    return bit < bits ? bit : bits;
}

#endif
