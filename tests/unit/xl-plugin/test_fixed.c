/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xl-fast migrate says of earlier moves, and what is left of a downtime for the copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transport/events.h"
#include "xl-plugin/plugin/fixed.h"

static void nothing_is_said_before_the_first_move(void **state)
{
    (void)state;
    unsetenv("XL_FAST_FIXED_US");
    assert_true(xf_fixed_from_environment() == XF_EVENTS_NOT_KNOWN);
    setenv("XL_FAST_FIXED_US", "", 1);
    assert_true(xf_fixed_from_environment() == XF_EVENTS_NOT_KNOWN);
    assert_int_equal(xf_fixed_say(300000, XF_EVENTS_NOT_KNOWN), 0);
}

static void what_is_said_is_told(void **state)
{
    (void)state;
    setenv("XL_FAST_FIXED_US", "250000", 1);
    assert_int_equal(xf_fixed_say(300000, xf_fixed_from_environment()), 250000);
    assert_int_equal(xf_fixed_say(200000, xf_fixed_from_environment()), 250000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_before_the_first_move),
        cmocka_unit_test(what_is_said_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
