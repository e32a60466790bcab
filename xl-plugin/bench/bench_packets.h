/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, packets: the trials of `xl-fast bench link` that measure packets and no migration.
 *
 *      near                                    far
 *        | -- KEY ------------------------------> |  lanes (bench_lanes.h)
 *        | <------------------------------ ADDR - |
 *        | -- TRIAL ----------------------------> |  its lanes run
 *        | <----------------------------- READY - |
 *        | <====== packets, port to port =======> |
 *        | -- STOP -----------------------------> |  a while after the last packet
 *        | <----------------------------- COUNT - |  and so on: TRIAL ...
 */
#ifndef XF_BENCH_BENCH_PACKETS_H
#define XF_BENCH_BENCH_PACKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench_hist.h"
#include "bench_lanes.h"
#include "bench_search.h"
#include "bench_talk.h"

/* After the last packet was sent, for those on their way; and what a sender may be late by, that
   has not the processor or whose port takes nothing. */
#define BENCH_DRAIN_US UINT64_C(200000)
#define BENCH_LATE_US  UINT64_C(2000000)

/* The bodies of KEY and ADDR. */
struct xf_bench_key {
    uint8_t secret[XF_SECRET_BYTES], session_id[XF_SESSION_ID_BYTES];
    struct xf_link_addr near;
    uint32_t sealed;
};

struct xf_bench_addr {
    struct xf_link_addr far;
};

/* What the trials of a run are to be. */
struct xf_bench_packets_wish {
    bool search, bidir, sealed;
    uint32_t size;     /* 0: the largest that fits */
    uint32_t burst;    /* 0: 32 */
    uint64_t rate_Bps; /* on the wire; 0: as fast as the sender can */
    uint64_t omit_us, duration_us;
};

struct xf_bench_direction {
    uint64_t sent, lost;
    double loss_pct;
};

struct xf_bench_trial {
    uint64_t asked_pps; /* 0: none, to measure the round trip alone; BENCH_RATE_MAX */
    double sent_pps;    /* of one direction, of the slower sender */
    struct xf_bench_direction to, back; /* back is all 0 without bidir */
    double loss_pct;                    /* the worse of both */
    struct xf_bench_rtt rtt;
    struct xf_bench_count near, far;
};

struct xf_bench_packets {
    uint32_t size;
    uint64_t duration_us;
    struct xf_bench_rtt idle; /* the round trip without load */
    unsigned n;
    struct xf_bench_trial trials[BENCH_TRIALS_MAX];
    int best[BENCH_GOALS]; /* numbers of trials, of a search; -1: none was good enough */
};

/* Called about ten times a second within a trial, and after each. */
struct xf_bench_packets_news {
    void (*progress)(void *arg, uint64_t packets);
    void (*trial)(void *arg, unsigned number, const struct xf_bench_trial *t);
    void *arg;
};

/* near's: all trials. 0; or -errno, and why gets a line for the user. */
int xf_bench_packets_run(const struct xf_bench_channel *far, struct xf_link *link, unsigned queues,
                         uint32_t payload_bytes, const struct xf_bench_packets_wish *wish,
                         const struct xf_bench_packets_news *news, struct xf_bench_packets *out,
                         char why[BENCH_WHY_BYTES]);

/* far's: until near leaves. */
int xf_bench_packets_serve(const struct xf_bench_channel *near, struct xf_link *link,
                           unsigned queues, char why[BENCH_WHY_BYTES]);

#endif
