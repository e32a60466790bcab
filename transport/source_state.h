/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's own state, and what its files share: source.c (life, time limits, and what follows
 * from what) above source_rounds.c (what a round holds) and source_packets.c (packets in and out).
 * No others.
 */
#ifndef XF_TRANSPORT_SOURCE_STATE_H
#define XF_TRANSPORT_SOURCE_STATE_H

#include "brake.h"
#include "encode.h"
#include "inflight.h"
#include "pace.h"
#include "session.h"
#include "source_config.h"

#define XF_SOURCE_BURST 32u

struct xf_source_queue {
    struct xf_inflight inflight;
    uint32_t credit;                        /* the receiver's limit of packets outstanding */
    struct xf_buf pending[XF_SOURCE_BURST]; /* sealed, but the link had no room */
    unsigned pending_n;
    uint64_t pinged_us;
    uint64_t stamp_seen_us; /* newest echo of a ping */
};

/* What todo holds. */
enum xf_todo_is {
    XF_TODO_SENT,    /* what went last, or at first all pages */
    XF_TODO_FETCHED, /* what is to go */
    XF_TODO_JOINED,  /* that, and what is in fresh */
};

struct xf_source {
    struct xf_session session;
    struct xf_source_config config;
    struct xf_guest_source guest;
    struct xf_encoder encoder;
    struct xf_pace pace; /* from the ANSWER on */
    unsigned turn;       /* the queue that sends first in the next step */
    enum xf_phase phase;
    bool idle, target_ready;
    uint32_t short_answers;   /* ANSWERs that came without padding */
    uint64_t short_answer_us; /* the first of them */
    uint64_t rtt_us, phase_us, progress_us;
    uint64_t began_us, ask_begun_us;
    uint64_t emptied_us; /* when the link had nothing more for us ... */
    uint64_t late_us;    /* ... and how long before this step that was */

    uint32_t round; /* on the wire; 0 before the first */
    struct xf_plan *plan;
    struct xf_speed speed;
    struct xf_brake brake;
    enum xf_round_kind kind;
    enum xf_todo_is todo_is;
    bool pages_next;         /* after this round of POPULATE those of todo go */
    bool final;              /* the plan sends no more after this (with pages_next: after that) */
    bool waiting;            /* as the plan has ordered */
    uint32_t rounds_done;    /* of pages, while the guest runs */
    uint64_t deferred_asked; /* of the encoder's deferred_n, those that were asked about */
    uint64_t round_us, round_pages, round_full_before;
    uint64_t predicted_us, dirty_pages;
    bool barrier_sent;
    uint64_t barrier_us, barrier_wait_us;
    uint64_t unsent_us; /* when this round last had a page or its barrier still to be sent */

    uint64_t *populated;   /* pages that the target has memory for */
    uint64_t *todo;        /* pages of this round, or of the one after this round of POPULATE */
    uint64_t *fresh;       /* pages to populate */
    uint64_t todo_pages;   /* in todo */
    uint64_t words_passed; /* of bitmaps, at the ends of rounds */
    struct xf_source_queue *queues;
};

/* Tells the caller where we are. */
void xf_source_progress(struct xf_source *s, uint64_t now_us);
void xf_source_enter(struct xf_source *s, enum xf_phase phase, uint64_t now_us);
/* Copies the encoder's counters to the statistics. */
void xf_source_take_counts(struct xf_source *s);

#endif
