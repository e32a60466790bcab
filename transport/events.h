/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events: what a migration does, as lines of JSON for programs, one object a line (the form is
 * xl-plugin/events.schema.json; a member that is unknown is to be ignored, and a change of meaning
 * changes XF_EVENTS_VERSION):
 *
 *     start  connected  { round_begin  progress...  round_end }...  suspend  { last round }
 *     done  started  reachable... | failed
 *     copy...  exit
 *
 * and `set` wherever the user has set something of the move under way.
 *
 * A migration is never held up for its events: where nobody reads in time the event is dropped, and
 * the next one that is written says how many were. Nothing fails because of them either, so most
 * functions return nothing. All may be called from any thread, and with an xf_events that is not
 * open, which does nothing. Text (names, reasons) may be any bytes. Times are microseconds.
 */
#ifndef XF_TRANSPORT_EVENTS_H
#define XF_TRANSPORT_EVENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "steer.h"
#include "transport/base/stats.h"

#define XF_EVENTS_VERSION 2

#define XF_EVENTS_NOT_KNOWN UINT64_MAX

/* Its members are events.c's own; rounds_by_hand and fixed_us are the caller's to set. */
struct xf_events {
    pthread_mutex_t lock;
    int fd; /* -1: not open */
    bool rounds_by_hand;
    uint64_t fixed_us; /* of the downtime, what the transport does not predict */
    bool connected, suspended, round_open;
    uint32_t round;
    uint64_t start_us, dropped;
    uint64_t last_us;                     /* of the newest event: threads may come out of order */
    uint64_t progress_us, progress_bytes; /* of the newest progress event */
    uint64_t round_us, round_pages, heard_us; /* begin, pages, and how long it is known to last */
    uint64_t round_done, zero_before, repaired_before;
};

struct xf_events_start {
    const char *program;      /* "demo", "migrate" */
    const char *guest, *host; /* NULL: not known */
    int64_t domid;            /* -1: none */
    uint64_t max_downtime_us; /* 0: not known */
    const char *hand_over;    /* "early", or why it is late; NULL: not known */
};

/* Of the end of a migration's memory. */
struct xf_events_end {
    const char *error; /* NULL: done */
    uint64_t
        context_us; /* from the last page landed to where the toolstack goes on; 0: not known */
    uint64_t
        total_us; /* the whole move, as its program counts it; 0: the event's own time says it */
    int verified; /* whether both ends' memory was found the same; -1: not compared */
    const struct xf_stats *stats; /* the source's */
    const uint64_t *rejects;      /* XF_REJECT_COUNT of them; NULL: those of stats */
};

/* The guest runs at the target. */
struct xf_events_started {
    uint64_t downtime_us;       /* since it was asked to suspend */
    uint64_t devices_us, go_us; /* of it, what follows the parts that done has; both 0: not known */
    const char *limited_by;     /* what kept the move from going faster; NULL or "": not known */
    unsigned vifs;              /* of its network interfaces so many are waited for to speak */
};

/* One of its network interfaces has spoken at the target, or not in time. */
struct xf_events_reachable {
    unsigned vif;
    const char *mac; /* NULL: not known */
    bool seen;
    uint64_t after_us; /* since the guest was asked to suspend */
};

/* Not open, so that the others may be called; fixed_us is not known. */
void xf_events_init(struct xf_events *e);

/* path: a file, which is appended to; "-": stdout, which stays open. 0 or -errno. */
int xf_events_open(struct xf_events *e, const char *path);
void xf_events_close(struct xf_events *e);

void xf_events_start(struct xf_events *e, const struct xf_events_start *start);

/*
 * Takes what a source's progress callback is given and writes the events that follow from it. With
 * rounds_by_hand (a tunnel, whose rounds are not the transport's) those of rounds and of suspend
 * are left to the caller.
 */
void xf_events_progress(struct xf_events *e, const struct xf_progress *p);

/* pages: 0 if not known. */
void xf_events_round_begin(struct xf_events *e, uint32_t round, uint64_t pages, uint64_t now_us);
void xf_events_round_end(struct xf_events *e, uint64_t pages, uint64_t duration_us);
/* predicted_us: by the transport; 0 if not known. */
void xf_events_suspend(struct xf_events *e, uint64_t now_us, uint64_t predicted_us);

/* What was set was taken. */
void xf_events_set(struct xf_events *e, const struct xf_steer *steer, uint64_t now_us);

/* done or failed. */
void xf_events_end(struct xf_events *e, const struct xf_events_end *end);

/* After done. */
void xf_events_started(struct xf_events *e, const struct xf_events_started *x, uint64_t now_us);

/* After started. */
void xf_events_reachable(struct xf_events *e, const struct xf_events_reachable *x, uint64_t now_us);

/* What became of one of the copies that were made instead of a move: status 0, it is there; else as
   an exit status. After done or failed, as started is. */
void xf_events_copy(struct xf_events *e, const char *name, const char *host, int status);

/* The program's exit status: the last event. */
void xf_events_exit(struct xf_events *e, int status);

#endif
