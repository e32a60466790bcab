/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes: numbers as headers hold them, the most significant byte first, and their checksum (RFC
   1071). Private to dpdk/. */
#ifndef XF_DPDK_BYTES_H
#define XF_DPDK_BYTES_H

#include <stdint.h>

static inline void xf_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void xf_put32(uint8_t *p, uint32_t v)
{
    xf_put16(p, v >> 16);
    xf_put16(p + 2, v & 0xffff);
}

static inline uint32_t xf_get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t xf_get32(const uint8_t *p)
{
    return xf_get16(p) << 16 | xf_get16(p + 2);
}

/* The sum of 16-bit words, not yet folded or inverted. len is even. */
static inline uint32_t xf_sum16(const uint8_t *p, unsigned len)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < len; i += 2)
        sum += xf_get16(p + i);
    return sum;
}

static inline uint32_t xf_sum_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

#endif
