/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, histogram: which bucket a time is in, and which time a bucket stands for. */
#include "bench_hist.h"

#include <math.h>

#define SUB (UINT64_C(1) << BENCH_HIST_BITS)

static unsigned bucket_of(uint64_t ns)
{
    unsigned shift;

    if (ns < SUB)
        return (unsigned)ns;
    shift = 63 - (unsigned)__builtin_clzll(ns) - BENCH_HIST_BITS;
    return (unsigned)(shift * SUB + (ns >> shift));
}

/* The longest of its times. */
static uint64_t time_of(unsigned bucket)
{
    unsigned shift = bucket < SUB ? 0 : bucket / SUB - 1;

    return ((bucket - shift * SUB + 1) << shift) - 1;
}

void xf_bench_hist_add(struct xf_bench_hist *h, uint64_t ns)
{
    ns = ns < BENCH_HIST_MAX_NS ? ns : BENCH_HIST_MAX_NS;
    h->n++;
    h->buckets[bucket_of(ns)]++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

void xf_bench_hist_merge(struct xf_bench_hist *to, const struct xf_bench_hist *from)
{
    to->n += from->n;
    if (from->max_ns > to->max_ns)
        to->max_ns = from->max_ns;
    for (unsigned i = 0; i < BENCH_HIST_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

uint64_t xf_bench_hist_percentile(const struct xf_bench_hist *h, double pct)
{
    uint64_t rank = (uint64_t)ceil((double)h->n * pct / 100 - 1e-9), seen = 0;

    for (unsigned i = 0; i < BENCH_HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen && seen >= rank)
            return time_of(i) < h->max_ns ? time_of(i) : h->max_ns;
    }
    return 0;
}

struct xf_bench_rtt xf_bench_hist_rtt(const struct xf_bench_hist *h)
{
    return (struct xf_bench_rtt){
        .n = h->n,
        .p50_ns = xf_bench_hist_percentile(h, 50),
        .p99_ns = xf_bench_hist_percentile(h, 99),
        .p999_ns = xf_bench_hist_percentile(h, 99.9),
    };
}
