/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random: a small seeded sequence (splitmix64) for simulations and tests. Never for keys. */
#ifndef XF_TRANSPORT_BASE_RANDOM_H
#define XF_TRANSPORT_BASE_RANDOM_H

#include <stdint.h>

struct xf_random {
    uint64_t state;
};

static inline uint64_t xf_random_next(struct xf_random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. n-1; n > 0. The bias for a small n is beyond notice. */
static inline uint64_t xf_random_below(struct xf_random *r, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)xf_random_next(r) * n) >> 64);
}

/* True in pct percent of the calls. */
static inline int xf_random_hits(struct xf_random *r, double pct)
{
    return pct > 0 && (double)(xf_random_next(r) >> 11) * (100.0 / 9007199254740992.0) < pct;
}

#endif
