/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, lanes: builds, sends, receives and counts packets, a thread a queue. */
#include "bench_lanes.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench_packet.h"
#include "bench_search.h"
#include "bench_talk.h"
#include "dpdk/thread.h"
#include "transport/base/clock.h"
#include "transport/base/random.h"

#define PROBE_NS     500000u    /* a thousand of them in half a second: enough for 99.9 % */
#define ECHOES_MAX   16u        /* that wait for the port; more are not answered */
#define BEHIND_NS    500000u    /* a sender that was held up catches up with this at most */
#define EMPTY_NS     500000000u /* to take what the queue still holds */
#define IDLE_STEPS   64u        /* then others may have the processor */
#define FILLER_BYTES XF_PAYLOAD_MAX

struct echo {
    uint64_t sent_ns;
    uint8_t counted;
};

/* A packet that is built and that the port has not taken yet. */
struct pending {
    struct xf_buf bufs[XF_BURST_MAX];
    bool counts[XF_BURST_MAX]; /* in `sent`, once it is taken */
    unsigned n, at;
};

struct lane {
    _Alignas(64) struct xf_bench_lanes *all;
    unsigned queue;
    pthread_t thread;
    uint64_t sequence; /* never begun anew: a nonce is used once */
    struct xf_bench_lane_count count;
    /* of a trial */
    bool sends, probes;
    double pns; /* packets a nanosecond; 0: as many as there is room for */
    double built;
    uint64_t start_ns, counts_ns, end_ns, probe_ns;
    struct echo echoes[ECHOES_MAX];
    unsigned n_echoes;
    struct pending pending;
    _Atomic bool done; /* all of it was sent */
    struct xf_bench_hist rtt;
    uint8_t plain[XF_PAYLOAD_MAX];
};

struct xf_bench_lanes {
    struct xf_link *link;
    struct xf_seal *seal; /* NULL: in the clear */
    uint32_t session_tag;
    unsigned n;
    bool running;
    _Atomic bool stop;
    struct xf_bench_trial_order trial;
    uint8_t filler[FILLER_BYTES];
    struct lane lanes[];
};

/* The parent reads it meanwhile. */
static void count_up(uint64_t *to, uint64_t n)
{
    __atomic_store_n(to, *to + n, __ATOMIC_RELAXED);
}

/* ---- sending -------------------------------------------------------------------------------- */

static void build(struct lane *l, struct xf_buf *to, const struct xf_bench_body *body,
                  uint32_t bytes)
{
    const struct xf_bench_lanes *a = l->all;
    const struct xf_wire_header h = {
        .version = XF_WIRE_VERSION,
        .type = BENCH_PACKET_TYPE,
        .queue = (uint16_t)l->queue,
        .session_tag = a->session_tag,
        .sequence = l->sequence++,
    };
    const uint32_t filler = bytes - (uint32_t)(sizeof(h) + sizeof(*body) + XF_TAG_BYTES);
    uint8_t *out = to->data + sizeof(h);
    struct xf_seal_run run;

    memcpy(to->data, &h, sizeof(h));
    to->len = bytes;
    if (!a->seal) { /* the rest is as the buffer has it: nobody reads it */
        memcpy(out, body, sizeof(*body));
        return;
    }
    xf_seal_begin(a->seal, &run, &h);
    xf_seal_update(a->seal, &run, out, body, sizeof(*body));
    out += sizeof(*body);
    xf_seal_update(a->seal, &run, out, a->filler, filler);
    xf_seal_end(a->seal, &run, out + filler);
}

/* Packets that are due by the rate, at most so many. */
static unsigned due(struct lane *l, uint64_t now_ns, unsigned most)
{
    double want;

    if (!l->sends || now_ns >= l->end_ns)
        return 0;
    if (l->pns <= 0)
        return most;
    want = (double)(now_ns - l->start_ns) * l->pns;
    if (want - l->built > BEHIND_NS * l->pns + most)
        l->built = want - (BEHIND_NS * l->pns + most);
    return want - l->built < most ? (unsigned)(want - l->built) : most;
}

static void fill(struct lane *l, uint64_t now_ns)
{
    const struct xf_bench_trial_order *t = &l->all->trial;
    struct xf_link *link = l->all->link;
    struct pending *p = &l->pending;
    bool probe = l->probes && now_ns >= l->probe_ns && now_ns < l->end_ns;
    unsigned echoes = l->n_echoes < t->burst ? l->n_echoes : t->burst;
    unsigned first = echoes + (probe && echoes < t->burst),
             n = first + due(l, now_ns, t->burst - first), load;

    p->at = 0;
    p->n = n ? link->ops->tx_alloc(link, l->queue, p->bufs, n) : 0;
    for (unsigned i = 0; i < p->n; i++) {
        struct xf_bench_body body = {.trial = t->number, .counted = now_ns >= l->counts_ns};

        p->counts[i] = false;
        if (i < echoes) {
            body.packet = BENCH_PACKET_ECHO;
            body.sent_ns = l->echoes[i].sent_ns;
            body.counted = l->echoes[i].counted;
        } else if (i < first) {
            body.packet = BENCH_PACKET_PROBE;
            body.sent_ns = xf_cpu_ns();
            l->probe_ns =
                l->probe_ns + 2 * PROBE_NS > now_ns ? l->probe_ns + PROBE_NS : now_ns + PROBE_NS;
        } else {
            p->counts[i] = body.counted;
        }
        build(l, &p->bufs[i], &body, i < first ? BENCH_SIZE_MIN : t->size);
    }
    load = p->n > first ? p->n - first : 0;
    l->built += load;
    echoes = echoes < p->n ? echoes : p->n;
    memmove(l->echoes, l->echoes + echoes, (l->n_echoes - echoes) * sizeof(l->echoes[0]));
    l->n_echoes -= echoes;
}

static unsigned transmit(struct lane *l, uint64_t now_ns)
{
    struct xf_link *link = l->all->link;
    struct pending *p = &l->pending;
    unsigned took, sent = 0;

    if (p->at == p->n)
        fill(l, now_ns);
    if (p->at == p->n)
        return 0;
    took = link->ops->tx_burst(link, l->queue, p->bufs + p->at, p->n - p->at);
    for (unsigned i = p->at; i < p->at + took; i++)
        sent += p->counts[i];
    p->at += took;
    if (sent)
        count_up(&l->count.sent, sent);
    return took;
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* The body of a packet of ours; false: it is none, or not of this trial. */
static bool open_packet(struct lane *l, const struct xf_buf *buf, struct xf_bench_body *body)
{
    const struct xf_bench_lanes *a = l->all;
    const size_t around = sizeof(struct xf_wire_header) + XF_TAG_BYTES;
    struct xf_wire_header h;
    const uint8_t *in = buf->data + sizeof(h);
    bool ours = buf->len >= BENCH_SIZE_MIN && buf->len <= XF_PAYLOAD_MAX;

    if (ours) {
        memcpy(&h, buf->data, sizeof(h));
        ours = h.version == XF_WIRE_VERSION && h.type == BENCH_PACKET_TYPE &&
               h.session_tag == a->session_tag && h.queue < BENCH_LANES_MAX;
    }
    if (ours && a->seal) {
        ours = !xf_seal_open(a->seal, &h, in, buf->len - around,
                             buf->data + buf->len - XF_TAG_BYTES, l->plain);
        in = l->plain;
    }
    if (!ours) {
        l->count.rejected++;
        return false;
    }
    memcpy(body, in, sizeof(*body));
    return body->trial == a->trial.number;
}

static void take(struct lane *l, const struct xf_buf *buf)
{
    struct xf_bench_body body;
    uint64_t now_ns;

    if (!open_packet(l, buf, &body))
        return;
    switch (body.packet) {
    case BENCH_PACKET_LOAD:
        if (body.counted)
            count_up(&l->count.received, 1);
        break;
    case BENCH_PACKET_PROBE:
        if (l->n_echoes < ECHOES_MAX)
            l->echoes[l->n_echoes++] = (struct echo){body.sent_ns, body.counted};
        break;
    case BENCH_PACKET_ECHO:
        now_ns = xf_cpu_ns();
        if (body.counted && body.sent_ns <= now_ns)
            xf_bench_hist_add(&l->rtt, now_ns - body.sent_ns);
        break;
    }
}

static unsigned receive(struct lane *l)
{
    struct xf_link *link = l->all->link;
    struct xf_buf bufs[XF_BURST_MAX];
    unsigned n = link->ops->rx_burst(link, l->queue, bufs, l->all->trial.burst);

    for (unsigned i = 0; i < n; i++)
        take(l, &bufs[i]);
    if (n)
        link->ops->rx_free(link, l->queue, bufs, n);
    return n;
}

/* ---- a lane's life -------------------------------------------------------------------------- */

static void *run(void *arg)
{
    struct lane *l = arg;
    struct xf_link *link = l->all->link;
    struct pending *p = &l->pending;
    uint64_t cpu_us = xf_bench_thread_cpu_us(), busy_ns = 0, now_ns = xf_cpu_ns();
    uint64_t last_ns = 0; /* once it is to stop: when it does in any case */
    unsigned idle = 0;

    xf_dpdk_thread_begin();
    l->start_ns = now_ns;
    l->probe_ns = now_ns;
    l->counts_ns = now_ns + l->all->trial.omit_us * 1000;
    l->end_ns = l->counts_ns + l->all->trial.duration_us * 1000;
    while (!last_ns || (idle < IDLE_STEPS && now_ns < last_ns)) {
        now_ns = xf_cpu_ns();
        unsigned n = receive(l);

        n += transmit(l, now_ns);
        if (now_ns >= l->end_ns && p->at == p->n)
            atomic_store_explicit(&l->done, true, memory_order_relaxed);
        /* What its queue holds was on time: others may have had the processor. */
        if (!last_ns && atomic_load_explicit(&l->all->stop, memory_order_relaxed)) {
            last_ns = now_ns + EMPTY_NS;
            idle = 0;
        }
        if (n) {
            busy_ns += xf_cpu_ns() - now_ns;
            idle = 0;
        } else if (++idle >= IDLE_STEPS) {
            sched_yield();
        }
    }
    if (p->at < p->n)
        link->ops->tx_free(link, l->queue, p->bufs + p->at, p->n - p->at);
    p->at = p->n = 0;
    xf_dpdk_thread_end();
    l->count.us = (xf_cpu_ns() - l->start_ns) / 1000;
    l->count.busy_us = busy_ns / 1000;
    l->count.cpu_us = xf_bench_thread_cpu_us() - cpu_us;
    return NULL;
}

static void begin(struct lane *l, bool sends, bool probes)
{
    const struct xf_bench_trial_order *t = &l->all->trial;

    l->count = (struct xf_bench_lane_count){0};
    memset(&l->rtt, 0, sizeof(l->rtt));
    l->sends = sends && t->pps;
    l->probes = probes && !l->queue;
    l->pns = t->pps == BENCH_RATE_MAX ? 0 : (double)t->pps / l->all->n / 1e9;
    l->built = 0;
    l->n_echoes = 0;
    l->done = false;
}

int xf_bench_lanes_start(struct xf_bench_lanes *a, const struct xf_bench_trial_order *trial,
                         bool sends, bool probes)
{
    unsigned n = a->n;
    int rc = 0;

    a->trial = *trial;
    a->stop = false;
    for (unsigned i = 0; i < n; i++)
        begin(&a->lanes[i], sends, probes);
    a->running = true;
    for (a->n = 0; a->n < n && !rc; a->n += !rc)
        rc = -pthread_create(&a->lanes[a->n].thread, NULL, run, &a->lanes[a->n]);
    if (rc)
        xf_bench_lanes_stop(a); /* those that run */
    a->n = n;
    return rc;
}

void xf_bench_lanes_stop(struct xf_bench_lanes *a)
{
    a->stop = true;
    for (unsigned i = 0; a->running && i < a->n; i++)
        pthread_join(a->lanes[i].thread, NULL);
    a->running = false;
}

bool xf_bench_lanes_sending(const struct xf_bench_lanes *a)
{
    for (unsigned i = 0; i < a->n; i++)
        if (!atomic_load_explicit(&a->lanes[i].done, memory_order_relaxed))
            return true;
    return false;
}

uint64_t xf_bench_lanes_sent(const struct xf_bench_lanes *a)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < a->n; i++)
        n += __atomic_load_n(&a->lanes[i].count.sent, __ATOMIC_RELAXED);
    return n;
}

void xf_bench_lanes_count(const struct xf_bench_lanes *a, struct xf_bench_count *out)
{
    *out = (struct xf_bench_count){0};
    for (unsigned i = 0; i < a->n; i++) {
        const struct xf_bench_lane_count *c = &a->lanes[i].count;

        out->lanes[i] = *c;
        out->all.sent += c->sent;
        out->all.received += c->received;
        out->all.rejected += c->rejected;
        out->all.us += c->us;
        out->all.cpu_us += c->cpu_us;
        out->all.busy_us += c->busy_us;
    }
}

struct xf_bench_rtt xf_bench_lanes_rtt(const struct xf_bench_lanes *a)
{
    struct xf_bench_hist all = {0};

    for (unsigned i = 0; i < a->n; i++)
        xf_bench_hist_merge(&all, &a->lanes[i].rtt);
    return xf_bench_hist_rtt(&all);
}

int xf_bench_lanes_new(struct xf_bench_lanes **out, struct xf_link *link, unsigned queues,
                       const uint8_t secret[XF_SECRET_BYTES],
                       const uint8_t session_id[XF_SESSION_ID_BYTES], enum xf_role role,
                       bool sealed)
{
    size_t bytes = sizeof(struct xf_bench_lanes) + queues * sizeof(struct lane);
    struct xf_bench_lanes *a = aligned_alloc(64, (bytes + 63) / 64 * 64);
    struct xf_random random = {.state = 1};
    int rc = 0;

    *out = NULL;
    if (!a)
        return -ENOMEM;
    memset(a, 0, bytes);
    a->link = link;
    a->n = queues;
    memcpy(&a->session_tag, session_id, sizeof(a->session_tag));
    for (size_t i = 0; i < sizeof(a->filler); i++)
        a->filler[i] = (uint8_t)xf_random_next(&random);
    for (unsigned i = 0; i < queues; i++) {
        a->lanes[i].all = a;
        a->lanes[i].queue = i;
    }
    if (sealed)
        rc = xf_seal_new(&a->seal, secret, session_id, role);
    if (rc)
        free(a);
    else
        *out = a;
    return rc;
}

void xf_bench_lanes_free(struct xf_bench_lanes *a)
{
    if (!a)
        return;
    xf_bench_lanes_stop(a);
    xf_seal_free(a->seal);
    free(a);
}
