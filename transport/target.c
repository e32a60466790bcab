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
 *        | ---- BARRIER(1, pages) --------------> |
 *        | <---------------- FEEDBACK(round 2) -- |
 *        | ---- DATA(round 2: RAW, ZERO, FRAG) -> |  each packet: open, check, write to the guest
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
#include "target_packets.h"

/* What a queue may have outstanding where the link does not say what it holds. */
#define CREDIT_DEFAULT 1024u
#define CREDIT_MAX     4096u

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
        config->offer.page_count != guest->page_count)
        return -EPROTONOSUPPORT;
    t = aligned_alloc(_Alignof(struct xf_target), sizeof(*t));
    if (!t)
        return -ENOMEM;
    memset(t, 0, sizeof(*t));
    t->config = *config;
    t->page_count = guest->page_count;
    rc = xf_session_init(&t->session, &config->offer, XF_ROLE_TARGET, link, now_us);
    xf_offer_wipe(&t->config.offer); /* the keys are made: the secret is not needed again */
    if (rc)
        goto fail;
    t->session.shape = shape;
    rc = xf_landing_init(&t->landing, &t->session, guest);
    if (rc)
        goto fail;
    t->landing.features = config->offer.features;
    t->landing.hash_seed = xf_page_hash_seed(config->offer.session_id);
    t->credit = credit_of(link, t->session.queues);
    t->round = 1;
    t->round_us = t->emptied_us = t->unseen_since_us = now_us;
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
    xf_landing_fini(&t->landing);
    xf_session_fini(&t->session);
    free(t);
}

/* ---- rounds ------------------------------------------------------------------------------- */

/* The hashes of a round were compared, and some are not the source's. */
static int differ(struct xf_target *t)
{
    const struct xf_landing *l = &t->landing;
    char list[XF_DIFFERING_MAX * 20] = "";
    size_t n = 0;

    for (unsigned i = 0; i < l->differ && i < XF_DIFFERING_MAX; i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, " %#llx",
                              (unsigned long long)l->differing[i]);
    return xf_session_fail(&t->session, -EILSEQ, "verify: %llu pages differ:%s%s",
                           (unsigned long long)l->differ, list,
                           l->differ > XF_DIFFERING_MAX ? " ..." : "");
}

static int end_round(struct xf_target *t, uint64_t now_us)
{
    if (!t->barrier || t->landing.landed < t->want)
        return 0;
    if (t->landing.landed > t->want) {
        xf_session_reject(&t->session, XF_REJECT_malformed);
        return xf_session_fail(&t->session, -EPROTO,
                               "round %u: %llu pages landed, but the source counts %llu", t->round,
                               (unsigned long long)t->landing.landed, (unsigned long long)t->want);
    }
    if (t->landing.has_pages) {
        if (t->landing.guest.unmapped_rounds)
            xf_landing_unmap(&t->landing);
        int rc = XF_FAULT(target_end_batch)
                     ?: t->landing.guest.ops->end_round(t->landing.guest.ctx, t->want);

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
    if (t->landing.has_pages)
        t->session.stats.rounds++;
    else if (t->landing.differ)
        return differ(t);
    if (t->round == 1)
        t->session.stats.pages_total = t->want;
    if (t->final)
        t->session.stats.done_us = now_us;
    t->round++;
    t->round_us = now_us;
    t->barrier = false;
    xf_landing_next_round(&t->landing);
    for (unsigned q = 0; q < t->session.queues; q++)
        t->queues[q].asked = true;
    if (t->final)
        xf_target_enter(t, XF_PHASE_DONE, now_us);
    return 0;
}

/* ---- the public functions ----------------------------------------------------------------- */

static int fail(struct xf_target *t, int rc, uint64_t now_us)
{
    struct xf_session *s = &t->session;

    if (t->phase != XF_PHASE_FAILED) {
        xf_session_fail(s, rc, "%s", strerror(-rc));
        if (rc != -ECONNABORTED && !XF_FAULT(target_refuse_send))
            xf_session_send_reason(s, &t->queues[0].sequence, rc, s->error);
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

    if (now_us - s->heard_us <= limit)
        return 0;
    if (!t->heard)
        return xf_session_fail(s, -ETIMEDOUT,
                               "no packet from the source over the migration link in %llu s: check "
                               "port, cable, VLAN and MTU at both ends",
                               (unsigned long long)(limit / 1000000));
    return xf_session_fail(s, -ETIMEDOUT, "the source has been silent for %llu s",
                           (unsigned long long)(limit / 1000000));
}

static int act_on(struct xf_target *t, int news, uint64_t now_us)
{
    switch (news) {
    case XF_TARGET_PAGES:
        if (t->phase == XF_PHASE_READY) {
            t->session.stats.live_us = now_us;
            xf_target_enter(t, XF_PHASE_LIVE, now_us);
        }
        return end_round(t, now_us);
    case XF_TARGET_BARRIER:
        if (t->final && t->phase == XF_PHASE_LIVE)
            xf_target_enter(t, XF_PHASE_FINAL, now_us);
        return end_round(t, now_us);
    default:
        return news; /* none, or -errno */
    }
}

int xf_target_step(struct xf_target *t, uint64_t now_us)
{
    struct xf_session *s = &t->session;
    struct xf_buf bufs[XF_BURST_MAX];
    int rc = 0;

    if (t->phase == XF_PHASE_FAILED)
        return -ECANCELED;
    t->idle = true;
    struct xf_laps *laps = &s->stats.laps;
    bool emptied = true;

    xf_laps_begin(laps);
    for (unsigned q = 0; q < s->link->queues && !rc; q++) {
        unsigned n = s->link->ops->rx_burst(s->link, q, bufs, XF_BURST_MAX);
        bool more = xf_link_rx_more(s->link, q, n, XF_BURST_MAX);

        xf_lap(laps, XF_STAGE_receive);
        if (n || more)
            t->idle = false;
        if (n)
            t->unseen_since_us = t->emptied_us;
        emptied = emptied && !more;
        for (unsigned i = 0; i < n && !rc; i++) {
            rc = act_on(t, xf_target_receive(t, &bufs[i], now_us), now_us);
            xf_lap_packet(laps, XF_STAGE_bookkeeping);
        }
        if (n)
            xf_lap_packets(laps, XF_STAGE_bookkeeping);
        s->link->ops->rx_free(s->link, q, bufs, n);
        xf_lap(laps, XF_STAGE_receive);
    }
    if (emptied)
        t->emptied_us = now_us;
    if (!rc)
        rc = end_round(t, now_us); /* a sink may have asked to wait */
    if (!rc && t->phase != XF_PHASE_DONE)
        rc = check_times(t, now_us);
    if (rc)
        return fail(t, rc, now_us);
    xf_lap(laps, XF_STAGE_bookkeeping);
    xf_target_send_due(t, now_us);
    xf_lap(laps, XF_STAGE_transmit);
    /* At the end what is mapped is the owner's to unmap, when nobody waits. */
    if (t->idle && t->phase < XF_PHASE_DONE && xf_landing_rest(&t->landing))
        xf_lap(laps, XF_STAGE_guest);
    if (now_us - t->progress_us >= XF_PROGRESS_US)
        xf_target_progress(t, now_us);
    xf_laps_end(laps, t->idle);
    return t->phase == XF_PHASE_DONE ? XF_SESSION_DONE : 0;
}

bool xf_target_idle(const struct xf_target *t)
{
    return t->idle;
}

void xf_target_ready(struct xf_target *t)
{
    t->ready = true;
    for (unsigned q = 0; q < t->session.queues; q++)
        t->queues[q].asked = true;
}

void xf_target_abort(struct xf_target *t, const char *reason)
{
    xf_session_fail(&t->session, -ECANCELED, "%s", reason);
    if (t->phase != XF_PHASE_DONE)
        fail(t, -ECANCELED, t->session.heard_us);
}

const char *xf_target_error(const struct xf_target *t)
{
    return t->session.error;
}

const struct xf_stats *xf_target_stats(const struct xf_target *t)
{
    return &t->session.stats;
}
