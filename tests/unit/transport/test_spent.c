/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an end's time went, by cycles and counts that are made up. */
#include "tests/unit/common/unit.h"

#include "transport/base/spent.h"

/* A thousand cycles; the session took 200 us, and memory moved in the second half of them. */
static struct xf_stats stats(void)
{
    return (struct xf_stats){
        .start_us = 100,
        .live_us = 200,
        .done_us = 300,
        .threads = 1,
        .laps = {.began = 5000,
                 .ended = 6000,
                 .spent = {[XF_STAGE_read] = 100, [XF_STAGE_seal] = 200}},
        .waits = {[XF_WAIT_path] = 30, [XF_WAIT_pages] = 10},
    };
}

static unsigned wait(const struct xf_spent *spent, enum xf_wait what)
{
    return spent->pct[XF_STAGE_COUNT + what];
}

static void all_of_the_time_is_divided(void **state)
{
    struct xf_stats s = stats();
    struct xf_spent spent;

    (void)state;
    xf_spent_of(&spent, &s);
    assert_int_equal(spent.pct[XF_STAGE_read], 20);
    assert_int_equal(spent.pct[XF_STAGE_seal], 40);
    assert_int_equal(xf_spent_busy_pct(&spent), 60);
    assert_int_equal(wait(&spent, XF_WAIT_path), 30);
    assert_int_equal(wait(&spent, XF_WAIT_pages), 10);
    assert_int_equal(wait(&spent, XF_WAIT_credit), 0);
    assert_string_equal(xf_spent_names[XF_STAGE_seal], "seal");
    assert_string_equal(xf_spent_names[XF_STAGE_COUNT + XF_WAIT_credit], "wait_credit");
}

static void threads_have_so_much_time_each(void **state)
{
    struct xf_stats s = stats();
    struct xf_spent spent;

    (void)state;
    s.threads = 2;
    xf_spent_of(&spent, &s);
    assert_int_equal(xf_spent_busy_pct(&spent), 30);
    assert_int_equal(wait(&spent, XF_WAIT_path) + wait(&spent, XF_WAIT_pages), 71); /* rounded */
}

static void no_more_than_all_is_spent(void **state)
{
    struct xf_stats s = stats();
    struct xf_spent spent;

    (void)state;
    s.laps.spent[XF_STAGE_open] = 900; /* before memory moved, too */
    xf_spent_of(&spent, &s);
    assert_int_equal(xf_spent_busy_pct(&spent), 100);
    assert_int_equal(wait(&spent, XF_WAIT_path), 0);
    s = (struct xf_stats){0};
    xf_spent_of(&spent, &s);
    assert_int_equal(xf_spent_busy_pct(&spent), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_the_time_is_divided),
        cmocka_unit_test(threads_have_so_much_time_each),
        cmocka_unit_test(no_more_than_all_is_spent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
