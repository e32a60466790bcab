/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits of PROTOCOL.md, section 8, on the virtual clock: in each state an end that hears
 * nothing more gives up when its limit is over, not before, and leaves the guest as that row says.
 */
#include "transport/base/bitmap.h"
#include "transport/wire.h"
#include "tests/unit/common/pair.h"

#define SECOND 1000000u

enum state { READY, LIVE, FINAL };

static bool in_state(const struct pair *p, enum state state)
{
    const struct xf_stats *st = xf_source_stats(p->source);

    switch (state) {
    case READY: /* the ends have heard of each other */
        return p->now_us > SECOND;
    case LIVE:
        return st->live_us && xf_target_stats(p->target)->live_us;
    default:
        return st->suspend_us != 0;
    }
}

static struct xf_guest_source_ops ops;
static struct xf_guest_control_ops control;
static unsigned suspends, starts;
static int (*real_suspend)(void *ctx);
static int (*real_start)(void *ctx, uint64_t *present, uint64_t *known);
static int suspend_rc;

static int count_suspend(void *ctx)
{
    suspends++;
    return suspend_rc ? suspend_rc : real_suspend(ctx);
}

static int count_start(void *ctx, uint64_t *present, uint64_t *known)
{
    starts++;
    return real_start(ctx, present, known);
}

static void open_counted(struct pair *p, struct pair_config *c)
{
    ops = *pair_tables().ops;
    control = *pair_tables().control;
    real_suspend = control.suspend;
    real_start = ops.start;
    control.suspend = count_suspend;
    ops.start = count_start;
    suspends = starts = 0;
    suspend_rc = 0;
    c->from_ops = &ops;
    c->from_control = &control;
    pair_open(p, c);
}

/* Steps one end alone until it gives up; returns for how long it did not. The link stands still, so
   what was under way does not arrive either. */
static uint64_t alone(struct pair *p, bool source)
{
    uint64_t began = p->now_us;
    int rc = 0;

    while (rc >= 0 && p->now_us < began + 200 * (uint64_t)SECOND) {
        p->now_us += 10000;
        rc = source ? xf_source_step(p->source, p->now_us) : xf_target_step(p->target, p->now_us);
    }
    assert_int_equal(rc, -ETIMEDOUT);
    return p->now_us - began;
}

static void test_silence_in_each_state(void **state)
{
    static const struct {
        enum state state;
        bool source; /* the end that is left alone */
        unsigned starts, suspends;
    } rows[] = {
        {READY, true, 0, 0}, {READY, false, 0, 0}, {LIVE, true, 1, 0},
        {LIVE, false, 1, 0}, {FINAL, true, 1, 1},  {FINAL, false, 1, 1},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pair_config c = pair_defaults(20 + i);
        struct pair p;

        c.ready_after_us = rows[i].state == READY ? UINT64_MAX : 2000;
        c.net.bytes_per_s = 50000000;
        open_counted(&p, &c);
        while (!in_state(&p, rows[i].state)) {
            assert_true(p.now_us < 100 * (uint64_t)SECOND);
            pair_step(&p);
        }
        assert_int_equal(p.source_rc, 0);
        uint64_t us = alone(&p, rows[i].source);

        if (us < 29 * (uint64_t)SECOND || us > 31 * (uint64_t)SECOND)
            fail_msg("row %u: gave up after %llu us", i, (unsigned long long)us);
        assert_non_null(
            strstr(rows[i].source ? xf_source_error(p.source) : xf_target_error(p.target),
                   "has been silent for 30 s"));
        assert_int_equal(starts, rows[i].starts);
        assert_int_equal(suspends, rows[i].suspends);
        pair_close(&p);
    }
}

static uint64_t begun_at_us;

static bool begun_by_then(void *arg)
{
    return ((const struct pair *)arg)->now_us >= begun_at_us;
}

/* Steps the source alone, until then or until it gives up: its -errno, or 0. */
static int source_alone(struct pair *p, uint64_t until_us)
{
    int rc = 0;

    while (!rc && p->now_us < until_us) {
        p->now_us += 10000;
        rc = xf_source_step(p->source, p->now_us);
    }
    return rc;
}

/* The target's toolstack keeps its end waiting: that is no fault of the link, and has a limit and
   words of its own. */
static void test_target_begins_late(void **state)
{
    struct pair_config c = pair_defaults(32);
    struct pair p;

    (void)state;
    c.begun = begun_by_then;
    c.begun_arg = &p;

    /* For four minutes; then they move the guest as ever. */
    begun_at_us = c.target_begins_us = 240 * (uint64_t)SECOND;
    open_counted(&p, &c);
    assert_int_equal(source_alone(&p, begun_at_us), 0);
    assert_int_equal(starts, 0);
    pair_run(&p, 400 * (uint64_t)SECOND);
    pair_assert_same(&p);
    pair_close(&p);

    /* It has begun, and says nothing: from then on it is the link. */
    open_counted(&p, &c);
    assert_int_equal(source_alone(&p, 400 * (uint64_t)SECOND), -ETIMEDOUT);
    assert_non_null(strstr(xf_source_error(p.source), "no answer over the migration link in 30 s"));
    assert_true(p.now_us > begun_at_us + 29 * (uint64_t)SECOND &&
                p.now_us < begun_at_us + 31 * (uint64_t)SECOND);
    pair_close(&p);

    /* Never. */
    begun_at_us = UINT64_MAX;
    open_counted(&p, &c);
    assert_int_equal(source_alone(&p, 800 * (uint64_t)SECOND), -ETIMEDOUT);
    assert_non_null(strstr(xf_source_error(p.source), "has not begun to receive in 600 s"));
    assert_true(p.now_us > 599 * (uint64_t)SECOND && p.now_us < 601 * (uint64_t)SECOND);
    assert_int_equal(starts, 0); /* the guest was not touched */
    pair_close(&p);
}

static void test_ready_has_a_limit(void **state)
{
    struct pair_config c = pair_defaults(30);
    struct pair p;

    (void)state;
    c.ready_after_us = UINT64_MAX;
    c.step_us = 1000;
    open_counted(&p, &c);
    pair_run(&p, 200 * (uint64_t)SECOND);
    assert_int_equal(p.source_rc, -ETIMEDOUT);
    assert_int_equal(p.target_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_source_error(p.source), "not ready to take memory in 60 s"));
    assert_true(p.now_us >= 60 * (uint64_t)SECOND && p.now_us < 61 * (uint64_t)SECOND);
    assert_int_equal(starts, 0); /* the guest was not touched */
    pair_close(&p);
}

static void test_guest_that_does_not_suspend(void **state)
{
    struct pair_config c = pair_defaults(31);
    struct pair p;

    (void)state;
    open_counted(&p, &c);
    suspend_rc = -ETIME;
    pair_run(&p, 100 * (uint64_t)SECOND);
    assert_int_equal(p.source_rc, -ETIME);
    assert_int_equal(p.target_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_target_error(p.target), "did not suspend"));
    pair_close(&p);
}

/* The source may ask again what it has missed; how long is up to who owns the target. */
static void test_done_answers_until_freed(void **state)
{
    struct pair_config c = pair_defaults(32);
    struct pair p;

    (void)state;
    pair_open(&p, &c);
    pair_run(&p, 100 * (uint64_t)SECOND);
    pair_assert_same(&p);
    uint64_t before = xf_target_stats(p.target)->packets_sent;

    for (unsigned i = 0; i < 6000; i++) { /* ten minutes */
        p.now_us += 100000;
        xf_simlink_advance(p.net, p.now_us);
        assert_int_equal(xf_target_step(p.target, p.now_us), XF_SESSION_DONE);
    }
    assert_true(xf_target_stats(p.target)->packets_sent > before + 1000);
    pair_close(&p);
}

static const struct xf_link_ops *honest;
static bool until_suspended; /* barriers pass until then */
static struct pair *watched;

/* The header is not encrypted: who carries the packets can drop one kind of them. */
static unsigned drop_barriers(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    bool pass = until_suspended && !xf_source_stats(watched->source)->suspend_us;

    if (n == 1 && bufs[0].data[1] == XF_PACKET_BARRIER && !pass) {
        link->ops->tx_free(link, queue, bufs, n);
        return n;
    }
    return honest->tx_burst(link, queue, bufs, n);
}

static void test_round_is_counted_in_time(void **state)
{
    static struct xf_link_ops dropping;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pair_config c = pair_defaults(40 + i);
        struct pair p;

        c.step_us = 1000;
        open_counted(&p, &c);
        watched = &p;
        until_suspended = i;
        honest = p.link[0]->ops;
        dropping = *honest;
        dropping.tx_burst = drop_barriers;
        p.link[0]->ops = &dropping;
        pair_run(&p, 300 * (uint64_t)SECOND);
        assert_int_equal(p.source_rc, -ETIMEDOUT);
        assert_int_equal(p.target_rc, -ECONNABORTED);
        assert_non_null(strstr(xf_source_error(p.source), "has not counted the pages"));
        assert_true(p.now_us > 120 * (uint64_t)SECOND && p.now_us < 123 * (uint64_t)SECOND);
        assert_int_equal(suspends, i);
        pair_close(&p);
    }
}

static unsigned batch_calls;
static uint64_t present[64];

static int keep_present(void *ctx, uint64_t *map, uint64_t *known)
{
    int rc = real_start(ctx, map, known);

    memcpy(present, map, sizeof(present));
    return rc;
}

/* As Xen's save may be, for 200 s, when the guest takes long to suspend. */
static int late_batch(void *ctx, uint64_t *todo, bool final, uint64_t *count)
{
    (void)ctx;
    (void) final;
    memset(todo, 0, sizeof(present));
    *count = 0;
    if (++batch_calls <= 200000)
        return -EAGAIN;
    if (batch_calls == 200001) {
        memcpy(todo, present, sizeof(present));
        *count = xf_bitmap_count(present, sizeof(present) * 8);
    }
    return 0;
}

static void test_a_batch_may_be_late(void **state)
{
    struct pair_config c = pair_defaults(50);
    struct pair p;

    (void)state;
    c.pages = sizeof(present) * 8;
    c.writes_per_ms = 0;
    c.step_us = 1000;
    c.batches = true;
    open_counted(&p, &c);
    ops.start = keep_present;
    ops.dirty = late_batch;
    batch_calls = 0;
    pair_run(&p, 300 * (uint64_t)SECOND);
    pair_assert_same(&p);
    assert_true(p.now_us > 200 * (uint64_t)SECOND);
    pair_close(&p);
}

/* No function is NULL: that would be found out in the middle of a migration. */
static void test_a_table_with_a_hole_is_refused(void **state)
{
    struct xf_guest_source source = pair_tables();
    struct xf_guest_sink_ops sink_ops;
    struct xf_simguest *any;

    (void)state;
    assert_true(xf_guest_source_whole(&source));
    control = *source.control;
    control.throttle = NULL;
    source.control = &control;
    assert_false(xf_guest_source_whole(&source));
    assert_int_equal(xf_simguest_new_empty(&any, 1), 0);
    struct xf_guest_sink sink = xf_simguest_sink(any);

    assert_true(xf_guest_sink_whole(&sink));
    sink_ops = *sink.ops;
    sink_ops.end_round = NULL;
    sink.ops = &sink_ops;
    assert_false(xf_guest_sink_whole(&sink));
    xf_simguest_free(any);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence_in_each_state),
        cmocka_unit_test(test_round_is_counted_in_time),
        cmocka_unit_test(test_a_batch_may_be_late),
        cmocka_unit_test(test_a_table_with_a_hole_is_refused),
        cmocka_unit_test(test_target_begins_late),
        cmocka_unit_test(test_ready_has_a_limit),
        cmocka_unit_test(test_guest_that_does_not_suspend),
        cmocka_unit_test(test_done_answers_until_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
