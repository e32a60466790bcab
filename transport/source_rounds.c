/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, rounds: what the plan orders, done with the guest: which pages there are, and the stop.
 */
#include "source_rounds.h"

#include <errno.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "transport/fault_points.h"

#define HASHES_MIN 1024u

/* round: its kind and pages, count of them. */
static int begin_round(struct xf_source *s, const struct xf_source_order *round, uint64_t count,
                       uint64_t now_us)
{
    struct xf_source_order order = *round;
    const struct xf_stats *sums = xf_source_sum(s);
    int rc = XF_FAULT(source_round_begin);

    if (rc)
        return rc;
    order.what = XF_SOURCE_DO_ROUND;
    order.round = ++s->round;
    order.deferred = s->fresh; /* which is free by now */
    s->kind = order.kind;
    s->round_us = now_us;
    s->round_full_before = xf_source_full_pages(s);
    s->round_sent_before = sums->pages_sent;
    s->round_repaired_before = sums->pages_repaired;
    s->round_over = s->barrier_sent = false;
    s->barrier_wait_us = 0;
    s->deferred_asked = 0;
    s->round_pages = count;
    xf_source_order(s, &order, now_us);
    xf_source_progress(s, now_us);
    return 0;
}

/* The pages of todo. lacking: some of them have no memory at the target. */
static int begin_pages_round(struct xf_source *s, uint64_t count, bool lacking, uint64_t now_us)
{
    const struct xf_source_order round = {
        .kind = XF_ROUND_PAGES, .todo = s->todo, .populated = lacking ? s->populated : NULL};

    s->sent_us = now_us;
    return begin_round(s, &round, count, now_us);
}

/* Leaves in s->fresh the pages that the guest has. */
static int ask_present(struct xf_source *s)
{
    xf_lap(xf_source_laps(s), XF_STAGE_bookkeeping);
    int rc = XF_FAULT(source_present) ?: s->guest.ops->present(s->guest.ctx, s->fresh);

    xf_lap(xf_source_laps(s), XF_STAGE_guest);
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
 * Of the pages of todo for which the target has no memory, those without content leave it; lanes
 * ask for memory for the others. joined: what is in fresh joins todo before.
 */
static int begin_round_of_todo(struct xf_source *s, bool joined, uint64_t now_us)
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
            if (s->hashed)
                s->hashed[w] &= ~todo;
        }
        if (s->fresh[w] != fresh)
            s->fresh[w] = fresh;
    }
    passed(s);
    if (fresh_pages) {
        int rc = ask_present(s);

        if (rc)
            return rc;
        s->todo_pages = 0;
        for (uint64_t w = 0; w < words; w++) {
            if (!s->todo[w])
                continue;
            s->todo[w] &= s->populated[w] | s->fresh[w];
            s->todo_pages += (uint64_t)__builtin_popcountll(s->todo[w]);
        }
        passed(s);
    }
    return begin_pages_round(s, s->todo_pages, fresh_pages, now_us);
}

/* All that the guest has is known. */
static int started(struct xf_source *s)
{
    int rc = XF_FAULT(source_started);

    if (rc)
        return rc;
    s->starting = false;
    passed(s);
    return 0;
}

int xf_source_start(struct xf_source *s, uint64_t now_us)
{
    const uint64_t before = atomic_load_explicit(&s->shared->known, memory_order_relaxed);
    uint64_t now_known = before;

    xf_lap(xf_source_laps(s), XF_STAGE_bookkeeping);
    int rc = XF_FAULT(source_start) ?: s->guest.ops->start(s->guest.ctx, s->todo, &now_known);

    xf_lap(xf_source_laps(s), XF_STAGE_guest);
    s->idle = false;
    s->starting = rc == -EAGAIN;
    rc = !rc ? started(s) : rc == -EAGAIN ? 0 : rc;
    if (!s->starting)
        now_known = s->guest.page_count;
    if (!rc && (now_known < before || now_known > s->guest.page_count ||
                (s->starting && now_known % XF_CHUNK_PAGES)))
        rc = -EINVAL; /* a guest's mistake */
    if (rc)
        return xf_session_fail(&s->session, rc, "cannot start logging dirty pages: %s",
                               strerror(-rc));
    for (uint64_t w = before / 64; w < xf_bitmap_words(now_known); w++)
        s->todo_pages += (uint64_t)__builtin_popcountll(s->todo[w]);
    atomic_store_explicit(&s->shared->known, now_known, memory_order_release);
    s->session.stats.pages_total = s->todo_pages;
    if (s->round) /* which is the first, and goes on */
        s->round_pages = s->todo_pages;
    if (s->phase != XF_PHASE_READY || !now_known)
        return -EAGAIN;
    s->session.stats.live_us = now_us;
    xf_source_enter(s, XF_PHASE_LIVE, now_us);
    return 0;
}

static int fetch_dirty(struct xf_source *s, uint64_t *into, bool final, uint64_t *count)
{
    xf_lap(xf_source_laps(s), XF_STAGE_bookkeeping);
    int rc = XF_FAULT(source_dirty) ?: s->guest.ops->dirty(s->guest.ctx, into, final, count);

    xf_lap(xf_source_laps(s), XF_STAGE_guest);
    return rc && (rc != -EAGAIN || final)
               ? xf_session_fail(&s->session, rc, "cannot fetch the dirty bitmap: %s",
                                 strerror(-rc))
               : rc;
}

int xf_source_throttle(void *arg, unsigned percent)
{
    struct xf_source *s = arg;

    xf_lap(xf_source_laps(s), XF_STAGE_bookkeeping);
    int rc = s->guest.control->throttle(s->guest.ctx, percent);

    xf_lap(xf_source_laps(s), XF_STAGE_guest);
    return rc;
}

int xf_source_suspend(struct xf_source *s, uint64_t now_us)
{
    uint64_t count;
    int rc;

    s->session.stats.suspend_us = now_us;
    s->session.stats.predicted_us = s->predicted_us == UINT64_MAX ? 0 : s->predicted_us;
    s->round_pages = 0; /* not known yet */
    xf_source_enter(s, XF_PHASE_FINAL, now_us);
    xf_brake_release(&s->brake); /* to suspend is the guest's own work */
    xf_lap(xf_source_laps(s), XF_STAGE_bookkeeping);
    rc = XF_FAULT(source_suspend) ?: s->guest.control->suspend(s->guest.ctx);
    xf_lap(xf_source_laps(s), XF_STAGE_guest);
    rc = rc ?: XF_FAULT(source_suspended);
    if (rc)
        return xf_session_fail(&s->session, rc, "the guest did not suspend: %s", strerror(-rc));
    rc = fetch_dirty(s, s->fresh, true, &count);
    s->todo_is = XF_TODO_JOINED;
    return rc;
}

static uint64_t deferred(const struct xf_source *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < s->session.queues; i++)
        n += xf_count_of(&s->lanes[i].encoder.deferred_n);
    return n;
}

bool xf_source_has_deferred(const struct xf_source *s)
{
    return deferred(s) != s->deferred_asked;
}

/* In s->fresh: some lanes have not written there. */
static void clear_undeferred(struct xf_source *s)
{
    for (unsigned i = 0; i < s->session.queues; i++)
        if (!xf_count_of(&s->lanes[i].encoder.deferred_n))
            xf_encoder_clear(&s->lanes[i].encoder, s->fresh);
}

/*
 * Of the pages that map() gave nothing for in this round, leaves in s->fresh those that have
 * content all the same, *count of them.
 */
static int ask_deferred(struct xf_source *s, uint64_t *count)
{
    *count = 0;
    if (!xf_source_has_deferred(s))
        return 0;
    s->deferred_asked = deferred(s);
    clear_undeferred(s);
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

/* How fast pages are compared; rounds of few say little. */
static void measure_hashes(struct xf_source *s, uint64_t now_us)
{
    uint64_t us = now_us - s->round_us, rtt_us = xf_pace_rtt_us(&s->pace);

    if (s->round_pages < HASHES_MIN && s->hashes.pages)
        return;
    s->hashes.pages = s->round_pages;
    s->hashes.us = us > rtt_us ? us - rtt_us : us;
}

static uint64_t hash_bytes_per_s(const struct xf_source *s)
{
    return s->hashes.us ? (uint64_t)((double)s->hashes.pages * (double)XF_PAGE_BYTES * 1e6 /
                                     (double)s->hashes.us)
                        : 0;
}

static void measure_speed(struct xf_source *s, uint64_t now_us)
{
    uint64_t us = now_us - s->round_us, rtt_us = xf_pace_rtt_us(&s->pace);
    const bool steered = s->steered;

    s->steered = false;
    if (steered)
        return;
    xf_speed_take(&s->speed, s->round_pages, xf_source_full_pages(s) - s->round_full_before,
                  us > rtt_us ? us - rtt_us : us);
}

/* Pages that were found dirty are to go too. */
static void join(struct xf_source *s, const uint64_t *found)
{
    for (uint64_t w = 0; w < xf_bitmap_words(s->guest.page_count); w++)
        s->todo[w] |= found[w];
}

/* Of the pages that the target has, those that are not to go and were not compared. */
static uint64_t clean(const struct xf_source *s, uint64_t w)
{
    return s->populated[w] & ~s->todo[w] & ~(s->hashed ? s->hashed[w] : 0);
}

static uint64_t clean_pages(const struct xf_source *s)
{
    uint64_t pages = 0;

    for (uint64_t w = 0; s->verify && w < xf_bitmap_words(s->guest.page_count); w++)
        pages += (uint64_t)__builtin_popcountll(clean(s, w));
    return pages;
}

int xf_source_look(struct xf_source *s, struct xf_plan_ended *ended, uint64_t now_us)
{
    struct xf_round *r = &ended->round;
    uint64_t fetching_ns = s->clock_ns(), back;
    /* Found before hashes went, and still to go. */
    const bool more = s->todo_is == XF_TODO_FETCHED;

    if (s->todo_is == XF_TODO_JOINED || (more && !s->hashing))
        return -EINVAL; /* a plan's mistake: what was found before would be lost */
    *r = (struct xf_round){
        .pages = s->sent_pages,
        .us = now_us - s->sent_us,
        .now_us = now_us,
        .bytes_per_s = xf_speed_bytes_per_s(&s->speed),
        .verify = s->verify,
        .verify_live = s->hashed,
        .hashed_pages = more ? s->round_pages : 0,
        .hash_bytes_per_s = hash_bytes_per_s(s),
    };
    int rc = fetch_dirty(s, more ? s->hashing : s->todo, false, &r->dirty_pages);

    ended->none_yet = rc == -EAGAIN;
    if (ended->none_yet)
        return 0;
    s->todo_is = XF_TODO_FETCHED;
    rc = rc ?: ask_deferred(s, &back);
    if (rc)
        return rc;
    if (more)
        join(s, s->hashing);
    if (back) /* those come once more */
        join(s, s->fresh);
    if (more || back)
        r->dirty_pages = xf_bitmap_count(s->todo, s->guest.page_count);
    r->clean_pages = clean_pages(s);
    fetching_ns = s->clock_ns() - fetching_ns;
    /* The barrier of pages, and that of hashes. */
    r->fixed_us = fetching_ns / 1000 + xf_pace_rtt_us(&s->pace) * (s->verify ? 2 : 1);
    s->dirty_pages = r->left_pages = r->dirty_pages;
    s->rounds_done += s->round && s->kind == XF_ROUND_PAGES;
    return 0;
}

/*
 * The hashes of what is clean: it was sent, and has not been written until the dirty bitmap was
 * last fetched. What is written from then on, before its hash is taken or after, is in the next
 * bitmap: it goes again, and so is hashed again.
 */
static int begin_live_hashes(struct xf_source *s, uint64_t now_us)
{
    const struct xf_source_order round = {.kind = XF_ROUND_HASHES, .todo = s->hashing};
    uint64_t count = 0;

    if (!s->hashed || s->todo_is != XF_TODO_FETCHED)
        return -EINVAL; /* a plan's mistake: nothing is known to be clean */
    for (uint64_t w = 0; w < xf_bitmap_words(s->guest.page_count); w++) {
        s->hashing[w] = clean(s, w);
        s->hashed[w] |= s->hashing[w];
        count += (uint64_t)__builtin_popcountll(s->hashing[w]);
    }
    return begin_round(s, &round, count, now_us);
}

/* Pages that were not there when they were to be hashed. */
static void drop_unhashed(struct xf_source *s)
{
    if (!deferred(s))
        return;
    clear_undeferred(s);
    for (uint64_t w = 0; w < xf_bitmap_words(s->guest.page_count); w++)
        s->hashed[w] &= ~s->fresh[w];
}

/* Hashes of all that will not change any more, but for those that were sent and still hold. */
static int begin_last_hashes(struct xf_source *s, uint64_t now_us)
{
    struct xf_stats *st = &s->session.stats;
    struct xf_source_order round = {.kind = XF_ROUND_HASHES, .todo = s->todo};
    uint64_t count, held = 0;
    int rc = XF_FAULT(source_keep_still);

    memcpy(s->todo, s->populated, xf_bitmap_words(s->guest.page_count) * sizeof(s->todo[0]));
    if (!rc)
        rc = s->guest.ops->keep_still(s->guest.ctx, s->todo);
    if (rc)
        return xf_session_fail(&s->session, rc, "cannot tell which pages to verify: %s",
                               strerror(-rc));
    count = xf_bitmap_count(s->todo, s->guest.page_count);
    for (uint64_t w = 0; s->hashed && w < xf_bitmap_words(s->guest.page_count); w++) {
        s->hashing[w] = s->todo[w] & ~s->hashed[w];
        s->todo[w] &= s->hashed[w];
        held += (uint64_t)__builtin_popcountll(s->todo[w]);
    }
    if (s->hashed) {
        round.todo = s->hashing;
        round.held = s->todo;
    }
    /* Until now, what lanes have hashed while the guest ran has been told as verified. */
    st->pages_verified += held - xf_source_sum(s)->pages_verified;
    st->pages_verified_live = held;
    return begin_round(s, &round, count, now_us);
}

/* The pages of todo. */
static int begin_pages(struct xf_source *s, uint64_t now_us)
{
    const enum xf_todo_is was = s->todo_is;

    s->todo_is = XF_TODO_SENT;
    if (was != XF_TODO_SENT)
        return begin_round_of_todo(s, was == XF_TODO_JOINED, now_us);
    if (s->hashed) /* all that there is goes */
        memset(s->hashed, 0, xf_bitmap_words(s->guest.page_count) * sizeof(s->hashed[0]));
    return begin_pages_round(s, s->todo_pages, !s->round, now_us);
}

static int begin_nothing(struct xf_source *s, uint64_t now_us)
{
    memset(s->todo, 0, xf_bitmap_words(s->guest.page_count) * sizeof(s->todo[0]));
    return begin_pages_round(s, 0, false, now_us);
}

int xf_source_begin(struct xf_source *s, const struct xf_plan_order *order, uint64_t now_us)
{
    if (order->throttle_pct) {
        xf_brake_set(&s->brake, order->throttle_pct);
        s->session.stats.throttle_pct = s->brake.least_pct;
    }
    s->final = order->final;
    if (s->final && s->phase == XF_PHASE_LIVE)
        xf_source_enter(s, XF_PHASE_FINAL, now_us);
    switch (order->content) {
    case XF_SEND_PAGES:
        return begin_pages(s, now_us);
    case XF_SEND_NOTHING:
        return begin_nothing(s, now_us);
    default:
        return s->final ? begin_last_hashes(s, now_us) : begin_live_hashes(s, now_us);
    }
}

int xf_source_end_round(struct xf_source *s, uint64_t now_us)
{
    struct xf_stats *st = &s->session.stats;
    int rc = XF_FAULT(source_round_end);

    if (rc)
        return rc;
    xf_pace_settle(&s->pace, xf_source_pace_us(s, now_us));
    rc = xf_source_check_deferred(s); /* of what was repaired after the barrier */
    if (rc)
        return rc;
    if (s->round == 1)
        st->pages_total = s->round_pages;
    if (s->kind == XF_ROUND_PAGES) {
        st->rounds++;
        s->sent_pages = s->round_pages;
        measure_speed(s, now_us);
        xf_source_progress(s, now_us);
        if (s->phase == XF_PHASE_FINAL)
            st->copied_us = now_us;
    } else if (!s->final) {
        drop_unhashed(s);
        measure_hashes(s, now_us);
    }
    return 0;
}

int xf_source_complete(struct xf_source *s, uint64_t now_us)
{
    struct xf_stats *st = &s->session.stats;
    int rc = XF_FAULT(source_complete_seen);

    if (rc)
        return rc;
    if (!s->final)
        return -EINVAL; /* a plan's mistake: the target would wait for more */
    if (s->kind == XF_ROUND_HASHES)
        st->pages_unverified =
            xf_bitmap_count(s->populated, s->guest.page_count) - xf_source_sum(s)->pages_verified;
    st->done_us = now_us;
    xf_source_enter(s, XF_PHASE_DONE, now_us);
    return 0;
}
