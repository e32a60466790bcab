/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Report: what a migration says about itself on stderr: a line per round, a summary at the end, and
 * the same as one line of JSON ("xl-fast: result {...}") for programs. The session's thread.
 * The source also writes events (transport/events.h) to the file that XL_FAST_EVENTS names; their
 * guest and host are those of XL_FAST_GUEST and XL_FAST_HOST. A file that cannot be opened is said,
 * and no reason to fail.
 */
#ifndef XF_PLUGIN_REPORT_H
#define XF_PLUGIN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/events.h"
#include "transport/link.h"
#include "transport/base/stats.h"

struct xf_report {
    const char *end; /* "source" or "target" */
    uint32_t domid;
    uint64_t start_us;         /* when the helper took over */
    uint64_t port_up_us;       /* how long the port took to come up */
    uint64_t port_down_us;     /* and to close; both set by the caller */
    struct xf_link_stats port; /* its counters at the end */
    /* The round under way, as last heard of. */
    uint32_t round;
    uint64_t round_pages, round_us;
    bool final, connected;
    struct xf_events events;
};

void xf_report_start(struct xf_report *r, const char *end, uint32_t domid);

/* The progress callback of source and target; arg is the report. */
void xf_report_progress(void *arg, const struct xf_progress *p);

/* The user has set other values, and they were taken. */
void xf_report_set(struct xf_report *r, const struct xf_steer *set);

/* Before the port goes down, which counts too: keeps its counters. */
void xf_report_port(struct xf_report *r, const struct xf_link *link);

/* When all is over, the port down too. s: all zero if there was no session. */
void xf_report_result(struct xf_report *r, bool ok, const char *error,
                      const struct xf_stats *stats);

#endif
