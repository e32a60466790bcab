/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Laps: where an end's cycles go, by stage. The stepping thread's time is cut without gaps: a lap
 * gives all that has passed since the one before to a stage. A step that found nothing to do is
 * not counted.
 *
 * Reading the cycle counter takes some 40 cycles, sealing a page some 800: the stages of a single
 * packet are told apart in one step of XF_LAPS_EVERY, and the time that the others spent on packets
 * is divided as those found it. So laps cost well below a percent and are always on.
 *
 * The counter is the CPU's constant one: what others did on our core meanwhile counts too.
 *
 * Threads: one writes.
 */
#ifndef XF_TRANSPORT_BASE_LAPS_H
#define XF_TRANSPORT_BASE_LAPS_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, what it is: 43 characters at most, for a table of 80 columns) */
#define XF_STAGES(X)                                                                               \
    X(guest, "map, populate, dirty bitmap, suspend")                                               \
    X(read, "zero test and encoding")                                                              \
    X(seal, "encrypting: reads the page, writes packet")                                           \
    X(transmit, "packets to the port; at the target feedback")                                     \
    X(receive, "packets from the port")                                                            \
    X(open, "checking and decrypting")                                                             \
    X(write, "pages into the guest")                                                               \
    X(bookkeeping, "all else: windows, pacing, feedback, rounds")

#define XF_STAGE_ENUM(name, what) XF_STAGE_##name,
/* The last one is of packets whose stages were not told apart. */
enum xf_stage { XF_STAGES(XF_STAGE_ENUM) XF_STAGE_COUNT, XF_STAGE_MIXED = XF_STAGE_COUNT };
#undef XF_STAGE_ENUM

extern const char *const xf_stage_names[XF_STAGE_COUNT];
extern const char *const xf_stage_what[XF_STAGE_COUNT];

/* Prime: bursts, batches and feedback come in powers of two, and each must be met. */
#define XF_LAPS_EVERY 13u
/* About what a lap of a packet takes itself: not to be taken for a short stage's. */
#define XF_LAP_CYCLES 70u

struct xf_laps {
    uint64_t at;           /* the counter at the last lap */
    uint64_t began, ended; /* the first step, and the end of the last one that was not idle */
    uint64_t step;         /* steps since the start, idle ones too */
    uint64_t fine;         /* this step tells the stages of its packets apart */
    uint64_t now[XF_STAGE_COUNT + 1];   /* of this step */
    uint64_t spent[XF_STAGE_COUNT + 1]; /* of all that were not idle */
    uint64_t split[XF_STAGE_COUNT];     /* of those that were fine, the laps of packets */
};

static inline void xf_laps_begin(struct xf_laps *l)
{
    l->fine = l->step++ % XF_LAPS_EVERY == 0;
    l->at = __builtin_ia32_rdtsc();
    l->began = l->began ? l->began : l->at;
    for (unsigned i = 0; i <= XF_STAGE_COUNT; i++)
        l->now[i] = 0;
}

/* What has passed since the last lap was this stage's. */
static inline void xf_lap(struct xf_laps *l, enum xf_stage stage)
{
    uint64_t at = __builtin_ia32_rdtsc();

    l->now[stage] += at - l->at;
    l->at = at;
}

/* The same within a packet: in a step that is not fine, left to the lap of all packets. */
static inline void xf_lap_packet(struct xf_laps *l, enum xf_stage stage)
{
    if (!l->fine)
        return;
    __builtin_ia32_mfence(); /* what a stage has written is not the next one's to wait for */
    uint64_t at = __builtin_ia32_rdtsc(), cycles = at - l->at;

    l->now[stage] += cycles;
    l->split[stage] += cycles > XF_LAP_CYCLES ? cycles - XF_LAP_CYCLES : 0;
    l->at = at;
}

/* A burst's packets are done; or something rare among them, which has a lap of its own, begins. */
static inline void xf_lap_packets(struct xf_laps *l, enum xf_stage rest)
{
    if (l->fine)
        xf_lap_packet(l, rest);
    else
        xf_lap(l, XF_STAGE_MIXED);
}

static inline void xf_laps_end(struct xf_laps *l, bool idle)
{
    xf_lap(l, XF_STAGE_bookkeeping);
    if (idle)
        return;
    l->ended = l->at;
    for (unsigned i = 0; i <= XF_STAGE_COUNT; i++)
        l->spent[i] += l->now[i];
}

/* Cycles by stage, what was mixed divided; their sum, which is that of all steps but idle ones. */
uint64_t xf_laps_read(const struct xf_laps *l, uint64_t cycles[XF_STAGE_COUNT]);

#endif
