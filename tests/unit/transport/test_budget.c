/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left of a downtime for the last round. */
#include "tests/unit/common/unit.h"

#include "transport/budget.h"

static void the_rest_is_taken_off(void **state)
{
    (void)state;
    assert_int_equal(xf_budget_copy_us(300000, 0), 300000);
    assert_int_equal(xf_budget_copy_us(300000, 250000), 50000);
    assert_int_equal(xf_budget_copy_us(300000, 299999), 1);
}

static void what_rounds_cannot_change_does_not_drive_them(void **state)
{
    (void)state;
    assert_int_equal(xf_budget_copy_us(300000, 300000), 300000);
    assert_int_equal(xf_budget_copy_us(300000, 7000000), 300000);
    assert_int_equal(xf_budget_copy_us(300000, UINT64_MAX), 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rest_is_taken_off),
        cmocka_unit_test(what_rounds_cannot_change_does_not_drive_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
