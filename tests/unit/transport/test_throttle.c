/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Throttle: a guest that writes three times what the link carries is slowed down until it can move;
 * where that may not be, --on-busy decides; and however it ends, the guest has its speed again.
 */
#include "tests/unit/common/pair.h"

#define LIMIT_US 120000000u

/* 12 MB of pages over 20 MB/s; the guest writes 61 MB/s. */
static struct pair_config three_times(bool throttle, enum xf_on_busy on_busy)
{
    struct pair_config c = pair_defaults(1);

    c.fill = XF_FILL_RANDOM;
    c.hole_every = 0;
    c.net.bytes_per_s = 20000000;
    c.writes_per_ms = 15;
    c.policy.max_downtime_us = 30000;
    c.policy.throttle = throttle;
    c.policy.on_busy = on_busy;
    return c;
}

static void open_and_run(struct pair *p, const struct pair_config *c)
{
    pair_open(p, c);
    pair_run(p, LIMIT_US);
}

static uint64_t downtime_us(const struct pair *p)
{
    return xf_source_stats(p->source)->copied_us - xf_source_stats(p->source)->suspend_us;
}

/* Not aborted, though it might be. */
static void test_converges(void **state)
{
    struct pair_config c = three_times(true, XF_ON_BUSY_ABORT);
    struct pair p;

    (void)state;
    open_and_run(&p, &c);
    pair_assert_same(&p);
    const struct xf_stats *s = xf_source_stats(p.source);

    assert_in_range(s->predicted_us, 1, 30000);
    assert_in_range(downtime_us(&p), 1, 37500);
    /* By no more than it takes: a quarter is less than the link carries. */
    assert_in_range(s->throttle_pct, 12, 25);
    assert_int_equal(xf_simguest_throttle_pct(p.from), 100);
    assert_int_equal(xf_simguest_throttle_pct(p.to), 100);
    pair_close(&p);
}

static void test_unasked_it_is_on_busy(void **state)
{
    struct pair_config c = three_times(false, XF_ON_BUSY_GO);
    struct pair p;

    (void)state;
    open_and_run(&p, &c);
    pair_assert_same(&p);
    assert_int_equal(xf_source_stats(p.source)->throttle_pct, 0);
    assert_int_equal(xf_source_stats(p.source)->rounds, 2 + XF_STALLED_ROUNDS_MAX);
    assert_true(downtime_us(&p) > 300000);
    pair_close(&p);

    c.policy.on_busy = XF_ON_BUSY_ABORT;
    open_and_run(&p, &c);
    assert_int_equal(p.source_rc, -EBUSY);
    assert_int_equal(xf_source_stats(p.source)->suspend_us, 0);
    assert_non_null(strstr(xf_source_error(p.source), "--throttle"));
    assert_int_equal(xf_simguest_throttle_pct(p.from), 100);
    pair_close(&p);
}

/* It writes to the same pages all the time, at any speed: being slowed down is of no use. */
static void test_in_vain_it_is_on_busy(void **state)
{
    struct pair_config c = three_times(true, XF_ON_BUSY_ABORT);
    struct pair p;

    (void)state;
    c.writes_per_ms = 3000;
    c.policy.max_downtime_us = 100;
    open_and_run(&p, &c);
    assert_int_equal(p.source_rc, -EBUSY);
    assert_int_equal(xf_source_stats(p.source)->throttle_pct, 1);
    assert_null(strstr(xf_source_error(p.source), "--throttle"));
    assert_int_equal(xf_simguest_throttle_pct(p.from), 100);
    pair_close(&p);
}

static struct xf_guest_control_ops ops;

static int refuse(void *ctx, unsigned percent)
{
    (void)ctx;
    return percent < 100 ? -EOPNOTSUPP : 0;
}

static int no_suspend(void *ctx)
{
    (void)ctx;
    return -EIO;
}

static void with_ops(struct pair *p, struct pair_config *c)
{
    c->from_control = &ops;
    pair_open(p, c);
    pair_run(p, LIMIT_US);
}

/* A guest that cannot be slowed down, and one of which that shows when it is tried. */
static void test_cannot_be_slowed(void **state)
{
    struct pair_config c = three_times(true, XF_ON_BUSY_ABORT);
    struct pair p;

    (void)state;
    ops = *pair_tables().control;
    ops.throttle = xf_guest_uncontrolled.throttle;
    with_ops(&p, &c);
    assert_int_equal(p.source_rc, -EBUSY);
    pair_close(&p);

    ops.throttle = refuse;
    with_ops(&p, &c);
    assert_int_equal(p.source_rc, -EBUSY);
    assert_int_equal(xf_source_stats(p.source)->throttle_pct, 0);
    pair_close(&p);
}

static void until_throttled(struct pair *p, const struct pair_config *c)
{
    pair_open(p, c);
    while (xf_simguest_throttle_pct(p->from) == 100 && p->now_us < LIMIT_US)
        pair_step(p);
    assert_in_range(xf_simguest_throttle_pct(p->from), 1, 99);
}

static void test_any_end_gives_it_back(void **state)
{
    struct pair_config c = three_times(true, XF_ON_BUSY_GO);
    struct pair p;

    (void)state;
    until_throttled(&p, &c);
    xf_source_abort(p.source, "the user said so");
    assert_int_equal(xf_simguest_throttle_pct(p.from), 100);
    pair_close(&p);

    until_throttled(&p, &c);
    xf_target_abort(p.target, "out of memory");
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, -ECONNABORTED);
    assert_int_equal(xf_simguest_throttle_pct(p.from), 100);
    pair_close(&p);

    /* Without a word. */
    until_throttled(&p, &c);
    xf_source_free(p.source);
    p.source = NULL;
    assert_int_equal(xf_simguest_throttle_pct(p.from), 100);
    pair_close(&p);

    ops = *pair_tables().control;
    ops.suspend = no_suspend;
    with_ops(&p, &c);
    assert_int_equal(p.source_rc, -EIO);
    assert_true(xf_source_stats(p.source)->throttle_pct < 100);
    assert_int_equal(xf_simguest_throttle_pct(p.from), 100);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_converges),
        cmocka_unit_test(test_unasked_it_is_on_busy),
        cmocka_unit_test(test_in_vain_it_is_on_busy),
        cmocka_unit_test(test_cannot_be_slowed),
        cmocka_unit_test(test_any_end_gives_it_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
