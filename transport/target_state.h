/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The target's own state, and what its two files share: target.c (life, rounds and time limits)
 * above target_packets.c (packets in, feedback out). No others.
 */
#ifndef XF_TRANSPORT_TARGET_STATE_H
#define XF_TRANSPORT_TARGET_STATE_H

#include "landing.h"
#include "session.h"
#include "target_config.h"

struct xf_target_queue {
    uint64_t sequence; /* next to send */
    uint64_t stamp_us; /* of the newest PING */
    uint64_t told_us;  /* last feedback */
    uint32_t news;     /* packets since then */
    bool asked;        /* feedback is wanted at once */
};

struct xf_target {
    struct xf_session session;
    struct xf_target_config config;
    uint64_t page_count;
    enum xf_phase phase;
    bool ready, idle, heard;
    uint32_t credit;
    uint64_t answer_due_us;   /* the next one */
    uint64_t short_answer_us; /* the last one that went in place of a long one */
    uint64_t emptied_us;      /* when the link had nothing more for us ... */
    uint64_t unseen_since_us; /* ... and that before the newest packets came */
    unsigned answers;

    uint32_t round;    /* the one being received; the first is 1 */
    uint64_t round_us; /* when it began */
    uint64_t progress_us;
    struct xf_landing landing;
    uint64_t want;       /* from its BARRIER */
    bool barrier, final; /* the BARRIER has been seen; it is the last */

    struct xf_target_queue queues[XF_QUEUES_MAX];
};

void xf_target_progress(struct xf_target *t, uint64_t now_us);
void xf_target_enter(struct xf_target *t, enum xf_phase phase, uint64_t now_us);

#endif
