/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, link: what `xl-fast bench link` was asked to do, and what a run of it has found.
 *
 *      bench_link.c (parent: no DPDK)      one run after the other
 *         |            \
 *      bench_near.c   bench_far.c          the talk between them: bench_talk.h
 *         \______________/                 far is here, or at HOST by ssh
 *
 * A run: all of the memory again and again, each time a round (a pass). The first one warms up:
 * rates are those of the others. Or, where packets alone are measured, trials (bench_packets.h).
 */
#ifndef XF_BENCH_BENCH_RUN_H
#define XF_BENCH_BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "transport/base/compress_mode.h"
#include "bench_interval.h"
#include "bench_packets.h"
#include "bench_talk.h"
#include "xl-plugin/cli/options.h"
#include "xl-plugin/demo/ends.h"

#define BENCH_LIST_MAX 16u
#define BENCH_RUNS_MAX 100u

enum xf_bench_seal { BENCH_SEAL_AES, BENCH_SEAL_NONE };

/* What a list of an option holds. */
struct xf_bench_list {
    unsigned n;
    uint32_t values[BENCH_LIST_MAX];
};

struct xf_bench_options {
    const char *host; /* NULL: both ends are here */
    const char *ssh;  /* words of the user's shell */
    uint64_t memory_bytes, seed;
    uint64_t seconds, passes; /* of a run; one of them is 0 */
    uint64_t omit;            /* seconds before what counts */
    uint64_t interval_us;     /* of the lines between; 0: none */
    unsigned runs;
    enum xf_bench_sink sink;
    struct xf_ends_port ports[2]; /* of source and target; port NULL: memif, or xl-fast.conf */
    struct xf_bench_list mtus, queues, compress, fills;
    bool json, timing, serve;
    bool multicast; /* to a group of one member */
    /* of packets instead of a migration, which the first of them tells */
    bool packets, search, bidir;
    enum xf_bench_seal seal;
    uint64_t rate_Bps; /* bytes per second on the wire; 0: as fast as the sender can */
    uint32_t burst;
    struct xf_bench_list sizes;
};

/* XF_GO_ON (options.h), or the exit status: help, or an error that was shown. */
extern const struct xf_option xf_bench_link_option_rows[];
int xf_bench_options_parse(const struct xf_command *c, struct xf_bench_options *o, int argc,
                           char **argv);

/* One combination of a sweep. */
struct xf_bench_setup {
    uint32_t mtu; /* 0: the port's largest */
    uint32_t queues;
    enum xf_compress_mode compress;
    enum xf_simguest_fill fill;
    uint32_t size; /* of packets; 0: the largest */
};

struct xf_bench_progress {
    uint64_t now_us, bytes_wire;
};

struct xf_bench_run {
    struct xf_bench_end source, target;
    struct xf_stats warm;        /* the source's, when the first pass was over, */
    uint64_t warm_us, end_us;    /* which was then; and when the last one was */
    uint64_t passes;             /* the first one is not counted */
    uint32_t payload_bytes;      /* the largest that fits both ends' links */
    uint32_t frame_bytes;        /* around each packet */
    char error[BENCH_WHY_BYTES]; /* ""; or why there are no figures */
    struct xf_bench_packets packets;
};

/* All runs of a combination, in bench_report.c's order of speed once it has shown them. */
struct xf_bench_result {
    const struct xf_bench_options *options;
    const struct xf_bench_setup *setup;
    struct xf_bench_run *runs;
    unsigned n;
    struct xf_bench_intervals intervals; /* of the newest run, if they are asked for */
};

/* The ends' memory is the same, or was not kept (--sink null). */
bool xf_bench_verified(const struct xf_bench_options *o, const struct xf_bench_run *run);

/* A line of JSON about a run that is the number'th of its setup, from 1. */
void xf_bench_report_json(const struct xf_bench_result *r, unsigned number);
void xf_bench_report_head(const struct xf_bench_options *o);
/* A line of the table: the run in the middle. */
void xf_bench_report_row(struct xf_bench_result *r);
/* The same of packets: a line a trial as it ends, and what was found. */
void xf_bench_packets_json(const struct xf_bench_result *r, unsigned number);
void xf_bench_packets_head(const struct xf_bench_options *o, const struct xf_bench_setup *setup);
void xf_bench_packets_line(unsigned number, uint64_t packet_bytes, const struct xf_bench_trial *t);
void xf_bench_packets_found(const struct xf_bench_result *r);

/* More about the same run. */
void xf_bench_report_details(const struct xf_bench_result *r);

#endif
