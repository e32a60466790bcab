/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Marks: when a guest was suspended at the source and when its restore was over at the target, by
 * the hosts' clocks, whoever moves it: with XL_FAST_MARKS=1 in the environment stock's functions
 * and ours say so in the same lines, for a benchmark to compare (tests/lab/bench-xen.sh).
 *
 *     xl-fast: mark suspended 1795705791.035000
 *     xl-fast: mark restored 1795705792.114000
 *
 * Once per process.
 */
#ifndef XF_PLUGIN_MARKS_H
#define XF_PLUGIN_MARKS_H

struct save_callbacks;

/* The callbacks to go on with: those given, or *room, which marks their suspend and lives as long
   as the save. */
struct save_callbacks *xf_marks_wrap(struct save_callbacks *room, struct save_callbacks *callbacks);

/* The restore is over; rc is its result, and this function's. */
int xf_marks_restored(int rc);

#endif
