/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, alone: what `xl-fast bench send` and `bench receive` have in common: one end of a
 * migration by itself, over a memory again and again; what they are asked for, and what they have
 * found.
 *
 * Threads: one.
 */
#ifndef XF_BENCH_BENCH_ALONE_H
#define XF_BENCH_BENCH_ALONE_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/laps.h"
#include "transport/sim/simguest.h"
#include "xl-plugin/cli/options.h"

/* UDP payload at an MTU of 9000. */
#define XF_ALONE_PAYLOAD_BYTES 8972u
#define XF_ALONE_PASSES_MAX    100000u

struct xf_alone_options {
    uint64_t memory_bytes;    /* whole pages */
    uint64_t seconds, passes; /* one of them is 0 */
    unsigned lanes;
    enum xf_simguest_fill fill;
    bool json;
};

extern const struct xf_option xf_alone_option_rows[];

/* copies: of the memory that are needed at once. XF_GO_ON (options.h), or the exit status. */
int xf_alone_options_parse(const struct xf_command *c, struct xf_alone_options *o, unsigned copies,
                           int argc, char **argv);

/* What an end has found: of all passes that count, but for the samples, which are of one each. */
struct xf_alone {
    uint64_t passes;
    double *gbps;                /* of a guest's memory, Gbit/s */
    uint64_t cpu_ns, control_ns; /* CPU time of its threads; of that, of the one that steps it */
    struct xf_laps laps;
    bool verified; /* receive: the memory at its end is what was sent; else there are no figures */
};

/* Adds a pass over so many bytes. 0 or -ENOMEM. */
int xf_alone_add(struct xf_alone *a, uint64_t bytes, uint64_t us);

/* CPU time of the calling thread. */
uint64_t xf_alone_thread_ns(void);

/* Adds to `to` what `now` has more than `before`, of what xf_laps_read() reads. */
void xf_alone_add_laps(struct xf_laps *to, const struct xf_laps *now, const struct xf_laps *before);

/* By what: "send" or "receive". */
void xf_alone_report(const struct xf_alone_options *o, struct xf_alone *a, const char *what);

#endif
