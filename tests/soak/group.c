/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Soak, group: a source and one to four targets on the virtual clock. Some of them die, stall, lose
 * their link, refuse, lie or flood at some moment. Then the others must have every page, none that
 * the source counts on may lack one, and nothing hangs or leaks. The guest goes on at the source
 * whatever happens, so nobody but it owns it.
 */
#include "soak.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/random.h"
#include "transport/group.h"
#include "transport/plan_live.h"
#include "transport/seal.h"
#include "transport/sim/simlink.h"
#include "transport/source.h"
#include "transport/target.h"

#define TARGETS_MAX 4u
#define BEGIN_US    1000000u
#define STEP_MAX_US 5000u
/* After the source has ended, so that each target hears of it or gives up. */
#define AFTER_US (2 * SOAK_PEER_US)
#define LIES     6u
/* Of packets; what is overtaken waits for the next one, and at a low rate is taken for lost. Where
   that is a fifth of all, it is congestion (pace.c), and the rate of a TCP makes a run of minutes.
 */
#define LOST_PCT 12
#define FLOOD    20000u /* packets; a queue of more takes this machine too long */

enum ill { WELL, DIES, STALLS, CUT, REFUSES, LIES_ONCE, FLOODS };
static const char *const ill_names[] = {"well",    "dies",      "stalls", "cut",
                                        "refuses", "lies once", "floods"};

struct target {
    struct xf_simguest *guest;
    struct xf_simlink *net;
    struct xf_link *link[SOAK_ENDS];
    struct xf_target *end; /* NULL: dead */
    struct xf_seal *seal;  /* its own, with which it lies */
    uint64_t sequence;     /* beyond what its end uses */
    int rc;
    bool is_cut;
    enum ill ill;
    uint64_t ill_packets, ill_at_us; /* it begins when so many have come, or at that time */
    uint64_t lasts_us;               /* 0: for ever */
    bool fell_ill;
    uint64_t until_us;
};

struct group {
    const struct soak_plan *plan;
    struct xf_random random;
    struct xf_simguest *from;
    struct xf_offer offer;
    struct xf_member members[TARGETS_MAX];
    struct target targets[TARGETS_MAX];
    unsigned n;
    struct xf_link *link; /* the source's */
    struct xf_plan_live live;
    struct xf_source *source;
    int source_rc;
    bool stands, abandoned; /* the source dies */
    uint64_t abandoned_us;
    uint64_t now_us, step_us, wrote_us;
};

static uint64_t now_of(void *arg)
{
    return ((struct group *)arg)->now_us;
}

static int state_of(void *arg)
{
    return ((struct target *)arg)->is_cut;
}

static void on_progress(void *arg, const struct xf_progress *p)
{
    struct group *g = arg;

    if (!p->stats->suspend_us || g->stands)
        return;
    g->stands = true;
    xf_group_stand(g->link);
}

/* ---- before -------------------------------------------------------------------------------- */

static void draw(struct group *g)
{
    struct xf_random *r = &g->random;

    r->state = g->plan->seed ^ UINT64_C(0x6a09e667f3bcc908);
    g->n = 1 + (unsigned)xf_random_below(r, TARGETS_MAX);
    for (unsigned i = 0; i < g->n; i++) {
        struct target *t = &g->targets[i];

        if (xf_random_below(r, 100) < 50)
            continue;
        t->ill = DIES + (enum ill)xf_random_below(r, FLOODS);
        t->ill_packets = xf_random_below(r, 60);
        t->ill_at_us = BEGIN_US + xf_random_below(r, 200000);
        t->lasts_us = xf_random_below(r, 2) ? 1000 + xf_random_below(r, 400000) : 0;
    }
    if (xf_random_below(r, 100) < 5)
        g->abandoned_us = BEGIN_US + xf_random_below(r, 100000);
}

static bool open_target(struct group *g, unsigned i)
{
    const struct soak_plan *p = g->plan;
    struct target *t = &g->targets[i];
    const struct xf_simlink_config net = {.queues = p->queues,
                                          .payload_bytes = p->payload_bytes,
                                          .delay_us = p->delay_us,
                                          .jitter_us = p->jitter_us,
                                          .bytes_per_s = p->bytes_per_s,
                                          .buffer_bytes = p->buffer_bytes,
                                          .rx_ring = p->rx_ring,
                                          .seed = p->seed + i};

    if (xf_simguest_new_empty(&t->guest, p->pages) || xf_simlink_new(&t->net, &net))
        return false;
    for (unsigned end = 0; end < SOAK_ENDS; end++) {
        struct xf_fault_config faults = p->link;

        if (faults.loss_pct + faults.reorder_pct > LOST_PCT) {
            const double part = LOST_PCT / (faults.loss_pct + faults.reorder_pct);

            faults.loss_pct *= part;
            faults.reorder_pct *= part;
        }
        faults.seed = (p->seed * 2 + end) * TARGETS_MAX + i;
        faults.state = state_of;
        faults.state_arg = t;
        if (xf_faultlink_new(&t->link[end], xf_simlink_end(t->net, end), &faults))
            return false;
    }
    return true;
}

static bool open_group(struct group *g)
{
    static const char *const names[TARGETS_MAX] = {"t0", "t1", "t2", "t3"};
    struct xf_link *paths[TARGETS_MAX];
    struct xf_group_config c;

    if (xf_members_new(g->members, g->n, NULL) ||
        xf_offer_new(&g->offer, g->targets[0].link[SOAK_SOURCE], g->plan->pages))
        return false;
    g->offer.features =
        XF_FEATURE_GROUP |
        xf_offer_features(g->plan->verify, g->plan->compress ? XF_COMPRESS_LZ4 : XF_COMPRESS_NONE);
    xf_group_config_init(&c);
    for (unsigned i = 0; i < g->n; i++)
        paths[i] = g->targets[i].link[SOAK_SOURCE];
    c.offer = g->offer;
    c.members = g->members;
    c.names = names;
    c.paths = paths;
    c.paths_n = g->n;
    c.answer_us = SOAK_ANSWER_US - 300000;
    c.ready_us = SOAK_READY_US - 300000;
    c.silence_us = c.still_us = SOAK_PEER_US / 2; /* a third, where time is not so short */
    c.last_us = 300000;
    c.lag_us = 5 * SOAK_PEER_US;
    c.now_us = now_of;
    c.now_arg = g;
    return !xf_group_new(&g->link, &c);
}

static bool open_ends(struct group *g)
{
    const struct soak_plan *p = g->plan;
    struct xf_guest_source from = xf_simguest_source(g->from);
    struct xf_source_config sc;
    struct xf_policy policy;

    for (unsigned i = 0; i < g->n; i++) {
        struct target *t = &g->targets[i];
        struct xf_guest_sink sink = xf_simguest_sink(t->guest);
        struct xf_target_config tc;

        xf_target_config_init(&tc);
        xf_group_offer(g->link, i, &g->offer, &tc.offer);
        tc.member = g->members[i];
        tc.hello_timeout_us = SOAK_ANSWER_US + SOAK_PEER_US;
        tc.peer_timeout_us = SOAK_PEER_US;
        if (xf_target_new(&t->end, &tc, &sink, t->link[SOAK_TARGET], g->now_us) ||
            xf_seal_new_two(&t->seal, g->offer.secret, g->members[i].secret, g->offer.session_id,
                            XF_ROLE_TARGET))
            return false;
    }
    xf_source_config_init(&sc);
    xf_policy_init(&policy);
    policy.max_downtime_us = p->max_downtime_us;
    xf_plan_live_init(&g->live, &policy, p->verify);
    sc.plan = &g->live.plan;
    sc.offer = g->offer;
    sc.compress = XF_COMPRESS_LZ4;
    sc.answer_timeout_us = SOAK_ANSWER_US;
    sc.ready_timeout_us = SOAK_READY_US;
    sc.peer_timeout_us = SOAK_PEER_US;
    sc.progress = on_progress;
    sc.progress_arg = g;
    return !xf_source_new(&g->source, &sc, &from, g->link, g->now_us);
}

static bool open_all(struct group *g)
{
    draw(g);
    if (xf_simguest_new(&g->from, g->plan->pages, g->plan->fill, g->plan->seed,
                        g->plan->hole_every))
        return false;
    for (unsigned i = 0; i < g->n; i++)
        if (!open_target(g, i))
            return false;
    return open_group(g) && open_ends(g);
}

static void close_all(struct group *g)
{
    xf_source_free(g->source);
    if (g->link)
        g->link->ops->close(g->link);
    for (unsigned i = 0; i < g->n; i++) {
        struct target *t = &g->targets[i];

        xf_target_free(t->end);
        xf_seal_free(t->seal);
        for (unsigned end = 0; end < SOAK_ENDS; end++)
            if (t->link[end])
                t->link[end]->ops->close(t->link[end]);
        if (t->net)
            xf_simlink_free(t->net);
        xf_simguest_free(t->guest);
    }
    xf_simguest_free(g->from);
}

/* ---- illness ------------------------------------------------------------------------------- */

static void send_as(struct group *g, unsigned i, uint8_t type, const void *body, size_t len)
{
    struct target *t = &g->targets[i];
    struct xf_link *link = t->link[SOAK_TARGET];
    struct xf_wire_header h = {.version = XF_WIRE_VERSION,
                               .type = type,
                               .queue = (uint16_t)(i << XF_RECEIVER_SHIFT),
                               .sequence = 20000 + t->sequence++};
    struct xf_seal_run run;
    struct xf_buf buf;

    memcpy(&h.session_tag, g->offer.session_id, sizeof(h.session_tag));
    if (link->ops->tx_alloc(link, 0, &buf, 1) != 1)
        return;
    memcpy(buf.data, &h, sizeof(h));
    xf_seal_begin(t->seal, &run, &h);
    xf_seal_update(t->seal, &run, buf.data + sizeof(h), body, len);
    xf_seal_end(t->seal, &run, buf.data + sizeof(h) + len);
    buf.len = (uint32_t)(sizeof(h) + len + XF_TAG_BYTES);
    if (link->ops->tx_burst(link, 0, &buf, 1) != 1)
        link->ops->tx_free(link, 0, &buf, 1);
}

/* What it says is sealed as it should be, and anything. */
static void lie(struct group *g, unsigned i)
{
    struct xf_random *r = &g->random;
    struct xf_wire_feedback fb = {.receiver = i,
                                  .round = (uint32_t)xf_random_below(r, 6),
                                  .base = xf_random_below(r, 3) ? xf_random_below(r, 300) : 0,
                                  .landed = xf_random_next(r),
                                  .stamp_us = xf_random_next(r),
                                  .credit = (uint16_t)xf_random_next(r),
                                  .late = (uint16_t)xf_random_next(r),
                                  .flags = (uint16_t)xf_random_below(r, 5)};
    struct xf_wire_answer answer = {.version = 1,
                                    .queues = (uint16_t)xf_random_below(r, 5),
                                    .payload_bytes = (uint32_t)xf_random_next(r),
                                    .page_count = xf_random_below(r, 3000),
                                    .credit = (uint32_t)xf_random_next(r)};

    fb.horizon = fb.base + xf_random_below(r, 300);
    switch (xf_random_below(r, LIES)) {
    case 0:
        fb.receiver = (uint32_t)xf_random_below(r, 70);
        break;
    case 1:
        fb.flags |= XF_FEEDBACK_COMPLETE | XF_FEEDBACK_READY;
        break;
    case 2:
        fb.horizon = xf_random_next(r);
        break;
    case 3:
        send_as(g, i, XF_PACKET_ANSWER, &answer, sizeof(answer));
        return;
    default:
        break;
    }
    send_as(g, i, XF_PACKET_FEEDBACK, &fb, sizeof(fb) - (xf_random_below(r, 8) ? 0 : 5));
}

/* True: its end is not stepped now. */
static bool be_ill(struct group *g, unsigned i)
{
    struct target *t = &g->targets[i];

    if (!t->fell_ill) {
        if (!t->ill || g->now_us < t->ill_at_us ||
            xf_target_stats(t->end)->packets_received < t->ill_packets)
            return false;
        t->fell_ill = true;
        t->until_us = t->lasts_us ? g->now_us + t->lasts_us : UINT64_MAX;
        if (t->ill == LIES_ONCE)
            lie(g, i);
        if (t->ill == REFUSES)
            xf_target_abort(t->end, "no memory");
    }
    const bool now = g->now_us < t->until_us;

    if (t->ill == DIES) {
        xf_target_free(t->end);
        t->end = NULL;
        return true;
    }
    t->is_cut = t->ill == CUT && now;
    for (unsigned k = 0; t->ill == FLOODS && now && t->sequence < FLOOD && k < 20; k++)
        lie(g, i);
    return t->ill == STALLS && now;
}

/* ---- a run --------------------------------------------------------------------------------- */

/* What comes to a host where nobody is any more. */
static void drain(struct target *t, unsigned queues)
{
    struct xf_link *link = t->link[SOAK_TARGET];
    struct xf_buf bufs[XF_BURST_MAX];
    unsigned n;

    for (unsigned q = 0; q < queues; q++)
        while ((n = link->ops->rx_burst(link, q, bufs, XF_BURST_MAX)) != 0)
            link->ops->rx_free(link, q, bufs, n);
}

static void step(struct group *g)
{
    bool busy = false;

    g->now_us += g->step_us;
    for (unsigned i = 0; i < g->n; i++)
        xf_simlink_advance(g->targets[i].net, g->now_us);
    while (g->now_us - g->wrote_us >= 1000) {
        g->wrote_us += 1000;
        if (!g->stands)
            xf_simguest_write(g->from, g->plan->writes_per_ms);
    }
    if (g->abandoned_us && g->now_us >= g->abandoned_us)
        g->abandoned = true;
    if (!g->source_rc && !g->abandoned) {
        g->source_rc = xf_source_step(g->source, g->now_us);
        busy = !xf_source_idle(g->source);
    }
    for (unsigned i = 0; i < g->n; i++) {
        struct target *t = &g->targets[i];

        if (!t->end || t->rc < 0)
            drain(t, g->plan->queues);
        if (!t->end || t->rc < 0 || be_ill(g, i))
            continue;
        if (g->now_us >= BEGIN_US + g->plan->ready_after_us)
            xf_target_ready(t->end);
        t->rc = xf_target_step(t->end, g->now_us);
        busy = busy || !xf_target_idle(t->end);
    }
    g->step_us = busy ? g->plan->step_us : g->step_us * 2;
    if (g->step_us > STEP_MAX_US)
        g->step_us = STEP_MAX_US;
}

static bool is_over(const struct group *g, uint64_t ended_us)
{
    for (unsigned i = 0; i < g->n; i++)
        if (g->targets[i].end && !g->targets[i].rc && g->targets[i].ill != STALLS)
            return g->now_us - ended_us > AFTER_US;
    return true;
}

static bool same(struct xf_simguest *a, struct xf_simguest *b)
{
    uint64_t x[2], y[2];

    xf_simguest_hash(a, x);
    xf_simguest_hash(b, y);
    return x[0] == y[0] && x[1] == y[1];
}

static void judge(struct group *g, struct soak_run *run, struct soak_counts *counts)
{
    unsigned well = 0;

    run->moved = g->source_rc == XF_SESSION_DONE;
    for (unsigned i = 0; i < g->n; i++) {
        const struct target *t = &g->targets[i];
        struct xf_group_target seen;

        xf_group_target(g->link, i, &seen);
        run->fired += t->fell_ill;
        well += !t->fell_ill;
        /* A target that the source counts on has every page, however ill it was since. */
        if (run->moved && !seen.dropped && !same(g->from, t->guest))
            counts->wrong_bytes++;
        /* One that ends without an end has hung; one that stalls for ever is not stepped. */
        if (!g->abandoned && t->end && !t->rc && t->ill != STALLS && run->moved && !seen.dropped)
            counts->hangs++;
    }
    /* If nothing ails the source and one target, that one has the guest. */
    if (!run->moved && !g->abandoned && well)
        counts->lost++;
}

bool soak_group(struct soak_run *run, struct soak_counts *counts)
{
    const int64_t taken = soak_taken();
    struct group *g = calloc(1, sizeof(*g));
    uint64_t ended_us = 0;
    bool ran;

    if (!g)
        return false;
    g->plan = &run->plan;
    g->now_us = g->wrote_us = BEGIN_US;
    g->step_us = run->plan.step_us;
    ran = open_all(g);
    while (ran && g->now_us < BEGIN_US + SOAK_RUN_US) {
        step(g);
        if (!g->source_rc && !g->abandoned)
            continue;
        ended_us = ended_us ? ended_us : g->now_us;
        if (is_over(g, ended_us))
            break;
    }
    if (ran && !ended_us)
        counts->hangs++;
    else if (ran)
        judge(g, run, counts);
    if (ran && (counts->wrong_bytes || counts->hangs || counts->lost))
        for (unsigned i = 0; i < g->n; i++) {
            struct xf_group_target seen;

            xf_group_target(g->link, i, &seen);
            printf("soak: group: target %u of %u: %s at %" PRIu64 " us; rc %d; %s\n", i, g->n,
                   ill_names[g->targets[i].ill], g->targets[i].ill_at_us, g->targets[i].rc,
                   seen.dropped ? seen.why : "kept");
        }
    if (ran && (counts->hangs || counts->lost))
        printf("soak: group: source %d: %s\n", g->source_rc, xf_source_error(g->source));
    close_all(g);
    free(g);
    if (soak_taken() != taken)
        counts->leaks++;
    return ran;
}
