/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounds: the stop policy. */
#include "unit.h"

#include "../../../transport/rounds.h"

static void test_policy(void **state)
{
    struct xf_policy p, busy;
    uint64_t us;

    (void)state;
    xf_policy_init(&p);
    busy = p;
    busy.abort_if_busy = true;

    /* 1000 pages at 40.96 MB/s: 100 ms. */
    struct xf_round_result r = {.round = 1, .dirty_pages = 1000, .bytes_per_s = 40960000};

    assert_int_equal(xf_policy_next(&p, &r, &us), XF_ROUND_STOP);
    assert_int_equal(us, 100000);
    p.fixed_costs_us = 250000;
    assert_int_equal(xf_policy_next(&p, &r, &us), XF_ROUND_AGAIN);
    assert_int_equal(us, 350000);
    p.fixed_costs_us = 0;

    r.dirty_pages = 3001;
    assert_int_equal(xf_policy_next(&p, &r, &us), XF_ROUND_AGAIN);
    r.stalled_rounds = 3;
    assert_int_equal(xf_policy_next(&p, &r, NULL), XF_ROUND_STOP);
    assert_int_equal(xf_policy_next(&busy, &r, NULL), XF_ROUND_GIVE_UP);
    r.stalled_rounds = 0;
    r.round = 30;
    assert_int_equal(xf_policy_next(&p, &r, NULL), XF_ROUND_STOP);
    assert_int_equal(xf_policy_next(&busy, &r, NULL), XF_ROUND_GIVE_UP);

    /* Nothing dirty: stop whatever the rate; no rate known: not yet. */
    r = (struct xf_round_result){.round = 1};
    assert_int_equal(xf_policy_next(&busy, &r, NULL), XF_ROUND_STOP);
    r.dirty_pages = 1;
    assert_int_equal(xf_policy_next(&p, &r, NULL), XF_ROUND_AGAIN);
}

static void test_stalled(void **state)
{
    (void)state;
    assert_false(xf_policy_stalled(1000, 100));
    assert_false(xf_policy_stalled(1000, 875));
    assert_true(xf_policy_stalled(1000, 876));
    assert_true(xf_policy_stalled(1000, 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_stalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
