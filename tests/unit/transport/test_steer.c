/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Steer: a move under way takes other values: the bandwidth reaches the link, the downtime the
 * policy, `now` the stop; and its deadline ends it.
 */
#include <errno.h>

#include "tests/unit/common/pair.h"

#include "transport/guest.h"
#include "transport/steer.h"

#define LIMIT_US 120000000u

/* 12 MB of pages over 20 MB/s; the guest writes twice as much as that to other pages. */
static struct pair_config busy(void)
{
    struct pair_config c = pair_defaults(1);

    c.fill = XF_FILL_RANDOM;
    c.hole_every = 0;
    c.net.bytes_per_s = 20000000;
    c.writes_per_ms = 10;
    c.policy.max_downtime_us = 1000;
    return c;
}

static void run_until(struct pair *p, uint64_t us)
{
    while (p->now_us < us && p->source_rc == 0)
        pair_step(p);
    assert_int_equal(p->source_rc, 0);
}

/* Under way, and it would stay if it were not told otherwise. */
static void open_busy(struct pair *p)
{
    struct pair_config c = busy();

    c.policy.on_busy = XF_ON_BUSY_ABORT;
    pair_open(p, &c);
    run_until(p, 300000);
}

static int steer(struct pair *p, uint32_t what, uint64_t value)
{
    struct xf_steer s = {
        .what = what, .max_downtime_us = value, .bandwidth_bytes_per_s = value, .throttle = value};

    return xf_source_steer(p->source, &s);
}

static uint64_t sent_in(struct pair *p, uint64_t us)
{
    uint64_t before = xf_source_stats(p->source)->bytes_wire;

    run_until(p, p->now_us + us);
    return xf_source_stats(p->source)->bytes_wire - before;
}

static void test_bandwidth(void **state)
{
    struct pair_config c = busy();
    struct pair p;

    (void)state;
    c.pages = 30000;
    pair_open(&p, &c);
    run_until(&p, 500000);
    assert_true(sent_in(&p, 500000) > 7000000);
    assert_int_equal(steer(&p, XF_STEER_BANDWIDTH, 2000000), 0);
    run_until(&p, p.now_us + 50000); /* what is on its way */
    assert_in_range(sent_in(&p, 500000), 800000, 1010000);
    assert_int_equal(steer(&p, XF_STEER_BANDWIDTH, 0), 0);
    run_until(&p, p.now_us + 50000);
    assert_true(sent_in(&p, 500000) > 7000000);
    /* It was held back, which the history is to know. */
    assert_int_equal(xf_source_stats(p.source)->limit_bytes_per_s, 2000000);
    pair_close(&p);
}

/* The new rate is what the downtime is predicted by, from the first round on that it has. */
static void test_bandwidth_is_predicted_by(void **state)
{
    struct pair_config c = busy();
    struct pair p;

    (void)state;
    c.writes_per_ms = 1;
    c.policy.max_downtime_us = 250000;
    pair_open(&p, &c);
    run_until(&p, 580000); /* nearly all of the first round */
    assert_int_equal(steer(&p, XF_STEER_BANDWIDTH, 6000000), 0);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    const struct xf_stats *s = xf_source_stats(p.source);

    assert_in_range(s->copied_us - s->suspend_us, 1000, 275000);
    pair_close(&p);
}

static void test_now(void **state)
{
    struct pair p;

    (void)state;
    open_busy(&p);
    assert_int_equal(steer(&p, XF_STEER_NOW, 0), 0);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_int_equal(xf_source_stats(p.source)->rounds, 2);
    assert_int_equal(steer(&p, XF_STEER_BANDWIDTH, 1000), -EALREADY);
    pair_close(&p);
}

static void test_downtime_and_throttle(void **state)
{
    struct pair p;

    (void)state;
    open_busy(&p);
    assert_int_equal(steer(&p, XF_STEER_THROTTLE | XF_STEER_MAX_DOWNTIME, 100000), 0);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_in_range(xf_source_stats(p.source)->throttle_pct, 1, 50);
    assert_in_range(xf_source_stats(p.source)->predicted_us, 1001, 100000);
    pair_close(&p);
}

static uint64_t suspended_at_us(struct pair *p)
{
    while (p->source_rc == 0 && !xf_source_stats(p->source)->suspend_us)
        pair_step(p);
    return p->now_us;
}

static void test_once_suspended(void **state)
{
    struct pair_config c = busy();
    struct pair p;

    (void)state;
    pair_open(&p, &c);
    suspended_at_us(&p);
    assert_int_equal(p.source_rc, 0);
    assert_int_equal(steer(&p, XF_STEER_NOW, 0), -EALREADY);
    assert_int_equal(steer(&p, XF_STEER_BANDWIDTH | XF_STEER_MAX_DOWNTIME, 1000), -EALREADY);
    assert_int_equal(steer(&p, XF_STEER_BANDWIDTH, 5000000), 0);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    pair_close(&p);
}

static void test_deadline(void **state)
{
    struct pair_config c = busy();
    struct pair p;

    (void)state;
    /* In the first round, which is still needed: the one after the stop is the second. */
    c.policy.until_us = 200000;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_int_equal(xf_source_stats(p.source)->rounds, 2);
    pair_close(&p);

    /* Who is to stay then needs nothing. */
    c.policy.on_busy = XF_ON_BUSY_ABORT;
    pair_open(&p, &c);
    run_until(&p, 199000);
    pair_run(&p, 202000);
    assert_int_equal(p.source_rc, -EBUSY);
    assert_non_null(strstr(xf_source_error(p.source), "deadline"));
    assert_int_equal(xf_source_stats(p.source)->suspend_us, 0);
    pair_close(&p);

    /* A stop that has begun before is not given up. */
    c.policy.max_downtime_us = 10000000;
    c.policy.until_us = 0;
    pair_open(&p, &c);
    c.policy.until_us = suspended_at_us(&p) + 1000;
    pair_close(&p);
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_true(xf_source_stats(p.source)->done_us > c.policy.until_us);
    pair_close(&p);
}

static void test_shown(void **state)
{
    struct xf_steer s = {0}, more = {.what = XF_STEER_ALL,
                                     .throttle = true,
                                     .max_downtime_us = 3600000000,
                                     .bandwidth_bytes_per_s = 312500000};
    char text[XF_STEER_TEXT_BYTES];

    (void)state;
    assert_string_equal(xf_steer_show(text, &s), "");
    s.what = XF_STEER_BANDWIDTH | XF_STEER_THROTTLE;
    assert_string_equal(xf_steer_show(text, &s), "bandwidth=none throttle=off");
    xf_steer_add(&s, &more);
    assert_string_equal(xf_steer_show(text, &s),
                        "max-downtime=3600000ms bandwidth=2.5Gbit/s throttle=on now");
    more = (struct xf_steer){.what = XF_STEER_MAX_DOWNTIME, .max_downtime_us = 50000};
    xf_steer_add(&s, &more);
    assert_int_equal(s.what, XF_STEER_ALL);
    assert_int_equal(s.max_downtime_us, 50000);
    assert_int_equal(s.bandwidth_bytes_per_s, 312500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bandwidth),
        cmocka_unit_test(test_bandwidth_is_predicted_by),
        cmocka_unit_test(test_now),
        cmocka_unit_test(test_downtime_and_throttle),
        cmocka_unit_test(test_once_suspended),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
