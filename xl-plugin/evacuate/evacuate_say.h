/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `xl-fast evacuate` says: a plan and a table on stdout, lines on stderr; or, with --json,
 * events, a line of JSON each, on stdout (xl-fast-evacuate(1), JSON). With --quiet only what went
 * wrong.
 */
#ifndef XF_EVACUATE_EVACUATE_SAY_H
#define XF_EVACUATE_EVACUATE_SAY_H

#include "evacuate_journal.h"
#include "evacuate_plan.h"

struct xf_say {
    bool quiet, json;
};

/* What has become of guests that a look at this host does not tell. */
struct xf_evacuated {
    char name[XF_NAME_SIZE], uuid[XF_UUID_SIZE], host[XF_NAME_SIZE];
    uint64_t need_kib; /* 0: not known */
    enum { XF_EVACUATED_MOVED, XF_EVACUATED_ENDED, XF_EVACUATED_UNSETTLED } result;
    char why[XF_EVACUATE_WHY]; /* if it is not settled */
};

/* A line on stderr, after "xl-fast evacuate: "; a note is none of --quiet's, and none of --json's.
 */
__attribute__((format(printf, 1, 2))) void xf_say_error(const char *format, ...);
__attribute__((format(printf, 2, 3))) void xf_say_note(const struct xf_say *s, const char *format,
                                                       ...);

void xf_say_plan(const struct xf_say *s, const struct xf_evacuate_guest *guests, unsigned n,
                 const struct xf_evacuate_host *hosts, unsigned hosts_n);

/* A guest is about to move. */
void xf_say_begin(const struct xf_say *s, const struct xf_journal *j);

/* It has: result is "moved", "failed", "cancelled", "rebooted" (it is tried again), "ended" (shut
   down, crashed or destroyed meanwhile), "unsettled"; or, of one that an earlier run has begun to
   move, "settled-here", "settled-there", "settled-ended". status: xl migrate's, -1 where it was not
   run. */
void xf_say_end(const struct xf_say *s, const struct xf_journal *j, const char *result, int status);

/* The table, and how many moved and did not. Returns how many are left. status: the exit status,
   which is 1 instead of 0 if some are. */
unsigned xf_say_summary(const struct xf_say *s, const struct xf_evacuated *evacuated,
                        unsigned evacuated_n, const struct xf_evacuate_guest *guests, unsigned n,
                        int status);

#endif
