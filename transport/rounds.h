/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rounds: when to stop and copy. After each live round the source knows how many pages are dirty
 * and how fast it could send; this decides what comes next. Pure functions: no clock, no state but
 * what is passed in.
 *
 * If rounds no longer shrink, the moment of the stop is still to be chosen: a guest that writes in
 * bursts leaves much dirty after one round and little after another. So rounds continue, within a
 * limit, until what is dirty is near the least that ever was.
 *
 * What a stop takes: the guest suspends; its last dirty bitmap is fetched; what is dirty goes; and
 * the last round's barrier goes there and back. How long the guest takes to suspend nobody knows
 * before it has; all else is measured in the rounds before.
 */
#ifndef XF_TRANSPORT_ROUNDS_H
#define XF_TRANSPORT_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/on_busy.h"

#define XF_BUSY_BYTES 256

/* A guest that writes too fast is found out by then. */
#define XF_ROUNDS_MAX         30u
#define XF_STALLED_ROUNDS_MAX 3u
/* Rounds that a good moment is then waited for. */
#define XF_MOMENT_ROUNDS_MAX 10u
/* To a sixty-fourth: 1 %. */
#define XF_HALVED_MAX 6u

struct xf_policy {
    uint64_t max_downtime_us; /* the downtime to aim for: all of it */
    uint64_t fixed_us;        /* of it, what is besides the last rounds (budget.h); 0: not known */
    uint32_t max_rounds;      /* live rounds, after which a good moment is waited for */
    uint64_t until_us;        /* the deadline, by the clock of xf_round; 0: none */
    enum xf_on_busy on_busy;  /* if the downtime cannot be kept, or not until the deadline */
    bool throttle;            /* slow the guest down, by half at a time, until rounds shrink */
    bool now;                 /* stop after the round under way, whatever the downtime */
};

/* How fast rounds go; all zero before the first. */
struct xf_speed {
    uint32_t rounds;    /* that it was taken from */
    uint64_t pages, us; /* of the newest ones, the older the less */
};

/* A live round that is over. */
struct xf_round {
    uint64_t pages;       /* sent */
    uint64_t dirty_pages; /* written since the round began */
    uint64_t left_pages;  /* what a stop now would have to send while the guest stands */
    uint64_t us;          /* how long it took */
    uint64_t now_us;      /* when it was over */
    uint64_t bytes_per_s; /* xf_speed_bytes_per_s() */
    uint64_t fixed_us;    /* of a stop, what does not depend on pages */
    /* To verify; else 0: */
    uint64_t hashed_pages;     /* that were compared after it, while the guest ran */
    uint64_t clean_pages;      /* sent, not dirty and not compared: a stop has to, and left_pages */
    uint64_t hash_bytes_per_s; /* how fast pages are compared; 0: not known */
    bool verify, verify_live;  /* pages are compared; while the guest runs too */
};

/* What the policy remembers from round to round; all zero before the first. */
struct xf_rounds {
    uint32_t done;
    uint32_t stalled; /* in a row, that left about as much dirty as they had sent */
    uint32_t halved;  /* how often the guest's CPU time was */
    uint32_t waited;  /* rounds, for a good moment */
    bool has_least;
    uint64_t least_pages; /* that were dirty after a round */
};

enum xf_round_next { XF_ROUND_AGAIN, XF_ROUND_STOP, XF_ROUND_GIVE_UP };

/* The defaults: 300 ms, XF_ROUNDS_MAX, no deadline, go when busy. */
void xf_policy_init(struct xf_policy *policy);

/* What is left of the guest's CPU time, in percent. */
static inline unsigned xf_rounds_throttle_pct(const struct xf_rounds *rounds)
{
    return 100u >> rounds->halved;
}

/* Whether the pages that are clean are to be compared before anything else: if they are more than
   what is dirty, which a stop has to compare anyway. before: so many were, the last time; 0: there
   was none. Half of them at the most, so that this ends. */
bool xf_rounds_compare_first(const struct xf_round *r, uint64_t before);

/* What to do after the round, with the guest as slow as *rounds then says; and in *predicted_us the
   downtime if the guest is suspended now, without fixed_us; UINT64_MAX: cannot be told. */
enum xf_round_next xf_policy_next(const struct xf_policy *policy, struct xf_rounds *rounds,
                                  const struct xf_round *r, uint64_t *predicted_us);

/* The policy was changed, or what rounds carry: what was seen before says little. */
void xf_rounds_renew(struct xf_rounds *rounds);

/* One line about XF_ROUND_GIVE_UP, for the user: rounds do not shrink; or the deadline is over. */
void xf_policy_say_busy(char why[XF_BUSY_BYTES], const struct xf_policy *policy,
                        const struct xf_round *r, uint64_t predicted_us);
void xf_policy_say_late(char why[XF_BUSY_BYTES]);

/* Takes a round's pages, those of them with content, and the time they took without the round trip
   at its end. */
void xf_speed_take(struct xf_speed *speed, uint64_t pages, uint64_t full, uint64_t us);
/* Of pages with content; 0 = not known. */
uint64_t xf_speed_bytes_per_s(const struct xf_speed *speed);

#endif
