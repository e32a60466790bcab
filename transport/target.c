/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target: packets in, guest memory out.
 *
 *      source                                  target
 *        | ---- OFFER (control channel) --------> |  xf_target_new
 *        | <--------------------------- ANSWER -- |  CONNECT: every 50 ms, every other one padded
 *        | ---- PING (padded) ------------------> |  READY
 *        | <------------- FEEDBACK(not ready) --- |
 *        |                                        |  xf_target_ready(): the sink can populate
 *        | <----------------- FEEDBACK(ready) --- |
 *        | ---- DATA(round 1: POPULATE) --------> |  LIVE
 *        | <----------------- FEEDBACK(arrived) - |
 *        | ---- DATA(round 1: RAW, ZERO, FRAG) -> |  each packet: open, check, write to the guest
 *        | <---- FEEDBACK(missing ranges) ------- |
 *        | ---- DATA(the same pages, read anew) > |
 *        |   ... rounds while the guest runs ...  |
 *        | ---- BARRIER(n, pages, FINAL) -------> |  FINAL
 *        | <------------- FEEDBACK(COMPLETE) ---- |  DONE: go on answering until freed
 *
 *     CONNECT -> READY -> LIVE -> FINAL -> DONE
 *         \________\_______\_______\____-> FAILED (says REFUSE with a reason; nothing may
 *                                          be started)
 */
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/fault_points.h"
#include "page.h"
#include "target_state.h"

/* What a queue may have outstanding where the link does not say what it holds. */
#define CREDIT_DEFAULT 1024u
#define CREDIT_MAX     4096u
/* An ANSWER that our own port did not take, as a memif's server does not before it has noticed that
   its client is there: again so soon. */
#define ANSWER_RETRY_US 500u

void xf_target_config_init(struct xf_target_config *config)
{
    memset(config, 0, sizeof(*config));
    config->hello_timeout_us = 30000000;
    config->peer_timeout_us = 30000000;
}

static uint32_t credit_of(const struct xf_link *link, unsigned queues)
{
    /* A quarter stays free for what is on its way when the ring fills. The source's queues may all
       end in one of ours, as the port hashes them, so they share what that one holds. */
    uint32_t credit = (link->rx_ring ? link->rx_ring - link->rx_ring / 4 : CREDIT_DEFAULT) / queues;

    return credit < 32 ? 32 : credit > CREDIT_MAX ? CREDIT_MAX : credit;
}

/* ---- lanes --------------------------------------------------------------------------------- */

static void take_packet(void *arg, struct xf_worker *w, unsigned lane, const struct xf_buf *buf,
                        uint64_t now_us)
{
    struct xf_target *t = arg;

    t->lanes[lane].lane.laps = &w->laps;
    xf_target_lane_receive(&t->lanes[lane], buf, now_us);
}

static void work(void *arg, struct xf_worker *w, uint64_t now_us)
{
    struct xf_target *t = arg;

    for (unsigned i = 0; i < t->session.queues; i++)
        if (xf_worker_has(w, i))
            xf_target_lane_work(&t->lanes[i], w, now_us);
}

static void take_stray(void *arg, struct xf_worker *w, const struct xf_buf *buf)
{
    struct xf_target *t = arg;
    struct xf_wire_header h;

    xf_lane_open(&t->lanes[w->number].lane, buf, &h, 0);
}

static bool hurry(void *arg)
{
    const struct xf_target *t = arg;

    return atomic_load_explicit(&t->shared->phase, memory_order_relaxed) > XF_PHASE_READY;
}

static const struct xf_crew_ops crew_ops = {take_packet, work, take_stray, hurry};

static int init_lanes(struct xf_target *t, uint64_t now_us)
{
    const struct xf_target_config *c = &t->config;
    const unsigned n = t->session.queues;
    int rc = t->guest.ops->lanes(t->guest.ctx, n);

    if (rc)
        return rc;
    t->shared = aligned_alloc(_Alignof(struct xf_target_shared), sizeof(*t->shared));
    t->lanes = aligned_alloc(_Alignof(struct xf_target_lane), n * sizeof(t->lanes[0]));
    if (!t->shared || !t->lanes)
        return -ENOMEM;
    memset(t->shared, 0, sizeof(*t->shared));
    t->shared->round = 1;
    t->shared->page_count = t->guest.page_count;
    t->shared->features = c->offer.features;
    t->shared->credit = credit_of(t->session.link, n);
    memset(t->lanes, 0, n * sizeof(t->lanes[0]));
    for (unsigned i = 0; i < n && !rc; i++) {
        struct xf_target_lane *l = &t->lanes[i];

        rc = xf_lane_init(&l->lane, &t->session, i, sizeof(struct xf_target_order),
                          sizeof(struct xf_target_news), now_us);
        rc = rc ?: xf_target_lane_init(l, t->shared, &t->guest);
        l->landing.hash_seed = xf_page_hash_seed(c->offer.session_id);
    }
    return rc ?: xf_crew_init(&t->crew, &c->threads, &t->session, &crew_ops, t, now_us);
}

int xf_target_new(struct xf_target **out, const struct xf_target_config *config,
                  const struct xf_guest_sink *guest, struct xf_link *link, uint64_t now_us)
{
    struct xf_target *t;
    struct xf_wire_shape shape;
    uint32_t payload = config->offer.payload_bytes < link->payload_bytes
                           ? config->offer.payload_bytes
                           : link->payload_bytes;
    int rc;

    *out = NULL;
    if (!xf_guest_sink_whole(guest))
        return -EINVAL;
    if (xf_wire_shape(&shape, payload) || config->offer.queues == 0 ||
        config->offer.queues > XF_QUEUES_MAX || config->offer.page_count == 0 ||
        config->offer.page_count != guest->page_count ||
        !(config->offer.features & XF_FEATURE_GROUP) != !config->member.count)
        return -EPROTONOSUPPORT;
    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->config = *config;
    t->guest = *guest;
    rc = xf_session_init(&t->session, &config->offer, config->member.count ? &config->member : NULL,
                         XF_ROLE_TARGET, link, now_us);
    t->session.shape = shape;
    rc = rc ?: init_lanes(t, now_us);
    /* The keys are made: the secrets are not needed again. */
    xf_offer_wipe(&t->config.offer);
    xf_member_wipe(&t->config.member);
    if (rc)
        goto fail;
    t->round = 1;
    t->round_us = now_us;
    t->phase = XF_PHASE_CONNECT;
    link->ops->set_peer(link, &config->offer.source);
    *out = t;
    return 0;
fail:
    xf_target_free(t);
    return rc;
}

void xf_target_free(struct xf_target *t)
{
    if (!t)
        return;
    xf_crew_fini(&t->crew);
    for (unsigned i = 0; t->lanes && i < t->session.queues; i++)
        xf_target_lane_fini(&t->lanes[i]);
    free(t->lanes);
    free(t->shared);
    xf_session_fini(&t->session);
    free(t);
}

/* ---- rounds ------------------------------------------------------------------------------- */

static uint64_t differing(const struct xf_target *t)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < t->session.queues; i++)
        pages += xf_count_of(&t->lanes[i].landing.differ);
    return pages;
}

/* The hashes of the last round were compared, and some are not the source's. */
static int differ(struct xf_target *t, uint64_t pages)
{
    char list[XF_DIFFERING_MAX * 20] = "";
    size_t n = 0;
    unsigned named = 0;

    for (unsigned lane = 0; lane < t->session.queues; lane++) {
        const struct xf_landing *l = &t->lanes[lane].landing;

        for (uint64_t i = 0; i < xf_count_of(&l->differ) && i < XF_DIFFERING_MAX; i++) {
            if (named++ < XF_DIFFERING_MAX)
                n += (size_t)snprintf(list + n, sizeof(list) - n, " %#llx",
                                      (unsigned long long)l->differing[i]);
        }
    }
    return xf_session_fail(&t->session, -EILSEQ, "verify: %llu pages differ:%s%s",
                           (unsigned long long)pages, list, pages > XF_DIFFERING_MAX ? " ..." : "");
}

/* All of the round has landed: no lane writes any of it once it has obeyed. */
static void close_round(struct xf_target *t)
{
    const struct xf_target_order order = {
        .round = t->round + 1, .over = t->final, .unmap = t->guest.unmapped_rounds};

    t->closing = true;
    for (unsigned i = 0; i < t->session.queues; i++) {
        xf_ring_put(&t->lanes[i].lane.orders, &order);
        if (!xf_crew_runs(&t->crew))
            xf_target_lane_obey(&t->lanes[i], &t->crew.workers[0]);
    }
}

/* The lanes are still. */
static int end_round(struct xf_target *t, uint64_t now_us)
{
    struct xf_stats *st = &t->session.stats;
    uint64_t wrong = differing(t);
    bool pages = false, hashes = t->hashes;

    for (unsigned i = 0; i < t->session.queues; i++) {
        pages = pages || t->lanes[i].had_pages;
        hashes = hashes || t->lanes[i].had_hashes;
    }
    if ((pages && hashes) ||
        (hashes && !t->hashes && t->shared->features & XF_FEATURE_VERIFY_LIVE)) {
        st->rejects[XF_REJECT_malformed]++;
        return xf_session_fail(&t->session, -EPROTO,
                               "the source sent pages and hashes in one round");
    }
    t->had_pages = !hashes;
    if (t->had_pages) {
        int rc = XF_FAULT(target_end_batch) ?: t->guest.ops->end_round(t->guest.ctx, t->want);

        if (rc == -EAGAIN)
            return 0;
        if (rc)
            return xf_session_fail(&t->session, rc, "cannot take the guest's pages: %s",
                                   strerror(-rc));
    }
    int rc = XF_FAULT(target_round_end);

    if (!rc && t->final)
        rc = XF_FAULT(target_complete);
    if (rc)
        return rc;
    xf_target_progress(t, now_us);
    /* Counted as the source counts, so that the control channel can compare. */
    if (t->had_pages)
        st->rounds++;
    else if (wrong && t->final)
        return differ(t, wrong);
    if (t->round == 1)
        st->pages_total = t->want;
    if (t->final)
        st->done_us = now_us;
    t->round++;
    t->round_us = now_us;
    t->barrier = t->closing = t->hashes = false;
    atomic_store_explicit(&t->shared->complete, t->final, memory_order_release);
    atomic_store_explicit(&t->shared->round, t->round, memory_order_release);
    if (t->final)
        xf_target_enter(t, XF_PHASE_DONE, now_us);
    return 0;
}

/* Ends the round if all of it has landed. */
static int check_round(struct xf_target *t, uint64_t now_us)
{
    if (t->barrier && !t->closing) {
        uint64_t landed = xf_target_landed(t);

        if (landed < t->want)
            return 0;
        if (landed > t->want) {
            t->session.stats.rejects[XF_REJECT_malformed]++;
            return xf_session_fail(
                &t->session, -EPROTO, "round %u: %llu pages landed, but the source counts %llu",
                t->round, (unsigned long long)landed, (unsigned long long)t->want);
        }
        close_round(t);
    }
    if (!t->closing || !xf_lanes_are_still(&t->session))
        return 0;
    return end_round(t, now_us);
}

/* ---- the public functions ----------------------------------------------------------------- */

static int fail(struct xf_target *t, int rc, uint64_t now_us)
{
    struct xf_session *s = &t->session;

    if (t->phase != XF_PHASE_FAILED) {
        xf_crew_stop(&t->crew);
        xf_session_fail(s, rc, "%s", strerror(-rc));
        if (rc != -ECONNABORTED && !XF_FAULT(target_refuse_send))
            xf_target_lane_refuse(&t->lanes[0], rc, s->error);
        xf_target_enter(t, XF_PHASE_FAILED, now_us);
    }
    return rc;
}

static int check_times(struct xf_target *t, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    int rc =
        xf_session_check_port(s, XF_FAULT(target_health) ?: s->link->ops->health(s->link), now_us);

    if (rc)
        return rc;
    uint64_t limit = t->heard ? t->config.peer_timeout_us : t->config.hello_timeout_us;

    if (xf_lanes_silent_us(s, now_us) <= limit)
        return 0;
    if (!t->heard)
        return xf_session_fail(s, -ETIMEDOUT,
                               "no packet from the source over the migration link in %llu s: check "
                               "port, cable, VLAN and MTU at both ends",
                               (unsigned long long)(limit / 1000000));
    return xf_session_fail(s, -ETIMEDOUT, "the source has been silent for %llu s",
                           (unsigned long long)(limit / 1000000));
}

/* Somebody is there, who knows the secret. */
static void hear(struct xf_target *t, uint64_t now_us)
{
    t->heard = true;
    if (t->phase != XF_PHASE_CONNECT)
        return;
    xf_target_enter(t, XF_PHASE_READY, now_us);
}

static int act_on(struct xf_target *t, const struct xf_target_lane *l,
                  const struct xf_target_news *news, uint64_t now_us)
{
    if (news->heard)
        hear(t, now_us);
    if (news->failed)
        return xf_session_fail(&t->session, news->failed, "%s",
                               l->lane.error[0] ? l->lane.error : strerror(-news->failed));
    if (news->landed && t->phase == XF_PHASE_READY) {
        t->session.stats.live_us = now_us;
        xf_target_enter(t, XF_PHASE_LIVE, now_us);
    }
    if (news->barrier == t->round && !t->closing && t->phase != XF_PHASE_DONE) {
        t->barrier = true;
        t->want = news->want;
        t->final = t->final || news->final;
        t->hashes = news->hashes;
        if (t->final && t->phase == XF_PHASE_LIVE)
            xf_target_enter(t, XF_PHASE_FINAL, now_us);
    }
    return 0;
}

static int take_news(struct xf_target *t, uint64_t now_us)
{
    struct xf_target_news news;
    int rc = 0;

    for (unsigned i = 0; i < t->session.queues && !rc; i++) {
        struct xf_target_lane *l = &t->lanes[i];

        if (!xf_crew_runs(&t->crew))
            xf_target_lane_tell(l);
        while (!rc && xf_ring_take(&l->lane.news, &news)) {
            t->idle = false;
            rc = act_on(t, l, &news, now_us);
        }
    }
    atomic_store_explicit(&t->shared->landed, xf_target_landed(t), memory_order_relaxed);
    return rc;
}

static void send_answer(struct xf_target *t, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_wire_answer a = {
        .version = XF_PROTOCOL_VERSION,
        .queues = (uint16_t)s->queues,
        .payload_bytes = s->shape.payload_bytes,
        .page_count = t->guest.page_count,
        .udp_port = s->link->self.udp_port,
        .ipv4 = s->link->self.ipv4,
        .credit = t->shared->credit,
    };

    memcpy(a.mac, s->link->self.mac, sizeof(a.mac));
    t->answer_due_us = now_us + XF_HELLO_US;
    if (XF_FAULT(target_answer_send))
        return;
    /* Every other one is as long as data will be: if only the short ones arrive, it is the MTU. */
    const bool is_long = t->answers % 2 == 0;

    if (xf_target_lane_answer(&t->lanes[0], &a, is_long)) {
        t->answers++;
        return;
    }
    t->answer_due_us = now_us + ANSWER_RETRY_US;
    /* Our own port may refuse it for its length. */
    if (is_long && now_us - t->short_answer_us >= XF_HELLO_US &&
        xf_target_lane_answer(&t->lanes[0], &a, false))
        t->short_answer_us = now_us;
}

/* Once the source has been heard, lanes run by themselves. */
static int start_threads(struct xf_target *t)
{
    int rc = t->phase == XF_PHASE_READY ? xf_crew_start(&t->crew) : 0;

    return rc ? xf_session_fail(&t->session, rc, "cannot start %u threads: %s",
                                t->config.threads.count, strerror(-rc))
              : 0;
}

int xf_target_step(struct xf_target *t, uint64_t now_us)
{
    if (t->phase == XF_PHASE_FAILED)
        return -ECANCELED;
    const bool threads = xf_crew_runs(&t->crew);
    struct xf_laps *laps = threads ? &t->session.stats.laps : &t->crew.workers[0].laps;
    int rc;

    t->idle = true;
    t->stepped_us = now_us;
    xf_laps_begin(laps);
    if (!threads)
        xf_crew_receive(&t->crew, now_us);
    rc = take_news(t, now_us);
    rc = rc ?: check_round(t, now_us); /* a sink may have asked to wait */
    if (!rc && t->phase != XF_PHASE_DONE)
        rc = check_times(t, now_us);
    if (rc)
        return fail(t, rc, now_us);
    xf_lap(laps, XF_STAGE_bookkeeping);
    if (t->phase == XF_PHASE_CONNECT && now_us >= t->answer_due_us)
        send_answer(t, now_us);
    if (!threads) {
        t->idle = t->idle && !t->crew.workers[0].busy;
        xf_crew_work(&t->crew, now_us);
    }
    if (now_us - t->progress_us >= XF_PROGRESS_US)
        xf_target_progress(t, now_us);
    if (threads)
        xf_laps_end(laps, t->idle);
    else
        xf_crew_end_step(&t->crew, t->idle);
    rc = start_threads(t);
    if (rc)
        return fail(t, rc, now_us);
    if (threads && (t->phase == XF_PHASE_LIVE || t->phase == XF_PHASE_FINAL)) {
        t->idle = false;                   /* the caller's sleep would be longer */
        xf_crew_nap(&t->crew, t->barrier); /* what lands is not called out */
    }
    return t->phase == XF_PHASE_DONE ? XF_SESSION_DONE : 0;
}

bool xf_target_idle(const struct xf_target *t)
{
    return t->idle;
}

void xf_target_ready(struct xf_target *t)
{
    atomic_store_explicit(&t->shared->ready, true, memory_order_release);
}

void xf_target_abort(struct xf_target *t, const char *reason)
{
    xf_session_fail(&t->session, -ECANCELED, "%s", reason);
    if (t->phase != XF_PHASE_DONE)
        fail(t, -ECANCELED, t->stepped_us);
}

const char *xf_target_error(const struct xf_target *t)
{
    return t->session.error;
}

const struct xf_stats *xf_target_stats(struct xf_target *t)
{
    return xf_target_sum(t);
}

uint64_t xf_target_cpu_ns(const struct xf_target *t)
{
    return xf_crew_cpu_ns(&t->crew);
}
