/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, near: the source of `xl-fast bench link`, one run long: a process of its own, because DPDK
 * starts once in one. It tells its parent, which is of the same program, by bench_news.
 */
#ifndef XF_BENCH_BENCH_NEAR_H
#define XF_BENCH_BENCH_NEAR_H

#include "bench_link.h"
#include "bench_talk.h"

enum bench_news_kind { BENCH_NEWS_PROGRESS, BENCH_NEWS_RUN, BENCH_NEWS_FAILED };

struct bench_news {
    enum bench_news_kind kind;
    union {
        struct bench_progress progress;
        struct bench_run run;
        char reason[BENCH_WHY_BYTES];
    };
};

struct bench_near {
    const struct bench_options *options;
    const struct bench_setup *setup;
    struct bench_order here, there; /* of this end and of the other */
    struct bench_channel far;
    int parent; /* a socket of messages */
};

/* The whole life of the child; returns its exit status. */
int bench_near_main(const struct bench_near *near);

#endif
