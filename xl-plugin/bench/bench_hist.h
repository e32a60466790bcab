/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, histogram of times: 64 buckets to each power of two, so that a quantile is at most 1.6 %
 * too large, and never larger than the largest time. Pure; zeroed when it is empty.
 */
#ifndef XF_BENCH_BENCH_HIST_H
#define XF_BENCH_BENCH_HIST_H

#include <stdint.h>

#define BENCH_HIST_BITS    6
#define BENCH_HIST_MAX_NS  ((UINT64_C(1) << 40) - 1) /* 18 minutes: longer ones count as this */
#define BENCH_HIST_BUCKETS ((40 - BENCH_HIST_BITS + 1) << BENCH_HIST_BITS)

struct xf_bench_hist {
    uint64_t n, max_ns;
    uint64_t buckets[BENCH_HIST_BUCKETS];
};

void xf_bench_hist_add(struct xf_bench_hist *h, uint64_t ns);
void xf_bench_hist_merge(struct xf_bench_hist *to, const struct xf_bench_hist *from);

/* The time that so many of a hundred were no longer than; 0 of an empty one. */
uint64_t xf_bench_hist_percentile(const struct xf_bench_hist *h, double pct);

/* What is shown of one. */
struct xf_bench_rtt {
    uint64_t n;
    uint64_t p50_ns, p99_ns, p999_ns;
};

struct xf_bench_rtt xf_bench_hist_rtt(const struct xf_bench_hist *h);

#endif
