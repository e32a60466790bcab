/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, lanes: one end's threads of a trial, one a queue of its port. Each sends packets at its
 * share of a rate, or as fast as the port takes them, receives, opens and counts what comes, and
 * answers probes. There is no window and no congestion control: what the path cannot carry is lost.
 *
 * Threads: all functions from the thread that made the lanes. While a trial runs, the link is the
 * lanes' alone, and only sending() and sent() may be called besides stop().
 */
#ifndef XF_BENCH_BENCH_LANES_H
#define XF_BENCH_BENCH_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "bench_hist.h"
#include "transport/link.h"
#include "transport/seal.h"

#define BENCH_LANES_MAX 16u

/* A trial, as near orders it of far. */
struct xf_bench_trial_order {
    uint32_t number;               /* each packet of it says so */
    uint32_t size;                 /* UDP payload of a packet */
    uint32_t burst;                /* at most so many at once */
    uint32_t bidir;                /* far sends, too */
    uint64_t pps;                  /* of all queues and one direction; 0: none; BENCH_RATE_MAX */
    uint64_t omit_us, duration_us; /* what is sent first is not counted */
};

struct xf_bench_lane_count {
    uint64_t sent, received; /* those that count; probes and echoes are none */
    uint64_t rejected;       /* not ours, or not authentic */
    uint64_t us, cpu_us;     /* how long the thread ran, and what it took of a core */
    uint64_t busy_us;        /* of us, where it had a packet to send or to receive */
};

struct xf_bench_count {
    struct xf_bench_lane_count all, lanes[BENCH_LANES_MAX];
};

struct xf_bench_lanes;

/* sealed: as a migration's packets; else in the clear. */
int xf_bench_lanes_new(struct xf_bench_lanes **out, struct xf_link *link, unsigned queues,
                       const uint8_t secret[XF_SECRET_BYTES],
                       const uint8_t session_id[XF_SESSION_ID_BYTES], enum xf_role role,
                       bool sealed);

/* sends: packets; probes: small ones besides, whose round trips are measured. */
int xf_bench_lanes_start(struct xf_bench_lanes *l, const struct xf_bench_trial_order *trial,
                         bool sends, bool probes);

/* Until the trial's time is over for each of them, and the port has taken what was built. */
bool xf_bench_lanes_sending(const struct xf_bench_lanes *l);

/* Packets so far. */
uint64_t xf_bench_lanes_sent(const struct xf_bench_lanes *l);

void xf_bench_lanes_stop(struct xf_bench_lanes *l);

/* After stop(): of that trial. */
void xf_bench_lanes_count(const struct xf_bench_lanes *l, struct xf_bench_count *out);
struct xf_bench_rtt xf_bench_lanes_rtt(const struct xf_bench_lanes *l);

void xf_bench_lanes_free(struct xf_bench_lanes *l);

#endif
