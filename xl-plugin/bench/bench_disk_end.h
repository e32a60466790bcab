/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, disk, ends: the two of `xl-fast bench disk`, each a process of its own, since DPDK starts
 * once in one. They agree over `peer`, and tell the parent by messages over `parent`:
 *
 *      source                               target
 *        | <----------------------- a byte - |  its memif listens
 *        | -- OFFER -----------------------> |
 *        | <====== the disk, port to port ==> |
 *        | -- a byte ----------------------> |  it was seen that all has landed
 *        |    closes its port, ends          |  closes its port, ends
 */
#ifndef XF_BENCH_BENCH_DISK_END_H
#define XF_BENCH_BENCH_DISK_END_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/compress_mode.h"
#include "transport/base/stats.h"
#include "xl-plugin/cli/options.h"

#define BENCH_DISK_WHY_BYTES 320

struct xf_bench_disk_options {
    const char *from, *to;
    unsigned lanes;
    uint64_t bandwidth_bytes_per_s; /* 0: no limit */
    enum xf_compress_mode compress;
    bool verify, overwrite, json;
};

enum xf_bench_disk_kind { BENCH_DISK_PROGRESS, BENCH_DISK_FAILED, BENCH_DISK_DONE };

struct xf_bench_disk_news {
    enum xf_bench_disk_kind kind;
    union {
        struct {
            uint64_t pages, pages_sent; /* to be sent, and sent */
            bool verifying;
        } progress; /* the source's */
        char reason[BENCH_DISK_WHY_BYTES];
        struct {
            struct xf_stats stats;
            uint64_t us, cpu_us; /* from the first step to the last; of the process */
            bool direct;         /* past the page cache */
        } end;
    };
};

struct xf_bench_disk_end {
    const struct xf_bench_disk_options *options;
    const char *memif_socket;
    bool zeros; /* the target's disk reads as zeros all over */
    int parent, peer;
};

/* The whole lives of the children; return their exit status. */
int xf_bench_disk_source(const struct xf_bench_disk_end *end);
int xf_bench_disk_target(const struct xf_bench_disk_end *end);

#endif
