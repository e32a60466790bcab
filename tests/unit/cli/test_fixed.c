/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What earlier moves to a host took besides their pages: which of them count, and their median. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/migrate/fixed.h"

/* A whole downtime, of which 30 ms were the copy and 8 ms the comparison. */
static struct xf_history_move a_move(uint64_t fixed_us)
{
    return (struct xf_history_move){
        .to = "hostb",
        .done = true,
        .downtime = {.whole = true,
                     .us = fixed_us + 38000,
                     .have = {[XF_DOWNTIME_COPY] = true, [XF_DOWNTIME_VERIFY] = true},
                     .part_us = {[XF_DOWNTIME_COPY] = 30000, [XF_DOWNTIME_VERIFY] = 8000}}};
}

static void take(struct xf_fixed *f, uint64_t fixed_us)
{
    struct xf_history_move m = a_move(fixed_us);

    xf_fixed_take(f, &m);
}

static void nothing_is_known_before_the_first_move(void **state)
{
    struct xf_fixed f = {.host = "hostb"};
    struct xf_history_move m = a_move(7);

    (void)state;
    strcpy(m.to, "hostc");
    xf_fixed_take(&f, &m);
    m = a_move(7);
    m.status = 1;
    xf_fixed_take(&f, &m);
    m = a_move(7);
    m.downtime.whole = false;
    xf_fixed_take(&f, &m);
    m = a_move(7);
    m.downtime.us = 37999; /* less than its parts */
    xf_fixed_take(&f, &m);
    m = a_move(7);
    m.early = true; /* this one would be late */
    xf_fixed_take(&f, &m);
    assert_int_equal(f.moves, 0);
    m = a_move(500000);
    strcpy(m.state, "here"); /* it was cloned: its devices took none of its time */
    xf_fixed_take(&f, &m);
    assert_int_equal(xf_fixed_us(&f), 0);
}

static void the_median_of_the_newest_counts(void **state)
{
    struct xf_fixed f = {.host = "hostb"};

    (void)state;
    take(&f, 500000);
    assert_int_equal(xf_fixed_us(&f), 500000);
    take(&f, 300000);
    assert_int_equal(xf_fixed_us(&f), 400000);
    take(&f, 90000000); /* one bad moment */
    assert_int_equal(xf_fixed_us(&f), 500000);
    /* One of the other kind does not count. */
    struct xf_fixed early = f;
    struct xf_history_move m = a_move(1000);

    early.early = true;
    early.moves = 0;
    xf_fixed_take(&early, &m);
    assert_int_equal(early.moves, 0);
    m.early = true;
    xf_fixed_take(&early, &m);
    assert_int_equal(xf_fixed_us(&early), 1000);
    /* The host became faster: after XF_FIXED_MOVES the old ones are forgotten. */
    for (uint64_t i = 0; i < XF_FIXED_MOVES; i++)
        take(&f, 10000 + i);
    assert_int_equal(xf_fixed_us(&f), 10002);
    assert_int_equal(f.moves, 3 + XF_FIXED_MOVES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_the_first_move),
        cmocka_unit_test(the_median_of_the_newest_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
