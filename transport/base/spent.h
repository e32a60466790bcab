/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Spent: where an end's time went while memory moved, in percent of its threads' time: by stage
 * where it worked (laps.h); else by what the source waited for. A lane counts each step in which it
 * could send no page, by the reason; such steps take about the same time, so they divide what is
 * left.
 *
 * Pure. Threads: any.
 */
#ifndef XF_TRANSPORT_BASE_SPENT_H
#define XF_TRANSPORT_BASE_SPENT_H

#include "stats.h"

/* Of both: stages first. */
#define XF_SPENT_COUNT (XF_STAGE_COUNT + XF_WAIT_COUNT)

struct xf_spent {
    unsigned pct[XF_SPENT_COUNT];
};

/* "read", ..., "wait_path", ... */
extern const char *const xf_spent_names[XF_SPENT_COUNT];

/* Of a session that is over. All zero if nothing moved. */
void xf_spent_of(struct xf_spent *spent, const struct xf_stats *stats);

/* Of it, the stages. */
unsigned xf_spent_busy_pct(const struct xf_spent *spent);

#endif
