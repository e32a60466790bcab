/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, checks: times that have run out, and a path that carries next to nothing. */
#include "source_check.h"

#include <errno.h>
#include <string.h>

#include "transport/fault_points.h"

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

/* Someone who sees the types of packets could let all pass but the barriers: both ends would hear
   of each other, and the guest stay suspended. */
int xf_source_check_round(struct xf_source *s, uint64_t now_us)
{
    if (!s->barrier_sent || !xf_source_sends(s) || !xf_source_is_drained(s))
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
    /* While it is still being found out what the guest has, there may be nothing to send for long:
       a hole of many gfns. */
    bool busy = (s->phase == XF_PHASE_LIVE || s->phase == XF_PHASE_FINAL) &&
                (s->pace.outstanding_bytes ||
                 (xf_source_sends(s) && !s->starting && !xf_source_is_drained(s)));

    if (s->session.link->ops->renewed && s->session.link->ops->renewed(s->session.link))
        xf_pace_renew(&s->pace, xf_source_pace_us(s, now_us));
    switch (
        xf_pace_check(&s->pace, busy, s->config.peer_timeout_us, xf_source_pace_us(s, now_us))) {
    case XF_PACE_HEAVY_LOSS:
        return xf_session_fail(&s->session, -ECOMM,
                               "the migration link loses more than half of all packets, for %u s "
                               "now: check its cables, its MTU and who else uses it",
                               XF_PACE_HEAVY_LOSS_US / 1000000);
    case XF_PACE_NO_DELIVERY:
        if (xf_lanes_silent_us(&s->session, now_us) > ANSWERS_US)
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

int xf_source_check_times(struct xf_source *s, uint64_t now_us)
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
    if (s->phase != XF_PHASE_CONNECT &&
        xf_lanes_silent_us(&s->session, now_us) > s->config.peer_timeout_us)
        return xf_session_fail(ss, -ETIMEDOUT, "the target has been silent for %llu s",
                               (unsigned long long)(s->config.peer_timeout_us / 1000000));
    return check_path(s, now_us);
}
