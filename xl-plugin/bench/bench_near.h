/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, near: the source of `xl-fast bench link`, one run long: a process of its own, because DPDK
 * starts once in one. It tells its parent, which is of the same program, by bench_news.
 */
#ifndef XF_BENCH_BENCH_NEAR_H
#define XF_BENCH_BENCH_NEAR_H

#include "bench_run.h"
#include "bench_talk.h"

enum xf_bench_news_kind {
    BENCH_NEWS_PROGRESS,
    BENCH_NEWS_INTERVAL,
    BENCH_NEWS_TRIAL,
    BENCH_NEWS_RUN,
    BENCH_NEWS_FAILED
};

struct xf_bench_news {
    enum xf_bench_news_kind kind;
    union {
        struct xf_bench_progress progress;
        struct xf_bench_interval interval;
        struct {
            unsigned number;
            uint64_t packet_bytes; /* with the frame */
            struct xf_bench_trial trial;
        } trial;
        struct xf_bench_run run;
        char reason[BENCH_WHY_BYTES];
    };
};

struct xf_bench_near {
    const struct xf_bench_options *options;
    const struct xf_bench_setup *setup;
    struct xf_bench_order here, there; /* of this end and of the other */
    struct xf_bench_channel far;
    int parent; /* a socket of messages */
};

/* The whole life of the child; returns its exit status. */
int xf_bench_near_main(const struct xf_bench_near *near);

#endif
