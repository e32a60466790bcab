/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, packets, near: one trial after the other, by one rate or by the search. */
#include "bench_packets.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "bench_packet.h"
#include "transport/base/clock.h"
#include "xl-plugin/demo/ends.h"

#define BURST_USUAL 32u
#define LOOK_MS     100

struct packets {
    const struct xf_bench_channel *far;
    const struct xf_bench_packets_news *news;
    const struct xf_bench_packets_wish *wish;
    struct xf_link *link;
    struct xf_bench_lanes *lanes;
    struct xf_bench_trial_order order;
    uint64_t sent; /* by all trials before */
    char *why;
};

static int fail(const struct packets *p, int rc, const char *what)
{
    snprintf(p->why, BENCH_WHY_BYTES, "%s: %s", what, strerror(-rc));
    return rc;
}

/* Until all that was sent can have arrived. far has nothing to say meanwhile. */
static int wait_for_packets(struct packets *p)
{
    const uint64_t late_us = xf_now_us() + p->order.omit_us + p->order.duration_us + BENCH_LATE_US;
    uint64_t now_us = xf_now_us(), end_us = late_us;

    while (now_us < end_us) {
        struct pollfd in = {.fd = p->far->in, .events = POLLIN};
        uint64_t left_ms = (end_us - now_us + 999) / 1000;

        if (poll(&in, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) > 0)
            return xf_bench_receive(p->far, BENCH_NONE, NULL, 0, xf_ends_patience_us(0), p->why);
        p->news->progress(p->news->arg, p->sent + xf_bench_lanes_sent(p->lanes));
        now_us = xf_now_us();
        if (end_us == late_us && !xf_bench_lanes_sending(p->lanes))
            end_us = now_us + BENCH_DRAIN_US;
    }
    return 0;
}

static struct xf_bench_direction direction(uint64_t sent, uint64_t received)
{
    uint64_t lost = sent > received ? sent - received : 0;

    return (struct xf_bench_direction){
        .sent = sent, .lost = lost, .loss_pct = sent ? 100.0 * (double)lost / (double)sent : 0};
}

static void evaluate(struct packets *p, struct xf_bench_trial *t)
{
    const double seconds = (double)p->order.duration_us / 1e6;
    uint64_t sent = t->near.all.sent;

    t->to = direction(t->near.all.sent, t->far.all.received);
    if (p->order.bidir) {
        t->back = direction(t->far.all.sent, t->near.all.received);
        sent = t->back.sent < sent ? t->back.sent : sent;
    }
    t->loss_pct = t->back.loss_pct > t->to.loss_pct ? t->back.loss_pct : t->to.loss_pct;
    t->sent_pps = (double)sent / seconds;
    t->rtt = xf_bench_lanes_rtt(p->lanes);
    p->sent += t->near.all.sent;
}

static int trial(struct packets *p, uint64_t pps, struct xf_bench_trial *t)
{
    int rc;

    *t = (struct xf_bench_trial){.asked_pps = pps};
    p->order.number++;
    p->order.pps = pps;
    rc = xf_bench_send(p->far, BENCH_TRIAL, &p->order, sizeof(p->order));
    if (rc) {
        /* It has gone; before that it may have said why. */
        int said = xf_bench_receive(p->far, BENCH_NONE, NULL, 0, xf_ends_patience_us(0), p->why);

        return said ?: rc;
    }
    rc = xf_bench_receive(p->far, BENCH_READY, NULL, 0, xf_ends_patience_us(0), p->why);
    if (rc)
        return rc;
    rc = xf_bench_lanes_start(p->lanes, &p->order, true, true);
    if (rc)
        return fail(p, rc, "no thread for a queue");
    rc = wait_for_packets(p);
    if (!rc && (rc = xf_bench_send(p->far, BENCH_STOP, NULL, 0)))
        fail(p, rc, p->far->peer);
    rc = rc
             ?: xf_bench_receive(p->far, BENCH_COUNT, &t->far, sizeof(t->far),
                                 xf_ends_patience_us(0), p->why);
    xf_bench_lanes_stop(p->lanes);
    if (rc)
        return rc;
    xf_bench_lanes_count(p->lanes, &t->near);
    evaluate(p, t);
    return 0;
}

/* Both ends know each other's address and have the same key. */
static int join(struct packets *p, unsigned queues)
{
    struct xf_bench_key key = {.near = p->link->self, .sealed = p->wish->sealed};
    struct xf_bench_addr addr;
    int rc = 0;

    if (getrandom(key.secret, sizeof(key.secret), 0) != (ssize_t)sizeof(key.secret) ||
        getrandom(key.session_id, sizeof(key.session_id), 0) != (ssize_t)sizeof(key.session_id))
        rc = fail(p, -errno, "no random bytes for a key");
    rc = rc ?: xf_bench_send(p->far, BENCH_KEY, &key, sizeof(key));
    rc = rc
             ?: xf_bench_receive(p->far, BENCH_ADDR, &addr, sizeof(addr), xf_ends_patience_us(0),
                                 p->why);
    if (!rc) {
        p->link->ops->set_peer(p->link, &addr.far);
        rc = xf_bench_lanes_new(&p->lanes, p->link, queues, key.secret, key.session_id,
                                XF_ROLE_SOURCE, p->wish->sealed);
        if (rc)
            fail(p, rc, "no lanes");
    }
    explicit_bzero(&key, sizeof(key));
    return rc;
}

/* 0; or -errno. */
static int one_more(struct packets *p, uint64_t pps, struct xf_bench_packets *out)
{
    struct xf_bench_trial *t = &out->trials[out->n];
    int rc = trial(p, pps, t);

    if (!rc)
        p->news->trial(p->news->arg, out->n++, t);
    return rc;
}

static int all_trials(struct packets *p, struct xf_bench_packets *out)
{
    const uint64_t packet_bytes = p->order.size + p->link->frame_bytes;
    struct xf_bench_search search;
    uint64_t pps = p->wish->rate_Bps / packet_bytes;
    int rc = one_more(p, 0, out);

    out->idle = out->trials[0].rtt;
    out->n = 0;
    if (rc || !p->wish->search)
        return rc ?: one_more(p, p->wish->rate_Bps ? pps ? pps : 1 : BENCH_RATE_MAX, out);
    xf_bench_search_init(&search);
    while (!rc && xf_bench_search_next(&search, &pps)) {
        rc = one_more(p, pps, out);
        if (!rc)
            xf_bench_search_tell(&search, pps, out->trials[out->n - 1].sent_pps,
                                 out->trials[out->n - 1].loss_pct);
    }
    for (unsigned g = 0; g < BENCH_GOALS; g++)
        out->best[g] = search.goals[g].best;
    return rc;
}

int xf_bench_packets_run(const struct xf_bench_channel *far, struct xf_link *link, unsigned queues,
                         uint32_t payload_bytes, const struct xf_bench_packets_wish *wish,
                         const struct xf_bench_packets_news *news, struct xf_bench_packets *out,
                         char why[BENCH_WHY_BYTES])
{
    struct packets p = {.far = far, .news = news, .wish = wish, .link = link, .why = why};
    int rc;

    why[0] = 0;
    p.order = (struct xf_bench_trial_order){
        .size = wish->size ? wish->size : payload_bytes,
        .burst = wish->burst ? wish->burst : BURST_USUAL,
        .bidir = wish->bidir,
        .omit_us = wish->omit_us,
        .duration_us = wish->duration_us,
    };
    out->size = p.order.size;
    out->duration_us = wish->duration_us;
    for (unsigned g = 0; g < BENCH_GOALS; g++)
        out->best[g] = -1;
    if (p.order.size > payload_bytes) {
        snprintf(why, BENCH_WHY_BYTES, "--size: %u bytes do not fit these ports, but %u",
                 p.order.size, payload_bytes);
        return -EMSGSIZE;
    }
    rc = join(&p, queues);
    rc = rc ?: all_trials(&p, out);
    xf_bench_lanes_free(p.lanes);
    if (rc && !why[0])
        fail(&p, rc, far->peer);
    return rc;
}
