/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Soak, owners: the life of both ends, stepped; soak.h draws their handshake. */
#include "soak.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk/thread.h"
#include "transport/plan_live.h"
#include "transport/source.h"
#include "transport/target.h"

/* How often the channel is looked at while the transport has the word. */
#define LOOK_EVERY_US 2000u
/* Not stepped for so long: the wait is not the peer's fault. */
#define ASLEEP_US 20000u

struct soak_owner {
    const struct soak_plan *plan;
    struct xf_plan_live live; /* source: what goes next */
    struct soak_world *world;
    enum soak_end end;
    struct xf_link *link;
    struct soak_channel channel;
    enum {
        BEGIN,       /* source: OFFER is to be written; target: is waited for */
        MOVE,        /* the transport has the word */
        WAIT_READY,  /* source */
        WAIT_GO,     /* target */
        WAIT_OUTCOME /* source */
    } state;
    bool over, idle;
    struct xf_source *source;
    struct xf_target *target;
    uint64_t session_us, done_us; /* its own clock */
    uint64_t looked_us;           /* the judge's clock, as all below */

    /* The wait under way, and what ends it. */
    uint64_t slack_us, stepped_us, news_us, heard;
    enum xf_phase phase;
    bool overdue;
};

static void on_progress(void *arg, const struct xf_progress *p)
{
    struct soak_owner *o = arg;
    static const char line[] = "soak: progress\n";

    o->phase = p->phase;
    /* Where the log's disk is full, this must not matter. */
    if (fwrite(line, 1, sizeof(line) - 1, stderr) != sizeof(line) - 1)
        clearerr(stderr);
}

int soak_owner_new(struct soak_owner **out, const struct soak_plan *plan, struct soak_world *world,
                   enum soak_end end, struct xf_link *link, const struct soak_channel *channel,
                   uint64_t slack_us)
{
    struct soak_owner *o = calloc(1, sizeof(*o));

    *out = o;
    if (!o)
        return -ENOMEM;
    *o = (struct soak_owner){.plan = plan,
                             .world = world,
                             .end = end,
                             .link = link,
                             .channel = *channel,
                             .slack_us = slack_us};
    return 0;
}

/* All mappings are given back before anybody runs the guest. */
static void end_session(struct soak_owner *o)
{
    bool had = o->source || o->target;

    xf_source_free(o->source);
    xf_target_free(o->target);
    o->source = NULL;
    o->target = NULL;
    if (had && o->world->mapped[o->end])
        atomic_fetch_add(&o->world->counts.leaks, 1);
}

void soak_owner_free(struct soak_owner *o)
{
    if (!o)
        return;
    end_session(o);
    free(o);
}

bool soak_owner_idle(const struct soak_owner *o)
{
    return o->idle;
}

static void finish(struct soak_owner *o, enum soak_outcome outcome)
{
    end_session(o);
    o->channel.close(o->channel.ctx);
    if (!o->world->dead[o->end])
        atomic_store(&o->world->outcome[o->end], outcome);
    o->over = true;
}

/* Before the go: the source goes on, and nothing is left at the target. */
static void give_up(struct soak_owner *o)
{
    end_session(o);
    o->channel.close(o->channel.ctx);
    if (o->end == SOAK_SOURCE) {
        soak_world_rename(o->world, false);
        soak_world_resume(o->world);
        finish(o, SOAK_STAYED);
    } else {
        soak_world_destroy(o->world, SOAK_TARGET);
        finish(o, SOAK_DROPPED);
    }
}

static int say(struct soak_owner *o, const struct soak_message *m)
{
    return o->channel.send(o->channel.ctx, m);
}

static int hear(struct soak_owner *o, enum soak_message_kind kind, struct soak_message *m)
{
    int rc = o->channel.receive(o->channel.ctx, m);

    return rc == 1 && m->kind != kind ? -EPROTO : rc;
}

/* ---- the source --------------------------------------------------------------------------------
 */

static int source_begin(struct soak_owner *o, uint64_t now_us)
{
    struct xf_guest_source guest = soak_world_source(o->world);
    struct soak_message m = {.kind = SOAK_OFFER};
    struct xf_source_config config;
    struct xf_policy policy;

    xf_source_config_init(&config);
    xf_policy_init(&policy);
    policy.max_downtime_us = o->plan->max_downtime_us;
    xf_plan_live_init(&o->live, &policy, o->plan->verify);
    config.plan = &o->live.plan;
    config.answer_timeout_us = SOAK_ANSWER_US;
    config.ready_timeout_us = SOAK_READY_US;
    config.peer_timeout_us = SOAK_PEER_US;
    config.threads = xf_dpdk_threads(o->plan->threads, NULL);
    config.progress = on_progress;
    config.progress_arg = o;
    int rc = xf_offer_new(&config.offer, o->link, guest.page_count);

    if (rc)
        return rc;
    config.offer.features =
        xf_offer_features(o->plan->verify, o->plan->compress ? XF_COMPRESS_LZ4 : XF_COMPRESS_NONE);
    config.compress = XF_COMPRESS_LZ4;
    xf_offer_encode(&config.offer, m.offer);
    rc = xf_source_new(&o->source, &config, &guest, o->link, now_us);
    rc = rc ?: XF_FAULT(owner_offer_write);
    rc = rc ?: say(o, &m);
    o->state = MOVE;
    return rc ?: XF_FAULT(owner_offer_written);
}

static int source_move(struct soak_owner *o, uint64_t now_us, bool look)
{
    struct soak_message m;
    int rc = look ? o->channel.receive(o->channel.ctx, &m) : 0;

    if (rc) {
        xf_source_abort(o->source, "the target's owner has given up");
        return -EPIPE;
    }
    rc = xf_source_step(o->source, now_us);
    o->idle = xf_source_idle(o->source);
    if (rc != XF_SESSION_DONE)
        return rc;
    m = (struct soak_message){.kind = SOAK_PAGES,
                              .rounds = xf_source_stats(o->source)->rounds,
                              .pages_total = xf_source_stats(o->source)->pages_total};
    rc = XF_FAULT(owner_pages_write) ?: say(o, &m);
    if (rc)
        return rc;
    end_session(o);
    o->state = WAIT_READY;
    return XF_FAULT(owner_pages_written);
}

static int source_go(struct soak_owner *o)
{
    struct soak_message m;
    int rc = hear(o, SOAK_READY, &m);

    if (rc != 1)
        return rc;
    rc = XF_FAULT(owner_ready_read);
    rc = rc ?: soak_world_rename(o->world, true);
    rc = rc ?: XF_FAULT(owner_renamed);
    if (rc)
        return rc;
    m = (struct soak_message){.kind = SOAK_GO};
    /* No return: even if writing it fails, the target may have it. */
    o->state = WAIT_OUTCOME;
    rc = say(o, &m);
    return rc ?: XF_FAULT(owner_go_written);
}

static int source_outcome(struct soak_owner *o)
{
    struct soak_message m;
    int rc = hear(o, SOAK_OUTCOME, &m);

    if (rc != 1)
        return rc;
    rc = XF_FAULT(owner_outcome_read);
    if (rc)
        return rc;
    if (m.rc) {
        give_up(o);
    } else {
        soak_world_destroy(o->world, SOAK_SOURCE);
        finish(o, SOAK_MOVED);
    }
    return 0;
}

static void step_source(struct soak_owner *o, uint64_t now_us, bool look)
{
    int rc = 0;

    switch (o->state) {
    case BEGIN:
        rc = source_begin(o, now_us);
        break;
    case MOVE:
        rc = source_move(o, now_us, look);
        break;
    case WAIT_READY:
        rc = source_go(o);
        break;
    default:
        rc = source_outcome(o);
    }
    if (rc >= 0)
        return;
    if (o->state == WAIT_OUTCOME)
        finish(o, SOAK_UNDEFINED);
    else
        give_up(o);
}

/* ---- the target --------------------------------------------------------------------------------
 */

static int target_begin(struct soak_owner *o, uint64_t now_us)
{
    struct xf_guest_sink guest = soak_world_sink(o->world);
    struct xf_target_config config;
    struct soak_message m;
    int rc = hear(o, SOAK_OFFER, &m);

    if (rc != 1)
        return rc;
    rc = XF_FAULT(owner_offer_read);
    rc = rc ?: soak_world_create(o->world);
    if (rc)
        return rc;
    xf_target_config_init(&config);
    config.hello_timeout_us = SOAK_ANSWER_US;
    config.peer_timeout_us = SOAK_PEER_US;
    config.threads = xf_dpdk_threads(o->plan->threads, NULL);
    config.progress = on_progress;
    config.progress_arg = o;
    rc = xf_offer_decode(&config.offer, m.offer, sizeof(m.offer), NULL);
    rc = rc ?: xf_target_new(&o->target, &config, &guest, o->link, now_us);
    o->session_us = now_us;
    o->state = MOVE;
    return rc ?: XF_FAULT(owner_session_up);
}

/* The stream's end has come: is all here? */
static int target_take(struct soak_owner *o, const struct soak_message *m, uint64_t now_us)
{
    const struct xf_stats *stats = xf_target_stats(o->target);

    if (m->kind != SOAK_PAGES || m->rounds != stats->rounds ||
        m->pages_total != stats->pages_total ||
        xf_target_step(o->target, now_us) != XF_SESSION_DONE)
        return -EPROTO;
    int rc = XF_FAULT(owner_pages_read);

    if (rc)
        return rc;
    end_session(o);
    o->state = WAIT_GO;
    rc = XF_FAULT(owner_ready_write) ?: say(o, &(struct soak_message){.kind = SOAK_READY});
    return rc ?: XF_FAULT(owner_ready_written);
}

static int target_move(struct soak_owner *o, uint64_t now_us, bool look)
{
    struct soak_message m;
    int rc;

    if (now_us - o->session_us >= o->plan->ready_after_us)
        xf_target_ready(o->target);
    rc = xf_target_step(o->target, now_us);
    o->idle = xf_target_idle(o->target);
    if (rc < 0)
        return rc;
    if (rc == XF_SESSION_DONE && !o->done_us)
        o->done_us = now_us;
    if (o->done_us && now_us - o->done_us > SOAK_GOODBYE_US)
        return -ETIMEDOUT;
    if (!look && !o->done_us)
        return 0;
    rc = o->channel.receive(o->channel.ctx, &m);
    if (rc < 0)
        xf_target_abort(o->target, "the source's owner has given up");
    return rc == 1 ? target_take(o, &m, now_us) : rc;
}

static int target_go(struct soak_owner *o)
{
    struct soak_message m;
    int rc = hear(o, SOAK_GO, &m);

    if (rc != 1)
        return rc;
    m = (struct soak_message){.kind = SOAK_OUTCOME};
    m.rc = XF_FAULT(owner_go_read) ?: soak_world_start(o->world);
    if (m.rc) {
        /* First nothing is left here, then the source hears of it. */
        soak_world_destroy(o->world, SOAK_TARGET);
        say(o, &m);
        finish(o, SOAK_DROPPED);
        return 0;
    }
    if (!XF_FAULT(owner_started) && !say(o, &m)) {
        /* What fails from here on is for the source to find out. */
        if (XF_FAULT(owner_outcome_written))
            o->channel.close(o->channel.ctx);
    }
    finish(o, SOAK_STARTED);
    return 0;
}

static void step_target(struct soak_owner *o, uint64_t now_us, bool look)
{
    int rc;

    switch (o->state) {
    case BEGIN:
        rc = target_begin(o, now_us);
        break;
    case MOVE:
        rc = target_move(o, now_us, look);
        break;
    default:
        rc = target_go(o);
    }
    if (rc < 0)
        give_up(o);
}

/* ---- both --------------------------------------------------------------------------------------
 */

/* Authentic packets so far. */
static uint64_t heard_of(const struct soak_owner *o)
{
    static const enum xf_reject not_authentic[] = {
        XF_REJECT_short_packet,   XF_REJECT_unknown_version, XF_REJECT_unknown_type,
        XF_REJECT_wrong_session,  XF_REJECT_wrong_queue,     XF_REJECT_replayed,
        XF_REJECT_stale_sequence, XF_REJECT_far_sequence,    XF_REJECT_forged};
    const struct xf_stats *stats =
        o->source ? xf_source_stats(o->source) : xf_target_stats(o->target);
    uint64_t n = stats->packets_received;

    for (unsigned i = 0; i < sizeof(not_authentic) / sizeof(not_authentic[0]); i++)
        n -= stats->rejects[not_authentic[i]];
    return n;
}

/* What the wait under way may last; PROTOCOL.md section 8. */
static uint64_t limit_of(const struct soak_owner *o)
{
    switch (o->phase) {
    case XF_PHASE_CONNECT:
        return SOAK_ANSWER_US;
    case XF_PHASE_READY:
        return SOAK_READY_US > SOAK_PEER_US ? SOAK_READY_US : SOAK_PEER_US;
    case XF_PHASE_DONE:
        return SOAK_GOODBYE_US;
    default:
        return SOAK_PEER_US;
    }
}

/*
 * Measures, by the judge's clock, how long this end has waited in vain: since an authentic packet,
 * or the phase's begin where only an ANSWER counts. Time in which it was not stepped is not a wait.
 */
static void watch(struct soak_owner *o, enum xf_phase before, bool had, uint64_t true_us)
{
    const bool has = o->source || o->target;
    uint64_t heard = has ? heard_of(o) : 0, longest;

    if (true_us - o->stepped_us > ASLEEP_US)
        o->news_us += true_us - o->stepped_us;
    o->stepped_us = true_us;
    if (has != had || o->phase != before ||
        (o->phase != XF_PHASE_CONNECT && o->phase != XF_PHASE_DONE && heard != o->heard))
        o->news_us = true_us;
    o->heard = heard;
    if (!has)
        return;
    uint64_t wait = true_us > o->news_us ? true_us - o->news_us : 0;

    longest = o->world->longest_wait_us;
    while (wait > longest &&
           !atomic_compare_exchange_weak(&o->world->longest_wait_us, &longest, wait))
        ;
    if (wait > limit_of(o) + o->slack_us && !o->overdue) {
        o->overdue = true;
        fprintf(stderr, "soak: the %s has waited %.3f s in phase %s\n",
                o->end == SOAK_SOURCE ? "source" : "target", (double)wait / 1e6,
                xf_phase_name(o->phase));
        atomic_fetch_add(&o->world->counts.hangs, 1);
    }
}

bool soak_owner_step(struct soak_owner *o, uint64_t now_us, uint64_t true_us)
{
    const bool had = o->source || o->target;
    const enum xf_phase before = o->phase;
    bool look = true_us - o->looked_us >= LOOK_EVERY_US;

    if (o->over)
        return false;
    if (look)
        o->looked_us = true_us;
    o->idle = true;
    if (o->end == SOAK_SOURCE)
        step_source(o, now_us, look);
    else
        step_target(o, now_us, look);
    watch(o, before, had, true_us);
    return !o->over;
}
