/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Statistics: what a session counts. Each end has its own: sums of what its lanes have counted
 * (lane.h), made when they are asked for. Every refusal of a packet has a counter with a name.
 */
#ifndef XF_TRANSPORT_BASE_STATS_H
#define XF_TRANSPORT_BASE_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "laps.h"
#include "waits.h"

/* X(name, meaning): why a packet was dropped. */
#define XF_REJECTS(X)                                                                              \
    X(short_packet, "shorter than a header and a tag")                                             \
    X(unknown_version, "another version of the protocol")                                          \
    X(unknown_type, "a type that does not exist or is not for this end")                           \
    X(wrong_session, "the tag of another session")                                                 \
    X(wrong_queue, "a queue that the session does not have")                                       \
    X(replayed, "a sequence number that was seen before")                                          \
    X(stale_sequence, "a sequence number that was given up and sent anew")                         \
    X(far_sequence, "a sequence number beyond the window")                                         \
    X(forged, "authentication failed")                                                             \
    X(malformed, "authentic, but lengths or counts do not fit")                                    \
    X(undecodable, "authentic, but a compressed page that is none")                                \
    X(outside_guest, "a page beyond the guest")                                                    \
    X(wrong_lane, "a page of another lane's")                                                      \
    X(not_populated, "a page that has no memory yet")                                              \
    X(stale_round, "a round that is over")                                                         \
    X(future_round, "a round that has not begun")                                                  \
    X(dishonest_ack, "an acknowledgement of what was never sent")                                  \
    X(not_ready, "memory before the target could take it")

#define XF_REJECT_ENUM(name, meaning) XF_REJECT_##name,
enum xf_reject { XF_REJECTS(XF_REJECT_ENUM) XF_REJECT_COUNT };
#undef XF_REJECT_ENUM

extern const char *const xf_reject_names[XF_REJECT_COUNT];

enum xf_phase {
    XF_PHASE_CONNECT, /* waiting for the other end */
    XF_PHASE_READY,   /* waiting for the target to be able to take memory */
    XF_PHASE_LIVE,    /* rounds while the guest runs */
    XF_PHASE_FINAL,   /* guest suspended: the last round */
    XF_PHASE_DONE,
    XF_PHASE_FAILED,
};

const char *xf_phase_name(enum xf_phase phase);

struct xf_stats {
    uint64_t pages_total; /* pages of the first round: the guest's memory */
    uint64_t pages_sent;  /* pages sent (source) or landed (target), all rounds, zero ones too */
    uint64_t pages_zero;  /* of pages_sent, those elided as zero */
    uint64_t pages_compressed; /* of pages_sent, those that went compressed ... */
    uint64_t bytes_saved;      /* ... and what they would have taken besides */
    uint64_t pages_repaired;   /* pages sent again because the target missed them */
    uint64_t pages_deferred;   /* pages that the guest had given back when they were due */
    uint64_t pages_unverified; /* pages of the target's that no hash was sent of: given back, or
                                  written by others than the guest (source) */
    uint64_t pages_verified; /* pages whose hashes were sent (source) or found the same (target) */
    uint64_t pages_verified_live; /* of them, those compared while the guest ran (source) */
    uint32_t rounds;              /* rounds of pages, the final one included */
    uint32_t lanes;               /* of the session */
    uint32_t threads;             /* that run them */
    uint32_t throttle_pct; /* CPU time that was left to the guest, at the least; 0 = all (source) */
    uint64_t bytes_wire;   /* UDP payload of all packets sent by this end */
    uint64_t packets_sent, packets_received;
    uint64_t packets_lost;      /* declared lost (source) */
    uint64_t path_bytes_per_s;  /* what the path carries, as the source found it last */
    uint64_t limit_bytes_per_s; /* the user's newest (source); 0 = there was none */
    uint64_t rtt_us;            /* the shortest round trip (source) */
    uint64_t start_us;          /* session's start */
    uint64_t live_us;           /* first round's start; 0 = not yet */
    uint64_t suspend_us;        /* suspend called: downtime starts; 0 = not yet */
    uint64_t predicted_us;      /* the downtime, predicted just before suspending; 0 = unknown */
    uint64_t suspended_us;      /* the guest stands, its last dirty bitmap is known (source) */
    uint64_t copied_us;         /* the last round of pages was counted (source) */
    uint64_t done_us; /* last page landed (target) or known to have (source); 0 = not yet */
    uint64_t rejects[XF_REJECT_COUNT];
    uint64_t waits[XF_WAIT_COUNT]; /* a lane's steps that sent no page, by why (source) */
    struct xf_laps laps;           /* where the cycles went */
};

struct xf_progress {
    enum xf_phase phase;
    uint32_t round;                 /* 0 before the first */
    uint64_t round_pages;           /* to send in this round */
    uint64_t round_done;            /* of those, sent and known to have landed */
    uint64_t round_us;              /* time since the round began */
    uint64_t bytes_per_s;           /* payload rate, measured */
    uint64_t predicted_downtime_us; /* of the transport's part; 0 = unknown */
    uint64_t dirty_pages;           /* at the end of the newest live round (source) */
    bool verifying;                 /* the round is of hashes (source) */
    uint8_t throttle_pct;           /* what the guest has of its CPU time now; 0 = all (source) */
    uint8_t reserved[6];            /* so that it has no holes: the demo sends it */
    uint64_t now_us;
    const struct xf_stats *stats;
};

#endif
