/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Crew: the threads that run an end's lanes. Worker w has those queues of the link whose number
 * modulo the number of workers is w, and the lanes that send on them. What comes on its queues for
 * another's lane, because the peer's port has other queues or ours spreads what it receives in
 * another way, it hands on by a ring.
 *
 * Without threads there is one worker, and control, the thread that steps the session, runs it in
 * its own steps. So all of it can be tried on a clock of one's own.
 *
 * Private to transport/. Threads: as each function says.
 */
#ifndef XF_TRANSPORT_CREW_H
#define XF_TRANSPORT_CREW_H

#include <pthread.h>
#include <semaphore.h>

#include "lane.h"
#include "threads.h"

struct xf_worker {
    struct xf_crew *crew;
    unsigned number;
    pthread_t thread;
    struct xf_laps laps;      /* its time */
    bool busy;                /* this step */
    bool calls;               /* this step has something that control waits for */
    uint64_t emptied_us;      /* when its queues had nothing more for us ... */
    uint64_t late_us;         /* ... and how long before this step that was */
    uint64_t unseen_since_us; /* emptied_us, before the newest packets came */
    /* Its laps at the end of its last step that was not idle; anybody's to read. */
    _Alignas(64) xf_count began, ended, spent[XF_STAGE_COUNT + 1], split[XF_STAGE_COUNT];
    xf_count cpu_ns; /* of its thread */
};

struct xf_crew_ops {
    /* A packet for a lane of the worker's. */
    void (*take)(void *arg, struct xf_worker *worker, unsigned lane, const struct xf_buf *buf,
                 uint64_t now_us);
    /* What is due on its lanes. */
    void (*work)(void *arg, struct xf_worker *worker, uint64_t now_us);
    /* A packet that names no lane. */
    void (*stray)(void *arg, struct xf_worker *worker, const struct xf_buf *buf);
    /* The rounds are on: a worker that waits for its peer does so for moments only. */
    bool (*hurry)(void *arg);
};

struct xf_crew {
    const struct xf_crew_ops *ops;
    void *arg;
    const struct xf_session *session;
    struct xf_threads threads;
    unsigned workers_n, started;
    struct xf_worker *workers;
    struct xf_ring *handed; /* [from * workers_n + to] */
    _Atomic bool stopping;
    sem_t called; /* by workers, for control */
};

/* Control. threads: more than lanes, or than the link has queues, are not used. 0 or -ENOMEM; on
 * failure too, call fini. */
int xf_crew_init(struct xf_crew *crew, const struct xf_threads *threads,
                 const struct xf_session *session, const struct xf_crew_ops *ops, void *arg,
                 uint64_t now_us);
void xf_crew_fini(struct xf_crew *crew);

/* Control: starts the threads, if there are to be any. Before, and again after xf_crew_stop(), it
   is control that steps the only worker there then is: all lanes are its. 0 or -errno. */
int xf_crew_start(struct xf_crew *crew);
void xf_crew_stop(struct xf_crew *crew);

static inline bool xf_crew_runs(const struct xf_crew *crew)
{
    return crew->started > 0;
}

/* Control, with threads, at the end of a step: so that it does not poll beside them. Until a worker
   calls, or it is time to see what pace may grant. watches: for what no worker calls for. */
void xf_crew_nap(struct xf_crew *crew, bool watches);

/* Control, without threads: a step's two halves, and its end; its laps begin is control's to say.
 */
void xf_crew_receive(struct xf_crew *crew, uint64_t now_us);
void xf_crew_work(struct xf_crew *crew, uint64_t now_us);
void xf_crew_end_step(struct xf_crew *crew, bool idle);

/* The number of a lane's worker. */
static inline unsigned xf_crew_worker(const struct xf_crew *crew, unsigned lane)
{
    return crew->started ? lane % crew->session->link->queues % crew->workers_n : 0;
}

/* Whether the worker has the lane. */
static inline bool xf_worker_has(const struct xf_worker *w, unsigned lane)
{
    return xf_crew_worker(w->crew, lane) == w->number;
}

/* Control: CPU time that its threads have taken; 0 where there are none. */
uint64_t xf_crew_cpu_ns(const struct xf_crew *crew);

/* Adds the laps of all workers. */
void xf_crew_collect(const struct xf_crew *crew, struct xf_stats *to);

#endif
