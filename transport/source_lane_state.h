/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, lane: what a lane has, and what control and it tell each other: shared by its files
   (source_lane.h) and no others. */
#ifndef XF_TRANSPORT_SOURCE_LANE_STATE_H
#define XF_TRANSPORT_SOURCE_LANE_STATE_H

#include "crew.h"
#include "encode.h"
#include "inflight.h"
#include "lane.h"

#define XF_SOURCE_BURST 32u

/* Written by control, read by all lanes. */
struct xf_source_shared {
    _Alignas(64) _Atomic int64_t grant;   /* bytes that lanes may send now: they take of it */
    _Alignas(64) _Atomic uint64_t known;  /* gfns below are decided: of which there are */
    _Alignas(64) _Atomic uint32_t barred; /* the round whose barrier has been ordered */
    _Atomic uint64_t path_bytes_per_s;    /* what the path carries; 0: not known */
    _Atomic bool path_waits;              /* for us */
    _Atomic enum xf_phase phase;
    uint32_t packet_bytes; /* of a full packet, framed; from the ANSWER on */
};

enum xf_source_do {
    XF_SOURCE_DO_ROUND,   /* send the round's pages */
    XF_SOURCE_DO_BARRIER, /* lane 0: the BARRIER; the others: a PING, for their last packets may be
                             lost too, with nothing after them to show it */
    XF_SOURCE_DO_PAUSE,   /* send no pages for a moment, so that control can look at `deferred` */
    XF_SOURCE_DO_GO_ON,   /* after PAUSE */
    XF_SOURCE_DO_HALT,    /* the round is over: forget what is outstanding or to be sent again */
};

struct xf_source_order {
    enum xf_source_do what;
    uint32_t round;
    enum xf_round_kind kind;
    const uint64_t *todo;
    uint64_t *populated, *deferred; /* as of encode.h */
    const uint64_t *held;           /* likewise; NULL: none */
    uint64_t pages;                 /* BARRIER: of all lanes */
    bool final, hashes;             /* BARRIER */
};

/* What a lane tells of one or more steps. */
struct xf_source_news {
    int failed;            /* -errno, with the lane's error: a target that refuses, too */
    bool ready;            /* the target can take memory */
    uint32_t counted;      /* it has counted every page of this round; 0: nothing new */
    uint32_t answer_bytes; /* that the body of its ANSWER had; 0: there was none */
    struct xf_wire_answer answer;
    bool feedback;        /* there was some: */
    uint64_t feedback_us; /* the newest */
    struct xf_pace_news path;
    uint64_t sent_bytes; /* of DATA, framed */
};

struct xf_source_lane {
    struct xf_lane lane; /* first */
    struct xf_source_shared *shared;
    struct xf_encoder encoder;
    struct xf_inflight inflight;
    uint32_t lost_rest; /* of what the worst path has lost, in 1/256 of a packet */
    uint32_t credit;    /* the receiver's limit of packets outstanding */
    struct xf_buf pending[XF_SOURCE_BURST]; /* sealed, but the link had no room */
    unsigned pending_n;
    uint64_t pinged_us;
    uint64_t stamp_seen_us; /* newest echo of a ping */

    uint32_t round; /* the newest that was ordered */
    bool sends;     /* it is not over */
    bool counted;   /* control has been told that the target has counted it */
    bool failed;
    bool heard_path; /* since it last looked at what is known of the path */
    bool has_news;
    struct xf_source_news news;

    /* For control. */
    _Alignas(64) _Atomic bool drained; /* all of the round has been sent, and nothing is lost */
    xf_count rtt_us;
};

#endif
