/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live: how far a migration is, in one line on stderr, the same for the demo, `xl migrate --fast`
 * and `xl-fast status`. On a terminal the line is rewritten in place and holds as many of its parts
 * as the terminal is wide; elsewhere, and on a terminal that cannot do that (TERM=dumb), there is a
 * line a round, when it is over. NO_COLOR leaves out bold and colours.
 */
#ifndef XF_SCREEN_LIVE_H
#define XF_SCREEN_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XF_LIVE_BYTES 512

/* 0: not known. */
struct xf_live_now {
    char phase[16];             /* xf_phase_name(), "verify", "handover" */
    uint64_t round, pages;      /* the round's, to be sent */
    uint64_t pages_done;        /* of those; only if done_known */
    uint64_t pages_total;       /* of the guest */
    uint64_t round_us;          /* since the round began */
    uint64_t bytes;             /* sent until now, all rounds */
    uint64_t bps;               /* on the wire, newest (rewritten line) */
    uint64_t round_bps;         /* of the whole round (a line a round) */
    uint64_t dirty_pages;       /* written by the guest during the round before, */
    uint64_t dirty_us;          /* and how long that was */
    uint64_t predicted_us;      /* the downtime, if it were now ... */
    uint64_t predicted_copy_us; /* ... and of it what the pages take */
    bool done_known;
};

struct xf_live {
    bool rewrites, colour, cancelling;
    bool drawn; /* there is a line without an end */
    struct xf_live_now last;
};

/* Looks at stderr and the environment. */
void xf_live_init(struct xf_live *l);

void xf_live_show(struct xf_live *l, const struct xf_live_now *now);

/* A line that stays, above the one that is rewritten. */
void xf_live_note(struct xf_live *l, const char *text);

/* Takes the line away; or prints the last round's. */
void xf_live_end(struct xf_live *l);

/* As much of it as fits in width columns, plain. Returns the length of the phase's part. */
size_t xf_live_line(char to[XF_LIVE_BYTES], unsigned width, const struct xf_live_now *now);

/* Microseconds until it is over if nothing changes; 0: cannot be said, or not soon enough to say.
 */
uint64_t xf_live_eta_us(const struct xf_live_now *now);

/* How much of the guest is at the target, in percent; -1: not known. */
double xf_live_percent(const struct xf_live_now *now);

/* "850 us", "12 ms", "1.5 s", "3 min 20 s". */
const char *xf_live_time(char *to, size_t size, uint64_t us);

/* Text that may be anybody's: nothing in it that a terminal acts on. */
const char *xf_live_plain(char *to, size_t size, const char *text);

#endif
