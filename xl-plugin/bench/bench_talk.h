/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, talk: what the two ends of `xl-fast bench link` say to each other besides the migration
 * itself, over a pair of sockets or ssh's stdin and stdout:
 *
 *      near (source)                         far (target)
 *        | -- ORDER ---------------------------> |  its memory; opens its port
 *        | <------------------------------- UP - |
 *        | -- OFFER ---------------------------> |
 *        | -- MEMBER, by multicast ------------> |  joins the group; opens a session
 *        | <====== the migration, port to port > |
 *        | -- SEEN ----------------------------> |
 *        | <--------------------------- RESULT - |
 *        |    closes its port, then the talk     |  closes its port, ends
 *
 * A TICK comes from far as often as the order says, while it receives, with what it has counted.
 * FAILED with a reason may come from far at any time, and each end takes the other's silence or
 * leaving for the end of all.
 *
 * A message is a header and a structure as it is in memory: the ends are of one version, which the
 * header tells, on x86-64. What comes is anybody's until it was checked.
 */
#ifndef XF_BENCH_BENCH_TALK_H
#define XF_BENCH_BENCH_TALK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/link.h"
#include "transport/offer.h"
#include "transport/base/stats.h"

#define BENCH_WHY_BYTES   320
#define BENCH_TICK_MIN_US 25000u

enum xf_bench_kind {
    BENCH_NONE, /* is expected: whatever comes is wrong */
    BENCH_ORDER,
    BENCH_UP,
    BENCH_OFFER, /* XF_OFFER_BYTES */
    BENCH_SEEN,  /* nothing */
    BENCH_RESULT,
    BENCH_FAILED,
    BENCH_TICK,
    /* of packets instead of a migration: bench_packets.h */
    BENCH_KEY,
    BENCH_ADDR,
    BENCH_TRIAL,
    BENCH_READY,
    BENCH_STOP,
    BENCH_COUNT,
    BENCH_MEMBER, /* XF_MEMBER_BYTES */
};

enum xf_bench_sink { BENCH_SINK_MEMORY, BENCH_SINK_NULL };

/* What far is to be. All strings end in a 0. */
struct xf_bench_order {
    uint64_t memory_bytes;
    uint32_t mtu; /* 0: the port's largest */
    uint32_t queues;
    uint32_t sink;
    uint16_t packets;   /* these instead of a migration: bench_packets.h */
    uint16_t multicast; /* it is the one member of a group */
    uint64_t tick_us;   /* how often it says what it has counted; 0: never */
    char memif[112];    /* socket of a memif that it is to serve; "": its port, in netns, or "": */
    char port[256];     /* what its own xl-fast.conf says */
    char netns[NAME_MAX + 1];
};

struct xf_bench_up {
    uint32_t payload_bytes; /* its link's */
};

/* What an end knows when all has landed. */
struct xf_bench_end {
    struct xf_stats stats;
    struct xf_link_stats link;
    uint64_t hash[2];    /* of its memory; 0 of a sink without */
    uint64_t cpu_us, us; /* of its thread, and how long that has been at it */
};

/* What far has counted so far, by its own clock. */
struct xf_bench_tick {
    uint64_t now_us, cpu_us;
};

struct xf_bench_failed {
    char reason[256];
};

struct xf_bench_channel {
    int in, out;
    const char *peer;           /* what messages call it */
    struct xf_bench_tick *tick; /* where the newest TICK goes; NULL: none is expected */
};

/* 0 or -errno. */
int xf_bench_send(const struct xf_bench_channel *c, enum xf_bench_kind kind, const void *body,
                  size_t bytes);

/*
 * Waits at most so long for a message of that kind and size. 0; or -errno, and why gets a line for
 * the user: what else came, or the reason of a FAILED. -ETIMEDOUT: nothing came. A TICK is taken,
 * and the wait goes on unless it was for one.
 */
int xf_bench_receive(const struct xf_bench_channel *c, enum xf_bench_kind kind, void *body,
                     size_t bytes, uint64_t limit_us, char why[BENCH_WHY_BYTES]);

/* Something has come, or the other end has gone. */
bool xf_bench_pending(const struct xf_bench_channel *c);

/* Checks of what has come, beyond kind and size. 0 or -EBADMSG. */
int xf_bench_order_check(const struct xf_bench_order *o);
int xf_bench_end_check(const struct xf_bench_end *e);

/* Of the calling thread. */
uint64_t xf_bench_thread_cpu_us(void);
/* And what all of the process have. */
uint64_t xf_bench_cpu_us(void);

#endif
