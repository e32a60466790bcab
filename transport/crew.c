/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Crew: receives, hands on, and works, in threads or without. */
#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport/base/clock.h"
#include "transport/base/idle.h"

/* Packets on their way from one worker to another; what finds no room is lost, and is repaired. */
#define HANDED_MAX 1024u
/* Steps between two looks at the thread's clock. */
#define CPU_EVERY 256u
/* What control leaves the CPUs to the lanes for: a share of what pace lets them save up, and, while
   it watches, of the shortest downtime. */
#define NAP_US       500u
#define NAP_WATCH_US 50u

struct handed {
    struct xf_buf buf;
    uint32_t queue, lane;
};

static int workers_new(struct xf_crew *crew, unsigned n, uint64_t now_us)
{
    crew->workers_n = n;
    crew->workers = aligned_alloc(_Alignof(struct xf_worker), n * sizeof(crew->workers[0]));
    crew->handed = aligned_alloc(_Alignof(struct xf_ring), (size_t)n * n * sizeof(crew->handed[0]));
    if (!crew->workers || !crew->handed)
        return -ENOMEM;
    memset(crew->workers, 0, n * sizeof(crew->workers[0]));
    memset(crew->handed, 0, (size_t)n * n * sizeof(crew->handed[0]));
    for (unsigned i = 0; i < n; i++) {
        crew->workers[i].crew = crew;
        crew->workers[i].number = i;
        crew->workers[i].emptied_us = crew->workers[i].unseen_since_us = now_us;
    }
    for (unsigned i = 0; i < n * n; i++)
        if (i / n != i % n && xf_ring_init(&crew->handed[i], HANDED_MAX, sizeof(struct handed)))
            return -ENOMEM;
    return 0;
}

int xf_crew_init(struct xf_crew *crew, const struct xf_threads *threads,
                 const struct xf_session *session, const struct xf_crew_ops *ops, void *arg,
                 uint64_t now_us)
{
    memset(crew, 0, sizeof(*crew));
    crew->ops = ops;
    crew->arg = arg;
    crew->session = session;
    crew->threads = *threads;
    if (sem_init(&crew->called, 0, 0))
        return -errno;
    if (crew->threads.count > session->queues)
        crew->threads.count = session->queues;
    if (crew->threads.count > session->link->queues)
        crew->threads.count = session->link->queues;
    return workers_new(crew, crew->threads.count ? crew->threads.count : 1, now_us);
}

static void give_back(struct xf_crew *crew, struct handed *h)
{
    struct xf_link *link = crew->session->link;

    link->ops->rx_free(link, h->queue, &h->buf, 1);
}

void xf_crew_fini(struct xf_crew *crew)
{
    const unsigned n = crew->workers_n;
    struct handed h;

    if (crew->workers) {
        xf_crew_stop(crew);
        sem_destroy(&crew->called);
    }
    for (unsigned i = 0; crew->handed && i < n * n; i++) {
        while (crew->handed[i].slots && xf_ring_take(&crew->handed[i], &h))
            give_back(crew, &h);
        xf_ring_fini(&crew->handed[i]);
    }
    free(crew->handed);
    free(crew->workers);
    crew->handed = NULL;
    crew->workers = NULL;
}

/* ---- a worker ------------------------------------------------------------------------------ */

/* A packet that has come on one of the worker's queues. True: it is another's now. */
static bool take(struct xf_worker *w, unsigned queue, struct xf_buf *buf, uint64_t now_us)
{
    struct xf_crew *crew = w->crew;
    int lane = xf_lane_named(crew->session, buf);

    if (lane < 0) {
        crew->ops->stray(crew->arg, w, buf);
    } else if (xf_worker_has(w, (unsigned)lane)) {
        crew->ops->take(crew->arg, w, (unsigned)lane, buf, now_us);
    } else {
        struct handed h = {.buf = *buf, .queue = queue, .lane = (uint32_t)lane};
        unsigned to = xf_crew_worker(crew, (unsigned)lane);

        return xf_ring_put(&crew->handed[w->number * crew->workers_n + to], &h);
    }
    return false;
}

static bool receive_queue(struct xf_worker *w, unsigned queue, uint64_t now_us)
{
    struct xf_link *link = w->crew->session->link;
    struct xf_buf bufs[XF_BURST_MAX];
    unsigned n = link->ops->rx_burst(link, queue, bufs, XF_BURST_MAX), kept = 0;
    bool more = xf_link_rx_more(link, queue, n, XF_BURST_MAX);

    xf_lap(&w->laps, XF_STAGE_receive);
    if (n || more)
        w->busy = true;
    if (n)
        w->unseen_since_us = w->emptied_us;
    for (unsigned i = 0; i < n; i++) {
        if (!take(w, queue, &bufs[i], now_us))
            bufs[kept++] = bufs[i];
        xf_lap_packet(&w->laps, XF_STAGE_bookkeeping);
    }
    if (n)
        xf_lap_packets(&w->laps, XF_STAGE_bookkeeping);
    link->ops->rx_free(link, queue, bufs, kept);
    xf_lap(&w->laps, XF_STAGE_receive);
    return more;
}

/* What others have received for us. */
static void receive_handed(struct xf_worker *w, uint64_t now_us)
{
    struct xf_crew *crew = w->crew;
    struct handed h;

    for (unsigned from = 0; from < crew->workers_n; from++) {
        if (from == w->number)
            continue;
        for (unsigned i = 0; i < XF_BURST_MAX; i++) {
            if (!xf_ring_take(&crew->handed[from * crew->workers_n + w->number], &h))
                break;
            w->busy = true;
            crew->ops->take(crew->arg, w, h.lane, &h.buf, now_us);
            give_back(crew, &h);
        }
    }
}

static void receive(struct xf_worker *w, uint64_t now_us)
{
    struct xf_crew *crew = w->crew;
    const unsigned every = crew->started ? crew->workers_n : 1;
    bool emptied = true;

    w->late_us = now_us - w->emptied_us;
    for (unsigned q = w->number; q < crew->session->link->queues; q += every)
        if (receive_queue(w, q, now_us))
            emptied = false;
    if (crew->started)
        receive_handed(w, now_us);
    if (emptied)
        w->emptied_us = now_us;
}

static void publish(struct xf_worker *w)
{
    xf_count_set(&w->began, w->laps.began);
    xf_count_set(&w->ended, w->laps.ended);
    for (unsigned i = 0; i <= XF_STAGE_COUNT; i++)
        xf_count_set(&w->spent[i], w->laps.spent[i]);
    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        xf_count_set(&w->split[i], w->laps.split[i]);
}

static void read_cpu_clock(struct xf_worker *w)
{
    struct timespec t;

    if (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
        xf_count_set(&w->cpu_ns, (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
}

static void *run(void *arg)
{
    struct xf_worker *w = arg;
    struct xf_crew *crew = w->crew;
    struct xf_idle idle = {0};

    if (crew->threads.begin)
        crew->threads.begin(crew->threads.arg, w->number);
    for (uint64_t step = 0; !atomic_load_explicit(&crew->stopping, memory_order_acquire); step++) {
        uint64_t now_us = xf_now_us();

        w->busy = false;
        xf_laps_begin(&w->laps);
        receive(w, now_us);
        crew->ops->work(crew->arg, w, now_us);
        if (w->calls)
            sem_post(&crew->called);
        w->calls = false;
        xf_laps_end(&w->laps, !w->busy);
        if (step % CPU_EVERY == 0)
            read_cpu_clock(w);
        if (w->busy) {
            publish(w);
            xf_idle_busy(&idle);
        } else {
            xf_idle_wait_among(&idle, now_us, crew->ops->hurry(crew->arg));
        }
    }
    read_cpu_clock(w);
    if (crew->threads.end)
        crew->threads.end(crew->threads.arg, w->number);
    return NULL;
}

/* ---- control ------------------------------------------------------------------------------- */

int xf_crew_start(struct xf_crew *crew)
{
    if (!crew->threads.count || crew->started)
        return 0;
    sigset_t all, before;

    atomic_store(&crew->stopping, false);
    crew->started = crew->workers_n; /* the workers look at it */
    sigfillset(&all);
    for (unsigned i = 0; i < crew->workers_n; i++) {
        /* Signals are for who made us. */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int rc = pthread_create(&crew->workers[i].thread, NULL, run, &crew->workers[i]);

        pthread_sigmask(SIG_SETMASK, &before, NULL);

        if (rc) {
            /* Those that run have begun with all of them in mind. */
            atomic_store(&crew->stopping, true);
            while (i--)
                pthread_join(crew->workers[i].thread, NULL);
            crew->started = 0;
            return -rc;
        }
    }
    return 0;
}

void xf_crew_stop(struct xf_crew *crew)
{
    if (!crew->started)
        return;
    atomic_store_explicit(&crew->stopping, true, memory_order_release);
    for (unsigned i = 0; i < crew->workers_n; i++)
        pthread_join(crew->workers[i].thread, NULL);
    crew->started = 0;
}

void xf_crew_nap(struct xf_crew *crew, bool watches)
{
    /* The kernel's own clock: one that a fault has put forward would make it a long nap. */
    const uint64_t end_ns = xf_cpu_ns() + 1000 * (watches ? NAP_WATCH_US : NAP_US);
    const struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000),
                                 .tv_nsec = (long)(end_ns % 1000000000)};

    (void)sem_clockwait(&crew->called, CLOCK_MONOTONIC, &end);
    /* One look is for all who called. */
    while (!sem_trywait(&crew->called))
        ;
}

void xf_crew_receive(struct xf_crew *crew, uint64_t now_us)
{
    crew->workers[0].busy = false;
    receive(&crew->workers[0], now_us);
}

void xf_crew_work(struct xf_crew *crew, uint64_t now_us)
{
    crew->ops->work(crew->arg, &crew->workers[0], now_us);
}

void xf_crew_end_step(struct xf_crew *crew, bool idle)
{
    xf_laps_end(&crew->workers[0].laps, idle);
    if (!idle)
        publish(&crew->workers[0]);
}

uint64_t xf_crew_cpu_ns(const struct xf_crew *crew)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < crew->workers_n; i++) {
        const struct xf_worker *w = &crew->workers[i];
        struct timespec t;
        clockid_t clock;

        /* Of one that runs its own clock says it to the moment. */
        if (crew->started && !pthread_getcpuclockid(w->thread, &clock) && !clock_gettime(clock, &t))
            sum += (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
        else
            sum += xf_count_of(&w->cpu_ns);
    }
    return sum;
}

void xf_crew_collect(const struct xf_crew *crew, struct xf_stats *to)
{
    struct xf_laps *laps = &to->laps;

    to->threads = crew->workers_n;
    for (unsigned i = 0; i < crew->workers_n; i++) {
        const struct xf_worker *w = &crew->workers[i];
        uint64_t began = xf_count_of(&w->began), ended = xf_count_of(&w->ended);

        if (began && (!laps->began || began < laps->began))
            laps->began = began;
        if (ended > laps->ended)
            laps->ended = ended;
        for (unsigned s = 0; s <= XF_STAGE_COUNT; s++)
            laps->spent[s] += xf_count_of(&w->spent[s]);
        for (unsigned s = 0; s < XF_STAGE_COUNT; s++)
            laps->split[s] += xf_count_of(&w->split[s]);
    }
}
