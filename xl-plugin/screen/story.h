/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Story: what a file of events (transport/events.h) tells of one migration, and the page that shows
 * it. The events may be anybody's: numbers are taken within limits, text goes out escaped.
 */
#ifndef XF_SCREEN_STORY_H
#define XF_SCREEN_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "transport/base/stats.h"
#include "transport/steer.h"
#include "downtime.h"
#include "limiter.h"
#include "live.h"
#include "reachable.h"

#define XF_STORY_ERR_BYTES 160

/* A value at a time. */
struct xf_sample {
    uint64_t t_us, value;
};

struct xf_samples {
    struct xf_sample *at;
    size_t n, cap;
};

struct xf_story_round {
    uint64_t round, begin_us, duration_us, pages, zero, repaired, dirty_pages;
    bool suspended, over, have_zero, have_dirty; /* what only some events tell */
};

struct xf_story {
    char program[16], guest[1024], host[1024], error[1024];
    uint64_t time_us; /* of the start, since 1970 */
    struct xf_story_round *rounds;
    size_t rounds_n, rounds_cap;
    struct xf_samples bytes;     /* sent until then */
    struct xf_samples remaining; /* pages of the round still to be sent */
    uint64_t clock_us;           /* the source's monotonic clock when its times begin */
    uint64_t suspend_us, end_us; /* 0: not told */
    uint64_t predicted_us, predicted_copy_us; /* the downtime, and what the last round brings */
    uint64_t total_us; /* of the whole move; as far as it is told where the events do not say */
    bool done, failed, have_verified, verified, have_status;
    bool waits; /* for its turn, before its start */
    int status;
    uint64_t dropped;
    struct xf_downtime downtime;
    struct xf_reachable reachable;        /* the interfaces that were waited for */
    unsigned vifs;                        /* how many are, as far as it is told */
    struct xf_limiter_end source;         /* where its time went */
    char limited_by[XF_LIMITER_BYTES];    /* "": not told */
    char hand_over[8], late_because[600]; /* "": not told */
    struct xf_stats totals;               /* its counters, as far as the last event has them */
    uint64_t memory_us, payload_bps;
    struct xf_steer set;                    /* by the newest event of it */
    unsigned sets;                          /* such events */
    struct xf_live_now now;                 /* as the newest event has it */
    uint64_t now_us, round_us, round_bytes; /* its time; time and bytes when its round began */
    int64_t domid;                          /* at the source; -1: not told */
};

/* One event, in a line without its end. -EBADMSG: is none; -EPROTONOSUPPORT; -ENOMEM. Begin with
   {0}, free it in any case. */
int xf_story_take(struct xf_story *s, const char *line);

/* The last migration in the file. -EBADMSG or another -errno, with why. Free it in any case. */
int xf_story_read(struct xf_story *s, FILE *events, char why[XF_STORY_ERR_BYTES]);
void xf_story_free(struct xf_story *s);

/* What is known of what limited the move, but for the target. */
struct xf_limiter xf_story_limiter(const struct xf_story *s);

/* One page that needs nothing else. The caller looks for ferror(). */
void xf_story_write_html(const struct xf_story *s, FILE *to);

/* Reads, and writes to path ("-": stdout). Says on stderr, after name, what went wrong; -errno. */
int xf_story_make_page(const char *name, FILE *events, const char *path);

#endif
