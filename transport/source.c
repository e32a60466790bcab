/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source: guest memory in, packets out. The sequence of messages is drawn in target.c.
 *
 *     CONNECT --ANSWER--> READY --FEEDBACK(ready)--> LIVE --stop--> FINAL --FEEDBACK--> DONE
 *        \_________________\__________________________\______________\-----> FAILED
 *
 * What goes next, when the guest stops, and what is the last, a plan says (plan.h). A round
 * (source_rounds.c) is: [a round of POPULATE records if pages are new to the target;] every
 * page of the dirty bitmap once; BARRIER, repeated until the target has counted them all. The
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
#include "source_packets.h"
#include "source_rounds.h"

/* Before a first sample. */
#define RTT_START_US      5000u
#define SHORT_ANSWERS_MIN 8u
/* As many long ones as short ones are sent: of so many not all are lost by chance. */
#define SHORT_ANSWERS_US 5000000u
/* The last page of a round is acknowledged -> the target has counted the round. A tunnel's target
   may first wait for Xen's restore, at most half as long. */
#define COUNT_US 120000000u
/* A target says something every 100 ms (PROTOCOL.md, section 8): one that has not for so long may
   be gone, and then it is its silence that ends the migration, and says so. */
#define ANSWERS_US 1000000u
#define BEGUN_US   200000u

void xf_source_config_init(struct xf_source_config *config)
{
    memset(config, 0, sizeof(*config));
    config->answer_timeout_us = 30000000;
    config->begin_timeout_us = 600000000;
    config->ready_timeout_us = 60000000;
    config->peer_timeout_us = 30000000;
    config->compress = XF_COMPRESS_AUTO;
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
    s = aligned_alloc(_Alignof(struct xf_source), sizeof(*s));
    if (!s)
        return -ENOMEM;
    memset(s, 0, sizeof(*s));
    s->config = *config;
    s->guest = *guest;
    s->plan = config->plan;
    xf_brake_init(&s->brake, xf_source_throttle, s);
    rc = xf_encoder_init(&s->encoder, &s->guest, &s->session.shape, &s->session.stats.laps,
                         config->compress, config->offer.features, config->cpu_ns);
    rc = rc ?: xf_session_init(&s->session, &config->offer, XF_ROLE_SOURCE, link, now_us);
    s->encoder.hash_seed = xf_page_hash_seed(config->offer.session_id);
    xf_offer_wipe(&s->config.offer); /* the keys are made: the secret is not needed again */
    if (!rc)
        rc = xf_wire_shape(&s->session.shape, link->payload_bytes);
    if (rc)
        goto fail;
    rc = -ENOMEM;
    s->populated = xf_bitmap_new(guest->page_count);
    s->todo = xf_bitmap_new(guest->page_count);
    s->fresh = xf_bitmap_new(guest->page_count);
    s->queues = calloc(s->session.queues, sizeof(s->queues[0]));
    if (!s->populated || !s->todo || !s->fresh || !s->queues)
        goto fail;
    for (unsigned q = 0; q < s->session.queues; q++) {
        rc = xf_inflight_init(&s->queues[q].inflight);
        if (rc)
            goto fail;
    }
    s->session.stats.limit_bytes_per_s = config->bandwidth_bytes_per_s;
    s->rtt_us = RTT_START_US;
    s->phase = XF_PHASE_CONNECT;
    s->phase_us = s->round_us = s->emptied_us = s->began_us = now_us;
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
    xf_encoder_fini(&s->encoder);
    for (unsigned q = 0; s->queues && q < s->session.queues; q++) {
        struct xf_link *link = s->session.link;

        if (s->queues[q].pending_n)
            link->ops->tx_free(link, q, s->queues[q].pending, s->queues[q].pending_n);
        xf_inflight_fini(&s->queues[q].inflight);
    }
    free(s->queues);
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
        xf_session_fail(ss, rc, "%s", strerror(-rc));
        if (rc != -ECONNABORTED && !XF_FAULT(source_abort_send))
            xf_session_send_reason(ss, &s->queues[0].inflight.next, rc, ss->error);
        xf_source_take_counts(s);
        xf_source_enter(s, XF_PHASE_FAILED, now_us);
    }
    return rc;
}

/* Someone who sees the types of packets could let all pass but the barriers: both ends would hear
   of each other, and the guest stay suspended. */
static int check_round(struct xf_source *s, uint64_t now_us)
{
    if (!s->barrier_sent || s->waiting || !xf_encoder_empty(&s->encoder))
        s->unsent_us = now_us;
    if (now_us - s->unsent_us <= COUNT_US)
        return 0;
    return xf_session_fail(&s->session, -ETIMEDOUT,
                           "the target answers, but has not counted the pages of round %u in %u s",
                           s->round, COUNT_US / 1000000);
}

/* The circuit breaker: a path that carries next to nothing is not hammered on for ever. */
static int check_path(struct xf_source *s, uint64_t now_us)
{
    bool busy = (s->phase == XF_PHASE_LIVE || s->phase == XF_PHASE_FINAL) &&
                (s->pace.outstanding_bytes || !xf_encoder_empty(&s->encoder));

    switch (xf_pace_check(&s->pace, busy, s->config.peer_timeout_us, now_us)) {
    case XF_PACE_HEAVY_LOSS:
        return xf_session_fail(&s->session, -ECOMM,
                               "the migration link loses more than half of all packets, for %u s "
                               "now: check its cables, its MTU and who else uses it",
                               XF_PACE_HEAVY_LOSS_US / 1000000);
    case XF_PACE_NO_DELIVERY:
        if (now_us - s->session.heard_us > ANSWERS_US)
            return 0;
        return xf_session_fail(&s->session, -ETIMEDOUT,
                               "the target answers, but no page has arrived there for %llu s: "
                               "check the MTU of the migration link and what filters it",
                               (unsigned long long)(s->config.peer_timeout_us / 1000000));
    default:
        return 0;
    }
}

/* The target's own toolstack may keep it waiting, which is no fault of the link. */
static int check_begun(struct xf_source *s, uint64_t now_us)
{
    if (s->phase != XF_PHASE_CONNECT || !s->config.begun || now_us < s->ask_begun_us)
        return 0;
    s->ask_begun_us = now_us + BEGUN_US;
    if (s->config.begun(s->config.begun_arg)) {
        s->config.begun = NULL;
        return 0;
    }
    if (now_us - s->began_us > s->config.begin_timeout_us)
        return xf_session_fail(
            &s->session, -ETIMEDOUT,
            "the target's xl has not begun to receive in %llu s: it waits there, "
            "for its lock (another xl create or migration has /var/lock/xl) or "
            "for memory",
            (unsigned long long)(s->config.begin_timeout_us / 1000000));
    s->phase_us = now_us;
    return 0;
}

static int check_times(struct xf_source *s, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    int rc = xf_session_check_port(ss, XF_FAULT(source_health) ?: ss->link->ops->health(ss->link),
                                   now_us);

    if (rc)
        return rc;
    rc = check_begun(s, now_us);
    if (rc)
        return rc;
    const bool late =
        s->phase == XF_PHASE_CONNECT && now_us - s->phase_us > s->config.answer_timeout_us;

    /* Fewer may be chance: every other answer is long, and some get lost. */
    if (s->phase == XF_PHASE_CONNECT && s->short_answers >= SHORT_ANSWERS_MIN &&
        (late || now_us - s->short_answer_us > SHORT_ANSWERS_US))
        return xf_session_fail(ss, -EMSGSIZE,
                               "only short packets pass the migration link: set the same MTU on "
                               "both ports and on what lies between them");
    if (late)
        return xf_session_fail(ss, -ETIMEDOUT,
                               "no answer over the migration link in %llu s: check port, address, "
                               "cable and VLAN at both ends",
                               (unsigned long long)(s->config.answer_timeout_us / 1000000));
    if (s->phase == XF_PHASE_READY && !s->target_ready &&
        now_us - s->phase_us > s->config.ready_timeout_us)
        return xf_session_fail(ss, -ETIMEDOUT, "the target was not ready to take memory in %llu s",
                               (unsigned long long)(s->config.ready_timeout_us / 1000000));
    if (s->phase != XF_PHASE_CONNECT && now_us - ss->heard_us > s->config.peer_timeout_us)
        return xf_session_fail(ss, -ETIMEDOUT, "the target has been silent for %llu s",
                               (unsigned long long)(s->config.peer_timeout_us / 1000000));
    return check_path(s, now_us);
}

/* Something has ended: does what the plan orders until it is to send or to wait. */
static int go_on(struct xf_source *s, enum xf_ended what, uint64_t now_us)
{
    struct xf_plan_ended ended = {.what = what, .stats = &s->session.stats, .now_us = now_us};

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

static int act_on(struct xf_source *s, int news, uint64_t now_us)
{
    switch (news) {
    case XF_SOURCE_ANSWERED:
        xf_source_enter(s, XF_PHASE_READY, now_us);
        return 0;
    case XF_SOURCE_READY:
        s->target_ready = true;
        return 0;
    case XF_SOURCE_ROUND_COUNTED:
        return end_round(s, now_us);
    default:
        return news; /* none, or -errno */
    }
}

/* Sends what is due: pages as far as window and bandwidth allow, barrier, pings. */
static int send_due(struct xf_source *s, uint64_t now_us)
{
    int rc = 0;

    if (s->phase == XF_PHASE_CONNECT || s->phase == XF_PHASE_DONE)
        return 0;
    if (s->phase == XF_PHASE_READY && s->target_ready)
        rc = start(s, now_us);
    if (!rc && s->waiting)
        rc = go_on(s, XF_ENDED_WAIT, now_us);
    if (!rc && s->phase != XF_PHASE_READY && !s->waiting) {
        rc = xf_source_send_pages(s, now_us);
        if (!rc && xf_source_barrier_due(s, now_us)) {
            rc = xf_source_check_deferred(s);
            if (!rc)
                xf_source_send_barrier(s, now_us);
        }
    }
    if (!rc)
        xf_source_send_pings(s, now_us);
    return rc;
}

int xf_source_step(struct xf_source *s, uint64_t now_us)
{
    struct xf_session *ss = &s->session;
    struct xf_buf bufs[XF_BURST_MAX];
    int rc = 0;

    if (s->phase == XF_PHASE_FAILED)
        return -ECANCELED;
    if (s->phase == XF_PHASE_DONE)
        return XF_SESSION_DONE;
    /* The step that suspended it was given the time before. */
    if (ss->stats.suspend_us && !ss->stats.suspended_us)
        ss->stats.suspended_us = now_us;
    s->idle = true;
    s->late_us = now_us - s->emptied_us;
    struct xf_laps *laps = &ss->stats.laps;
    bool emptied = true;

    xf_laps_begin(laps);
    for (unsigned q = 0; q < ss->link->queues && !rc; q++) {
        unsigned n = ss->link->ops->rx_burst(ss->link, q, bufs, XF_BURST_MAX);
        bool more = xf_link_rx_more(ss->link, q, n, XF_BURST_MAX);

        xf_lap(laps, XF_STAGE_receive);
        if (n || more)
            s->idle = false;
        emptied = emptied && !more;
        for (unsigned i = 0; i < n && !rc; i++)
            rc = act_on(s, xf_source_receive(s, &bufs[i], now_us), now_us);
        xf_lap(laps, XF_STAGE_bookkeeping);
        ss->link->ops->rx_free(ss->link, q, bufs, n);
        xf_lap(laps, XF_STAGE_receive);
    }
    if (emptied)
        s->emptied_us = now_us;
    if (!rc)
        rc = check_times(s, now_us);
    if (!rc)
        rc = check_round(s, now_us);
    if (!rc)
        rc = send_due(s, now_us);
    if (rc)
        return fail(s, rc, now_us);
    if (now_us - s->progress_us >= XF_PROGRESS_US)
        xf_source_progress(s, now_us);
    xf_laps_end(laps, s->idle);
    return s->phase == XF_PHASE_DONE ? XF_SESSION_DONE : 0;
}

bool xf_source_idle(const struct xf_source *s)
{
    return s->idle;
}

void xf_source_abort(struct xf_source *s, const char *reason)
{
    if (s->phase == XF_PHASE_DONE || s->phase == XF_PHASE_FAILED)
        return;
    xf_session_fail(&s->session, -ECANCELED, "%s", reason);
    fail(s, -ECANCELED, s->session.heard_us);
}

const char *xf_source_error(const struct xf_source *s)
{
    return s->session.error;
}

const struct xf_stats *xf_source_stats(const struct xf_source *s)
{
    return &s->session.stats;
}
