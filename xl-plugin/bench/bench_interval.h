/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, interval: what has passed between two moments of a run, as a line or as JSON. Pure but for
 * the line, which goes to stdout.
 */
#ifndef XF_BENCH_BENCH_INTERVAL_H
#define XF_BENCH_BENCH_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* The counters of a run at one moment. */
struct xf_bench_sample {
    uint64_t now_us;
    uint64_t bytes; /* on the wire, frames included */
    uint64_t packets, lost;
    uint64_t source_cpu_us;            /* of the source's thread */
    uint64_t target_us, target_cpu_us; /* of the target's, and its clock then: its newest word */
};

struct xf_bench_interval {
    uint64_t start_us, end_us; /* since what counts began, or since the warm-up did */
    bool omitted;              /* it belongs to the warm-up */
    uint64_t packets, lost;
    double bps, pps, source_cpu_pct, target_cpu_pct;
};

/* From a to b; zero_us is the moment that is 0 in it. */
struct xf_bench_interval xf_bench_interval_of(const struct xf_bench_sample *a,
                                              const struct xf_bench_sample *b, uint64_t zero_us,
                                              bool omitted);

/* CPU time in percent of a core; NAN of no time. */
double xf_bench_cpu_pct(uint64_t cpu_us, uint64_t us);

void xf_bench_interval_print_columns(void);
void xf_bench_interval_print(const struct xf_bench_interval *i);
struct json_object *xf_bench_interval_json(const struct xf_bench_interval *i);

/* All of a run, in their order; zeroed when it is empty. */
struct xf_bench_intervals {
    struct xf_bench_interval *all;
    unsigned n, room;
};

/* What finds no memory is dropped. */
void xf_bench_intervals_add(struct xf_bench_intervals *to, const struct xf_bench_interval *i);
struct json_object *xf_bench_intervals_json(const struct xf_bench_intervals *all);
void xf_bench_intervals_clear(struct xf_bench_intervals *all);

#endif
