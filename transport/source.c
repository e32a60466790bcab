/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source: guest memory in, packets out. The sequence of messages is drawn in target.c.
 *
 *     CONNECT --ANSWER--> READY --FEEDBACK(ready)--> LIVE --stop--> FINAL --FEEDBACK--> DONE
 *        \_________________\__________________________\______________\-----> FAILED
 *
 * What goes next, when the guest stops, and what is the last, a plan says (plan.h). A round
 * (source_rounds.c) is: every page of the dirty bitmap once, after POPULATE records for those that
 * are new to the target; BARRIER, repeated until the target has counted them all. The first begins
 * while it is still being found out which pages the guest has. The
 * bitmap is fetched (and cleared) before the round's first page is read, so whatever changes after
 * a page was read is in the next bitmap: that is why a lost page can be read again, possibly newer,
 * and is still right.
 *
 * The guest is suspended between the last live round and FINAL. Whoever owns the guest may resume
 * it after any failure: nothing here lets the target start before the final barrier is counted.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "transport/fault_points.h"
#include "page.h"
#include "source_check.h"
#include "source_rounds.h"

/* The longest that a barrier's answer is waited for. */
#define PROBE_MAX_US 100000u
/* What is known of the guest ahead of what has been sent. */
#define START_AHEAD_PAGES (32u * XF_CHUNK_PAGES)

void xf_source_config_init(struct xf_source_config *config)
{
    memset(config, 0, sizeof(*config));
    config->answer_timeout_us = 30000000;
    config->begin_timeout_us = 600000000;
    config->ready_timeout_us = 60000000;
    config->peer_timeout_us = 30000000;
    config->compress = XF_COMPRESS_AUTO;
}

/* ---- lanes --------------------------------------------------------------------------------- */

static void take_packet(void *arg, struct xf_worker *w, unsigned lane, const struct xf_buf *buf,
                        uint64_t now_us)
{
    struct xf_source *s = arg;

    s->lanes[lane].lane.laps = &w->laps;
    xf_source_lane_receive(&s->lanes[lane], w, buf, now_us);
}

static void work(void *arg, struct xf_worker *w, uint64_t now_us)
{
    struct xf_source *s = arg;
    const unsigned n = s->session.queues;
    /* In turns: a small window must not be the first lane's alone. */
    const unsigned first = xf_crew_runs(&s->crew) ? 0 : s->turn++;

    for (unsigned i = 0; i < n; i++) {
        unsigned lane = (first + i) % n;

        if (xf_worker_has(w, lane))
            xf_source_lane_work(&s->lanes[lane], w, now_us);
    }
}

static void take_stray(void *arg, struct xf_worker *w, const struct xf_buf *buf)
{
    struct xf_source *s = arg;
    struct xf_wire_header h;

    xf_lane_open(&s->lanes[w->number].lane, buf, &h, 0);
}

static bool hurry(void *arg)
{
    const struct xf_source *s = arg;

    return atomic_load_explicit(&s->shared->phase, memory_order_relaxed) > XF_PHASE_READY;
}

static const struct xf_crew_ops crew_ops = {take_packet, work, take_stray, hurry};

static int init_lanes(struct xf_source *s, uint64_t now_us)
{
    const struct xf_source_config *c = &s->config;
    const unsigned n = s->session.queues;
    int rc = s->guest.ops->lanes(s->guest.ctx, n);

    if (rc)
        return rc;
    s->shared = aligned_alloc(_Alignof(struct xf_source_shared), sizeof(*s->shared));
    s->lanes = aligned_alloc(_Alignof(struct xf_source_lane), n * sizeof(s->lanes[0]));
    if (!s->shared || !s->lanes)
        return -ENOMEM;
    memset(s->shared, 0, sizeof(*s->shared));
    memset(s->lanes, 0, n * sizeof(s->lanes[0]));
    for (unsigned i = 0; i < n && !rc; i++) {
        struct xf_source_lane *l = &s->lanes[i];

        rc = xf_lane_init(&l->lane, &s->session, i, sizeof(struct xf_source_order),
                          sizeof(struct xf_source_news), now_us);
        rc = rc
                 ?: xf_source_lane_init(l, s->shared, &s->guest, c->compress, c->offer.features,
                                        c->cpu_ns);
        l->encoder.hash_seed = xf_page_hash_seed(c->offer.session_id);
    }
    s->clock_ns = s->lanes[0].encoder.compress.clock_ns;
    return rc ?: xf_crew_init(&s->crew, &c->threads, &s->session, &crew_ops, s, now_us);
}

int xf_source_new(struct xf_source **out, const struct xf_source_config *config,
                  const struct xf_guest_source *guest, struct xf_link *link, uint64_t now_us)
{
    struct xf_source *s;
    int rc = -EINVAL;

    *out = NULL;
    if (config->offer.queues == 0 || config->offer.queues > XF_QUEUES_MAX ||
        config->offer.queues > link->queues || config->offer.page_count != guest->page_count ||
        guest->page_count == 0 || !config->plan || !xf_guest_source_whole(guest))
        return -EINVAL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->config = *config;
    s->guest = *guest;
    s->plan = config->plan;
    s->verify = config->offer.features & XF_FEATURE_VERIFY;
    xf_brake_init(&s->brake, xf_source_throttle, s);
    rc = xf_session_init(&s->session, &config->offer, NULL, XF_ROLE_SOURCE, link, now_us);
    rc = rc ?: init_lanes(s, now_us);
    xf_offer_wipe(&s->config.offer); /* the keys are made: the secret is not needed again */
    if (!rc)
        rc = xf_wire_shape(&s->session.shape, link->payload_bytes);
    if (rc)
        goto fail;
    rc = -ENOMEM;
    s->populated = xf_bitmap_new(guest->page_count);
    s->todo = xf_bitmap_new(guest->page_count);
    s->fresh = xf_bitmap_new(guest->page_count);
    if (!s->populated || !s->todo || !s->fresh)
        goto fail;
    if (config->offer.features & XF_FEATURE_VERIFY_LIVE) {
        s->hashed = xf_bitmap_new(guest->page_count);
        s->hashing = xf_bitmap_new(guest->page_count);
        if (!s->hashed || !s->hashing)
            goto fail;
    }
    s->session.stats.limit_bytes_per_s = config->bandwidth_bytes_per_s;
    s->phase = XF_PHASE_CONNECT;
    s->phase_us = s->round_us = s->sent_us = s->began_us = now_us;
    *out = s;
    return 0;
fail:
    xf_source_free(s);
    return rc;
}

void xf_source_free(struct xf_source *s)
{
    if (!s)
        return;
    xf_brake_release(&s->brake);
    xf_crew_fini(&s->crew);
    for (unsigned i = 0; s->lanes && i < s->session.queues; i++)
        xf_source_lane_fini(&s->lanes[i]);
    free(s->lanes);
    free(s->shared);
    free(s->hashing);
    free(s->hashed);
    free(s->fresh);
    free(s->todo);
    free(s->populated);
    xf_session_fini(&s->session);
    free(s);
}

static int fail(struct xf_source *s, int rc, uint64_t now_us)
{
    struct xf_session *ss = &s->session;

    if (s->phase != XF_PHASE_FAILED) {
        xf_brake_release(&s->brake);
        xf_crew_stop(&s->crew);
        xf_session_fail(ss, rc, "%s", strerror(-rc));
        if (rc != -ECONNABORTED && !XF_FAULT(source_abort_send))
            xf_source_lane_abort(&s->lanes[0], rc, ss->error);
        xf_source_enter(s, XF_PHASE_FAILED, now_us);
    }
    return rc;
}

/* Something has ended: does what the plan orders until it is to send or to wait. */
static int go_on(struct xf_source *s, enum xf_ended what, uint64_t now_us)
{
    struct xf_plan_ended ended = {.what = what, .stats = xf_source_sum(s), .now_us = now_us};

    for (;;) {
        ended.cannot_slow = s->brake.refused;
        struct xf_plan_order order = s->plan->next(s->plan, &ended);
        int rc;

        if (ended.what == XF_ENDED_LOOK)
            s->predicted_us = order.predicted_us;
        s->waiting = order.what == XF_ORDER_WAIT;
        switch (order.what) {
        case XF_ORDER_SEND:
            return xf_source_begin(s, &order, now_us);
        case XF_ORDER_LOOK:
            rc = xf_source_look(s, &ended, now_us);
            ended.what = XF_ENDED_LOOK;
            break;
        case XF_ORDER_WAIT:
            return 0;
        case XF_ORDER_SUSPEND:
            rc = xf_source_suspend(s, now_us);
            ended.what = XF_ENDED_SUSPEND;
            break;
        case XF_ORDER_DONE:
            return xf_source_complete(s, now_us);
        default:
            return xf_session_fail(&s->session, -EBUSY, "%s", order.why);
        }
        if (rc)
            return rc;
    }
}

/* The target can take memory. */
static int start(struct xf_source *s, uint64_t now_us)
{
    int rc = xf_source_start(s, now_us);

    return rc == -EAGAIN ? 0 : rc ?: go_on(s, XF_ENDED_START, now_us);
}

static int end_round(struct xf_source *s, uint64_t now_us)
{
    int rc = xf_source_end_round(s, now_us);

    return rc == -EAGAIN ? 0 : rc ?: go_on(s, XF_ENDED_SEND, now_us);
}

/* ---- news of the lanes --------------------------------------------------------------------- */

static int take_answer(struct xf_source *s, const struct xf_source_news *news, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    const struct xf_wire_answer *a = &news->answer;
    struct xf_wire_shape shape;

    if (s->phase != XF_PHASE_CONNECT)
        return 0;
    if (a->version != XF_PROTOCOL_VERSION || a->page_count != s->guest.page_count ||
        a->queues != ss->queues || a->payload_bytes > ss->link->payload_bytes || a->credit == 0 ||
        xf_wire_shape(&shape, a->payload_bytes)) {
        ss->stats.rejects[XF_REJECT_malformed]++;
        return xf_session_fail(ss, -EPROTO, "the target's answer does not fit the offer");
    }
    struct xf_link_addr peer = {.udp_port = a->udp_port, .ipv4 = a->ipv4};

    memcpy(peer.mac, a->mac, sizeof(peer.mac));
    ss->link->ops->set_peer(ss->link, &peer);
    if (news->answer_bytes != shape.body_bytes) {
        /* A short one shows only that the way exists, and whom to tell if that is all; wait for one
           as long as data will be. */
        if (!s->short_answers++)
            s->short_answer_us = now_us;
        return 0;
    }
    int rc = XF_FAULT(source_answer_seen);

    if (rc)
        return rc;
    ss->shape = shape;
    s->shared->packet_bytes = ss->link->frame_bytes + a->payload_bytes;
    for (unsigned i = 0; i < ss->queues; i++)
        s->lanes[i].credit = a->credit;
    xf_pace_init(&s->pace, s->shared->packet_bytes, s->config.bandwidth_bytes_per_s, now_us);
    xf_source_enter(s, XF_PHASE_READY, now_us);
    return 0;
}

/* What is known of the path: for the statistics, and for whether compressing pays. While pace
   starts up, it knows only what has gone out so far; but the user's limit holds from the beginning.
 */
static void take_path(struct xf_source *s)
{
    uint64_t rate = xf_pace_rate(&s->pace), limit = s->config.bandwidth_bytes_per_s;

    s->session.stats.path_bytes_per_s = rate;
    s->session.stats.rtt_us = s->pace.rtt_base_us;
    if (s->pace.phase == XF_PACE_STARTUP || (limit && limit < rate))
        rate = limit;
    atomic_store_explicit(&s->shared->path_bytes_per_s, rate, memory_order_relaxed);
    atomic_store_explicit(&s->shared->path_waits, xf_pace_is_limited(&s->pace),
                          memory_order_relaxed);
}

static void halt(struct xf_source *s, uint64_t now_us)
{
    static const struct xf_source_order order = {.what = XF_SOURCE_DO_HALT};

    s->round_over = s->halting = true;
    s->paused = false;
    xf_source_order(s, &order, now_us);
}

static int act_on(struct xf_source *s, const struct xf_source_lane *l,
                  const struct xf_source_news *news, uint64_t now_us)
{
    int rc = 0;

    if (news->sent_bytes)
        xf_pace_sent(&s->pace, news->sent_bytes);
    if (news->failed)
        return xf_session_fail(&s->session, news->failed, "%s",
                               l->lane.error[0] ? l->lane.error : strerror(-news->failed));
    if (news->answer_bytes)
        rc = take_answer(s, news, now_us);
    if (news->feedback) {
        xf_pace_feedback(&s->pace, &news->path, xf_source_pace_us(s, news->feedback_us));
        take_path(s);
    }
    if (news->ready)
        s->target_ready = true;
    if (news->counted && news->counted == s->round && !s->round_over)
        halt(s, now_us);
    return rc;
}

static int take_news(struct xf_source *s, uint64_t now_us)
{
    struct xf_source_news news;
    int rc = 0;

    for (unsigned i = 0; i < s->session.queues && !rc; i++) {
        struct xf_source_lane *l = &s->lanes[i];

        if (!xf_crew_runs(&s->crew))
            xf_source_lane_tell(l);
        while (!rc && xf_ring_take(&l->lane.news, &news)) {
            s->idle = false;
            rc = act_on(s, l, &news, now_us);
        }
    }
    if (!rc && s->halting && xf_lanes_are_still(&s->session)) {
        s->halting = false;
        s->idle = false;
        rc = end_round(s, now_us);
    }
    return rc;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* What lanes have left of what they might have sent. */
static void take_back(struct xf_source *s, uint64_t now_us)
{
    int64_t left = atomic_exchange_explicit(&s->shared->grant, 0, memory_order_relaxed);

    /* Less than a packet is what is left over. */
    if (left > 0 && xf_source_sends(s) &&
        xf_pace_allowance(&s->pace, xf_source_pace_us(s, now_us)) >= s->shared->packet_bytes)
        xf_pace_limited(&s->pace); /* by us: data, CPU, port; or by the receiver's credit */
}

static void grant(struct xf_source *s, uint64_t now_us)
{
    if (xf_source_sends(s))
        atomic_fetch_add_explicit(
            &s->shared->grant, (int64_t)xf_pace_allowance(&s->pace, xf_source_pace_us(s, now_us)),
            memory_order_relaxed);
}

static void send_barrier(struct xf_source *s, uint64_t now_us)
{
    const struct xf_source_order order = {
        .what = XF_SOURCE_DO_BARRIER,
        .round = s->round,
        .pages = s->round_pages,
        .final = s->final,
        .hashes = s->hashed && s->kind == XF_ROUND_HASHES,
    };
    uint64_t rtt_us = xf_count_of(&s->lanes[0].rtt_us);

    s->barrier_sent = true;
    s->barrier_us = now_us;
    s->barrier_wait_us = s->barrier_wait_us ? s->barrier_wait_us * 2 : rtt_us + rtt_us / 2;
    if (s->barrier_wait_us > PROBE_MAX_US)
        s->barrier_wait_us = PROBE_MAX_US;
    atomic_store_explicit(&s->shared->barred, s->round, memory_order_relaxed);
    xf_source_order(s, &order, now_us);
}

/* All of the round has been sent, and its barrier is to be, once more. */
static bool barrier_due(const struct xf_source *s, uint64_t now_us)
{
    return xf_source_sends(s) && !s->starting && xf_source_is_drained(s) &&
           (!s->barrier_sent || now_us - s->barrier_us >= s->barrier_wait_us);
}

/* All has been sent once. What could not be mapped in the last round is looked into before its
   barrier: else the target might count a round that lacks pages. */
static int end_sending(struct xf_source *s, uint64_t now_us)
{
    static const struct xf_source_order pause = {.what = XF_SOURCE_DO_PAUSE},
                                        go_on = {.what = XF_SOURCE_DO_GO_ON};

    if (!s->paused && !barrier_due(s, now_us))
        return 0;
    if (!s->paused && s->phase == XF_PHASE_FINAL && xf_source_has_deferred(s)) {
        s->paused = true;
        xf_source_order(s, &pause, now_us);
    }
    if (s->paused) {
        int rc = xf_lanes_are_still(&s->session) ? xf_source_check_deferred(s) : -EAGAIN;

        if (rc)
            return rc == -EAGAIN ? 0 : rc;
        s->paused = false;
        xf_source_order(s, &go_on, now_us);
    }
    if (barrier_due(s, now_us))
        send_barrier(s, now_us);
    return 0;
}

/* Whether it is time to find out more of what the guest has: without threads of their own, lanes
   have enough to send meanwhile. */
static bool wants_start(struct xf_source *s)
{
    if (!s->starting || s->phase == XF_PHASE_READY)
        return false;
    return xf_crew_runs(&s->crew) ||
           s->todo_pages < xf_source_sum(s)->pages_sent + START_AHEAD_PAGES;
}

/* Has the lanes send what is due: pages as far as path and window allow, barrier, pings. */
static int send_due(struct xf_source *s, uint64_t now_us)
{
    const bool threads = xf_crew_runs(&s->crew);
    int rc = 0;

    if (s->phase == XF_PHASE_CONNECT || s->phase == XF_PHASE_DONE)
        return 0;
    if ((s->phase == XF_PHASE_READY && s->target_ready) || wants_start(s))
        rc = start(s, now_us);
    if (!rc && s->waiting)
        rc = go_on(s, XF_ENDED_WAIT, now_us);
    if (rc)
        return rc;
    if (threads)
        take_back(s, now_us);
    grant(s, now_us);
    if (!threads) {
        xf_crew_work(&s->crew, now_us);
        rc = take_news(s, now_us);
        take_back(s, now_us);
    }
    return rc ?: end_sending(s, now_us);
}

/* Once the target has answered, lanes run by themselves. */
static int start_threads(struct xf_source *s)
{
    int rc = s->phase == XF_PHASE_READY ? xf_crew_start(&s->crew) : 0;

    return rc ? xf_session_fail(&s->session, rc, "cannot start %u threads: %s",
                                s->config.threads.count, strerror(-rc))
              : 0;
}

/* The plan's deadline, in the middle of what is under way. */
static int check_deadline(struct xf_source *s, uint64_t now_us)
{
    struct xf_plan *plan = s->plan;

    if (!plan->until_us || now_us < plan->until_us || s->phase >= XF_PHASE_FINAL)
        return 0;
    plan->until_us = 0;
    const struct xf_plan_order order =
        plan->next(plan, &(struct xf_plan_ended){.what = XF_ENDED_TIME, .now_us = now_us});

    return order.what == XF_ORDER_GIVE_UP ? xf_session_fail(&s->session, -EBUSY, "%s", order.why)
                                          : 0;
}

int xf_source_step(struct xf_source *s, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    struct xf_laps *laps = xf_source_laps(s);
    int rc;

    if (s->phase == XF_PHASE_FAILED)
        return -ECANCELED;
    if (s->phase == XF_PHASE_DONE)
        return XF_SESSION_DONE;
    /* The step that suspended it was given the time before. */
    if (ss->stats.suspend_us && !ss->stats.suspended_us)
        ss->stats.suspended_us = now_us;
    s->idle = true;
    s->stepped_us = now_us;
    xf_laps_begin(laps);
    const bool threads = xf_crew_runs(&s->crew);

    if (!threads)
        xf_crew_receive(&s->crew, now_us);
    rc = take_news(s, now_us);
    rc = rc ?: xf_source_check_times(s, now_us);
    rc = rc ?: xf_source_check_round(s, now_us);
    rc = rc ?: check_deadline(s, now_us);
    rc = rc ?: send_due(s, now_us);
    if (!threads && s->crew.workers[0].busy)
        s->idle = false;
    if (rc)
        return fail(s, rc, now_us);
    if (now_us - s->progress_us >= XF_PROGRESS_US)
        xf_source_progress(s, now_us);
    if (threads)
        xf_laps_end(laps, s->idle);
    else
        xf_crew_end_step(&s->crew, s->idle);
    rc = start_threads(s);
    if (rc)
        return fail(s, rc, now_us);
    if (threads && !s->starting && (s->phase == XF_PHASE_LIVE || s->phase == XF_PHASE_FINAL)) {
        s->idle = false; /* the caller's sleep would be longer */
        xf_crew_nap(&s->crew, false);
    }
    return s->phase == XF_PHASE_DONE ? XF_SESSION_DONE : 0;
}

bool xf_source_idle(const struct xf_source *s)
{
    return s->idle;
}

/* Lanes have it from pace: they send what that grants, and compress by what it carries. */
static void set_bandwidth(struct xf_source *s, uint64_t bytes_per_s)
{
    s->config.bandwidth_bytes_per_s = s->pace.limit_bytes_per_s = bytes_per_s;
    if (bytes_per_s)
        s->session.stats.limit_bytes_per_s = bytes_per_s;
    if (s->phase < XF_PHASE_LIVE)
        return;
    take_path(s);
    s->speed = (struct xf_speed){0};
    s->steered = true;
}

int xf_source_steer(struct xf_source *s, const struct xf_steer *to)
{
    if (s->phase >= XF_PHASE_DONE)
        return -EALREADY;
    int rc = s->plan->steer ? s->plan->steer(s->plan, to) : 0;

    if (!rc && to->what & XF_STEER_BANDWIDTH)
        set_bandwidth(s, to->bandwidth_bytes_per_s);
    return rc;
}

void xf_source_abort(struct xf_source *s, const char *reason)
{
    if (s->phase == XF_PHASE_DONE || s->phase == XF_PHASE_FAILED)
        return;
    xf_session_fail(&s->session, -ECANCELED, "%s", reason);
    fail(s, -ECANCELED, s->stepped_us);
}

const char *xf_source_error(const struct xf_source *s)
{
    return s->session.error;
}

const struct xf_stats *xf_source_stats(struct xf_source *s)
{
    return xf_source_sum(s);
}

uint64_t xf_source_cpu_ns(const struct xf_source *s)
{
    return xf_crew_cpu_ns(&s->crew);
}
