/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's own state, and what its files share: source.c (life, time limits, and what follows
 * from what) above source_rounds.c (what a round holds). What goes over the link is its lanes'
 * (source_lane.h). No others.
 *
 * Threads: control's. A lane is read while it has obeyed all orders, but for what it counts.
 */
#ifndef XF_TRANSPORT_SOURCE_STATE_H
#define XF_TRANSPORT_SOURCE_STATE_H

#include "brake.h"
#include "crew.h"
#include "pace.h"
#include "session.h"
#include "source_config.h"
#include "source_lane.h"

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
    struct xf_source_shared *shared;
    struct xf_source_lane *lanes; /* session.queues of them */
    struct xf_crew crew;
    unsigned turn;              /* the lane that sends first in the next step */
    uint64_t (*clock_ns)(void); /* the lanes' codecs' */
    uint64_t pace_us;           /* the clock of pace */
    uint64_t stepped_us;        /* the last step */
    struct xf_pace pace;        /* from the ANSWER on */
    enum xf_phase phase;
    bool idle, target_ready;
    uint32_t short_answers;   /* ANSWERs that came without padding */
    uint64_t short_answer_us; /* the first of them */
    uint64_t phase_us, progress_us;
    uint64_t began_us, ask_begun_us;
    struct xf_stats sums; /* the session's and its lanes', when last asked for */

    uint32_t round; /* on the wire; 0 before the first */
    struct xf_plan *plan;
    struct xf_speed speed;
    struct xf_brake brake;
    enum xf_round_kind kind;
    enum xf_todo_is todo_is;
    bool steered;            /* in this round, so that it does not tell how fast others go */
    bool starting;           /* not all that the guest has is known yet */
    bool final;              /* the plan sends no more after this */
    bool verify;             /* the offer's */
    bool waiting;            /* as the plan has ordered */
    uint32_t rounds_done;    /* of pages, while the guest runs */
    uint64_t deferred_asked; /* of the encoders' deferred_n, those that were asked about */
    uint64_t round_us, round_pages, round_full_before;
    uint64_t sent_us, sent_pages; /* of the newest round of pages: its beginning, how many */
    struct {
        uint64_t pages, us;
    } hashes; /* the newest round of them while the guest ran */
    uint64_t round_sent_before, round_repaired_before;
    uint64_t predicted_us, dirty_pages;
    bool round_over; /* the target has counted it, and lanes were told */
    bool halting;    /* not all of them have heard it */
    bool paused;     /* lanes were told, before the barrier of the last round */
    bool barrier_sent;
    uint64_t barrier_us, barrier_wait_us;
    uint64_t unsent_us; /* when this round last had a page or its barrier still to be sent */

    uint64_t *populated; /* pages that the target has memory for; lanes add to it */
    uint64_t *todo;      /* pages of this round */
    uint64_t *fresh;     /* pages that it has none for, when a round begins; then `deferred` */
    /* VERIFY_LIVE, else NULL: */
    uint64_t *hashed;      /* pages whose hashes were sent, and that have not been sent since */
    uint64_t *hashing;     /* those of this round of hashes; free in a round of pages */
    uint64_t todo_pages;   /* in todo */
    uint64_t words_passed; /* of bitmaps, at the ends of rounds */
};

/* Gives all lanes an order, which without threads they obey at once. */
void xf_source_order(struct xf_source *s, const struct xf_source_order *order, uint64_t now_us);
/* A round is on its way. */
bool xf_source_sends(const struct xf_source *s);
/* All lanes have sent what they have of the round, and nothing is known to be lost. */
bool xf_source_is_drained(const struct xf_source *s);
/* Raw pages, or by a codec that tells how fast pages are: of all lanes. */
uint64_t xf_source_full_pages(const struct xf_source *s);
/* The time, as pace is told it. */
uint64_t xf_source_pace_us(struct xf_source *s, uint64_t at_us);
/* Where the time of control goes. */
struct xf_laps *xf_source_laps(struct xf_source *s);
/* Sums up in s->sums what has been counted. */
const struct xf_stats *xf_source_sum(struct xf_source *s);

/* Tells the caller where we are. */
void xf_source_progress(struct xf_source *s, uint64_t now_us);
void xf_source_enter(struct xf_source *s, enum xf_phase phase, uint64_t now_us);

#endif
