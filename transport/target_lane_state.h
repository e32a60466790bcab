/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target, lane: what a lane has, and what control and it tell each other: shared by its files
   (target_lane.h) and no others. */
#ifndef XF_TRANSPORT_TARGET_LANE_STATE_H
#define XF_TRANSPORT_TARGET_LANE_STATE_H

#include "crew.h"
#include "landing.h"
#include "lane.h"

/* Written by control, read by all lanes. */
struct xf_target_shared {
    _Alignas(64) _Atomic uint32_t round; /* that FEEDBACK tells: all before are complete */
    _Atomic bool ready;                  /* the sink can populate */
    _Atomic bool complete;               /* every page of every round has landed */
    _Atomic uint64_t landed;             /* pages of this round, of all lanes */
    _Atomic enum xf_phase phase;
    uint64_t page_count;
    uint64_t features; /* the offer's */
    uint32_t credit;
};

/* All pages of a round have landed: the next begins, or none. What still comes of the one before is
   late. */
struct xf_target_order {
    uint32_t round; /* the next */
    bool over;      /* there is none */
    bool unmap;
};

/* What a lane tells of one or more steps. */
struct xf_target_news {
    int failed;       /* -errno, with the lane's error: a source that gives up, too */
    bool heard;       /* the first authentic packet */
    bool landed;      /* the first page or memory */
    uint32_t barrier; /* of this round there was one; 0: there was none */
    uint64_t want;    /* BARRIER: pages of the round, of all lanes */
    bool final;       /* BARRIER */
    bool hashes;      /* BARRIER: the round is of hashes */
};

struct xf_target_lane {
    struct xf_lane lane; /* first */
    struct xf_target_shared *shared;
    struct xf_landing landing;
    uint64_t sequence; /* next to send */
    uint64_t stamp_us; /* of the newest PING */
    uint64_t told_us;  /* last feedback */
    uint32_t arrived;  /* packets since then */
    bool asked;        /* feedback is wanted at once */
    bool told_ready;
    uint32_t told_round;

    uint32_t round; /* the one being received; the first is 1 */
    bool over;      /* all there is has landed */
    bool failed, heard, landed;
    bool has_news;
    struct xf_target_news news;
    bool had_pages, had_hashes; /* in the round before; for control, once the lane has obeyed */
};

#endif
