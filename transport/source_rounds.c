/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, rounds: which pages go next, and when the guest is to stop. */
#include "source_rounds.h"

#include <errno.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "transport/fault_points.h"

/* count: of the round's pages. */
static int begin_round(struct xf_source *s, enum xf_round_kind kind, uint64_t count,
                       uint64_t now_us)
{
    const uint64_t *pages = kind == XF_ROUND_POPULATE ? s->fresh : s->todo;
    int rc = XF_FAULT(source_round_begin);

    if (rc)
        return rc;
    s->round++;
    s->kind = kind;
    s->round_us = now_us;
    s->round_full_before = s->encoder.pages_full;
    s->barrier_sent = false;
    s->barrier_wait_us = 0;
    s->deferred_asked = 0;
    /* fresh is a round of POPULATE's, or free. */
    xf_encoder_round(&s->encoder, pages, kind, s->fresh);
    s->round_pages = count;
    xf_source_progress(s, now_us);
    return 0;
}

/* Leaves in s->fresh the pages that the guest has. */
static int ask_present(struct xf_source *s)
{
    xf_lap(&s->session.stats.laps, XF_STAGE_bookkeeping);
    int rc = XF_FAULT(source_present) ?: s->guest.ops->present(s->guest.ctx, s->fresh);

    xf_lap(&s->session.stats.laps, XF_STAGE_guest);
    return rc ? xf_session_fail(&s->session, rc, "cannot tell which pages the guest has: %s",
                                strerror(-rc))
              : 0;
}

/*
 * The bitmaps of a large guest are many megabytes, and a stop goes through them while the guest
 * stands: so they are gone through together and once, and what has not changed is not written.
 */
static void passed(struct xf_source *s)
{
    s->words_passed += xf_bitmap_words(s->guest.page_count);
}

/*
 * Pages of todo for which the target has no memory: those with content get a round of POPULATE
 * first, the others leave todo. joined: what is in fresh joins todo before.
 */
static int begin_rounds_of_todo(struct xf_source *s, bool joined, uint64_t now_us)
{
    const uint64_t words = xf_bitmap_words(s->guest.page_count);
    uint64_t fresh_pages = 0;

    s->todo_pages = 0;
    for (uint64_t w = 0; w < words; w++) {
        uint64_t todo = s->todo[w] | (joined ? s->fresh[w] : 0), fresh = 0;

        if (todo) {
            fresh = todo & ~s->populated[w];
            s->todo_pages += (uint64_t)__builtin_popcountll(todo);
            fresh_pages += (uint64_t)__builtin_popcountll(fresh);
            s->todo[w] = todo;
        }
        if (s->fresh[w] != fresh)
            s->fresh[w] = fresh;
    }
    passed(s);
    if (fresh_pages) {
        int rc = ask_present(s);

        if (rc)
            return rc;
        fresh_pages = s->todo_pages = 0;
        for (uint64_t w = 0; w < words; w++) {
            if (s->fresh[w]) {
                s->populated[w] |= s->fresh[w];
                fresh_pages += (uint64_t)__builtin_popcountll(s->fresh[w]);
            }
            if (s->todo[w]) {
                s->todo[w] &= s->populated[w];
                s->todo_pages += (uint64_t)__builtin_popcountll(s->todo[w]);
            }
        }
        passed(s);
    }
    return fresh_pages ? begin_round(s, XF_ROUND_POPULATE, fresh_pages, now_us)
                       : begin_round(s, XF_ROUND_PAGES, s->todo_pages, now_us);
}

int xf_source_start_rounds(struct xf_source *s, uint64_t now_us)
{
    xf_lap(&s->session.stats.laps, XF_STAGE_bookkeeping);
    int rc = XF_FAULT(source_start) ?: s->guest.ops->start(s->guest.ctx, s->todo);

    xf_lap(&s->session.stats.laps, XF_STAGE_guest);
    s->idle = false;
    if (rc == -EAGAIN)
        return 0; /* the next step goes on */
    rc = rc ?: XF_FAULT(source_started);
    if (rc)
        return xf_session_fail(&s->session, rc, "cannot start logging dirty pages: %s",
                               strerror(-rc));
    s->todo_pages = 0;
    for (uint64_t w = 0; w < xf_bitmap_words(s->guest.page_count); w++) {
        if (!s->todo[w])
            continue;
        s->populated[w] = s->fresh[w] = s->todo[w];
        s->todo_pages += (uint64_t)__builtin_popcountll(s->todo[w]);
    }
    passed(s);
    s->session.stats.pages_total = s->todo_pages;
    s->session.stats.live_us = now_us;
    xf_source_enter(s, XF_PHASE_LIVE, now_us);
    return begin_round(s, XF_ROUND_POPULATE, s->todo_pages, now_us);
}

static int fetch_dirty(struct xf_source *s, uint64_t *into, bool final, uint64_t *count)
{
    xf_lap(&s->session.stats.laps, XF_STAGE_bookkeeping);
    int rc = XF_FAULT(source_dirty) ?: s->guest.ops->dirty(s->guest.ctx, into, final, count);

    xf_lap(&s->session.stats.laps, XF_STAGE_guest);
    return rc ? xf_session_fail(&s->session, rc, "cannot fetch the dirty bitmap: %s", strerror(-rc))
              : 0;
}

static int throttle(struct xf_source *s, unsigned percent)
{
    xf_lap(&s->session.stats.laps, XF_STAGE_bookkeeping);
    int rc = s->guest.ops->throttle(s->guest.ctx, percent);

    xf_lap(&s->session.stats.laps, XF_STAGE_guest);
    return rc;
}

static void slow_down(struct xf_source *s, unsigned percent)
{
    if (percent == s->throttle_pct)
        return;
    /* Also if it fails: it is given back in any case. */
    s->throttle_pct = percent;
    if (throttle(s, percent))
        s->config.policy.throttle = false; /* a guest that cannot be slowed down is busy */
    else
        s->session.stats.throttle_pct = percent;
}

void xf_source_unthrottle(struct xf_source *s)
{
    if (s->throttle_pct < 100)
        throttle(s, 100);
    s->throttle_pct = 100;
}

/* Suspends the guest and makes todo the last round's: what was dirty, and what became so meanwhile.
 */
static int stop_and_copy(struct xf_source *s, uint64_t now_us)
{
    uint64_t count;
    int rc;

    s->session.stats.suspend_us = now_us;
    s->session.stats.predicted_us = s->predicted_us == UINT64_MAX ? 0 : s->predicted_us;
    s->round_pages = 0; /* not known yet */
    xf_source_enter(s, XF_PHASE_FINAL, now_us);
    xf_source_unthrottle(s); /* to suspend is the guest's own work */
    xf_lap(&s->session.stats.laps, XF_STAGE_bookkeeping);
    rc = XF_FAULT(source_suspend) ?: s->guest.ops->suspend(s->guest.ctx);
    xf_lap(&s->session.stats.laps, XF_STAGE_guest);
    rc = rc ?: XF_FAULT(source_suspended);
    if (rc)
        return xf_session_fail(&s->session, rc, "the guest did not suspend: %s", strerror(-rc));
    rc = fetch_dirty(s, s->fresh, true, &count);
    if (rc)
        return rc;
    return begin_rounds_of_todo(s, true, now_us);
}

/*
 * Of the pages that map() gave nothing for in this round, leaves in s->fresh those that have
 * content all the same, *count of them.
 */
static int ask_deferred(struct xf_source *s, uint64_t *count)
{
    *count = 0;
    if (s->encoder.deferred_n == s->deferred_asked)
        return 0;
    s->deferred_asked = s->encoder.deferred_n;
    int rc = ask_present(s);

    if (rc)
        return rc;
    *count = xf_bitmap_count(s->fresh, s->guest.page_count);
    return 0;
}

int xf_source_check_deferred(struct xf_source *s)
{
    uint64_t count;
    int rc = s->phase == XF_PHASE_FINAL ? ask_deferred(s, &count) : 0;

    if (rc || s->phase != XF_PHASE_FINAL || !count)
        return rc;
    return xf_session_fail(
        &s->session, -EFAULT,
        "the guest has %llu pages whose memory cannot be read, the first of them %#llx",
        (unsigned long long)count,
        (unsigned long long)xf_bitmap_next(s->fresh, s->guest.page_count, 0));
}

static void measure_speed(struct xf_source *s, uint64_t now_us)
{
    uint64_t us = now_us - s->round_us, rtt_us = xf_pace_rtt_us(&s->pace);

    xf_speed_take(&s->speed, s->round_pages, s->encoder.pages_full - s->round_full_before,
                  us > rtt_us ? us - rtt_us : us);
}

/* A round of pages is over while the guest runs: what next? */
static int after_live_round(struct xf_source *s, uint64_t now_us)
{
    struct xf_round r = {
        .pages = s->round_pages,
        .us = now_us - s->round_us,
        .bytes_per_s = xf_speed_bytes_per_s(&s->speed),
    };
    uint64_t fetching_ns = s->encoder.compress.clock_ns(), back;
    char line[XF_BUSY_BYTES];
    int rc = fetch_dirty(s, s->todo, false, &r.dirty_pages);

    rc = rc ?: ask_deferred(s, &back);
    if (rc)
        return rc;
    if (back) { /* those come once more */
        for (uint64_t w = 0; w < xf_bitmap_words(s->guest.page_count); w++)
            s->todo[w] |= s->fresh[w];
        r.dirty_pages = xf_bitmap_count(s->todo, s->guest.page_count);
    }
    fetching_ns = s->encoder.compress.clock_ns() - fetching_ns;
    r.fixed_us = fetching_ns / 1000 + xf_pace_rtt_us(&s->pace);
    s->dirty_pages = r.left_pages = r.dirty_pages;
    switch (xf_policy_next(&s->config.policy, &s->rounds, &r, &s->predicted_us)) {
    case XF_ROUND_AGAIN:
        slow_down(s, xf_rounds_throttle_pct(&s->rounds));
        return begin_rounds_of_todo(s, false, now_us);
    case XF_ROUND_STOP:
        return stop_and_copy(s, now_us);
    default:
        xf_policy_say_busy(line, &s->config.policy, &r, s->predicted_us);
        return xf_session_fail(&s->session, -EBUSY, "%s", line);
    }
}

/* The last round of pages has landed: the hashes of all that will not change any more. */
static int begin_hashes(struct xf_source *s, uint64_t now_us)
{
    int rc = XF_FAULT(source_keep_still);

    memcpy(s->todo, s->populated, xf_bitmap_words(s->guest.page_count) * sizeof(s->todo[0]));
    if (!rc && s->guest.ops->keep_still)
        rc = s->guest.ops->keep_still(s->guest.ctx, s->todo);
    if (rc)
        return xf_session_fail(&s->session, rc, "cannot tell which pages to verify: %s",
                               strerror(-rc));
    return begin_round(s, XF_ROUND_HASHES, xf_bitmap_count(s->todo, s->guest.page_count), now_us);
}

int xf_source_next_batch(struct xf_source *s, uint64_t now_us)
{
    uint64_t count = 0;
    int rc;

    memset(s->todo, 0, xf_bitmap_words(s->guest.page_count) * sizeof(s->todo[0]));
    rc = XF_FAULT(source_next_batch) ?: s->guest.ops->next_batch(s->guest.ctx, s->todo, &count);
    s->waiting = rc == -EAGAIN;
    if (s->waiting)
        return 0;
    if (rc)
        return xf_session_fail(&s->session, rc, "cannot read the guest: %s", strerror(-rc));
    if (!count)
        xf_source_enter(s, XF_PHASE_FINAL, now_us);
    s->todo_pages = xf_bitmap_count(s->todo, s->guest.page_count);
    return begin_round(s, XF_ROUND_PAGES, s->todo_pages, now_us);
}

/* The target has counted every page of the round. */
int xf_source_end_round(struct xf_source *s, uint64_t now_us)
{
    struct xf_stats *st = &s->session.stats;
    int rc = XF_FAULT(source_round_end);

    if (rc)
        return rc;
    for (unsigned q = 0; q < s->session.queues; q++)
        xf_inflight_settle(&s->queues[q].inflight);
    xf_pace_settle(&s->pace, now_us);
    rc = xf_source_check_deferred(s); /* of what was repaired after the barrier */
    if (rc)
        return rc;
    if (s->kind == XF_ROUND_POPULATE) {
        if (s->guest.ops->next_batch)
            return xf_source_next_batch(s, now_us);
        return begin_round(s, XF_ROUND_PAGES, s->todo_pages, now_us);
    }
    if (s->kind == XF_ROUND_PAGES) {
        st->rounds++;
        measure_speed(s, now_us);
        xf_source_progress(s, now_us);
        xf_source_take_counts(s);
        if (s->phase == XF_PHASE_LIVE)
            return s->guest.ops->next_batch ? xf_source_next_batch(s, now_us)
                                            : after_live_round(s, now_us);
        st->copied_us = now_us;
        if (s->verify)
            return begin_hashes(s, now_us);
    }
    rc = XF_FAULT(source_complete_seen);
    if (rc)
        return rc;
    xf_source_take_counts(s);
    if (s->verify)
        st->pages_unverified =
            xf_bitmap_count(s->populated, s->guest.page_count) - st->pages_verified;
    st->done_us = now_us;
    xf_source_enter(s, XF_PHASE_DONE, now_us);
    return 0;
}
