/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUs as a user and Linux write them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/common/unit.h"

#include "transport/base/cpu_list.h"

static struct xf_cpu_list list;

static void lists_are_read_and_shown(void **state)
{
    static const struct {
        const char *text, *shown;
        unsigned n, last;
    } rows[] = {
        {"0", "0", 1, 0},         {"2-5", "2-5", 4, 5}, {"2-5,8", "2-5,8", 5, 8},
        {"8,2-3", "8,2-3", 3, 3}, /* the order is the user's */
        {"1,2,3", "1-3", 3, 3},   {"7-7", "7", 1, 7},   {"0-1023", "0-1023", 1024, 1023},
    };
    char shown[32];

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(xf_cpu_list_parse(rows[i].text, &list), 0);
        assert_int_equal(list.n, rows[i].n);
        assert_int_equal(list.cpus[list.n - 1], rows[i].last);
        assert_string_equal(xf_cpu_list_show(&list, shown, sizeof(shown)), rows[i].shown);
    }
    assert_true(xf_cpu_list_has(&list, 1023));
    list.n = 0;
    assert_false(xf_cpu_list_has(&list, 0));
    assert_string_equal(xf_cpu_list_show(&list, shown, sizeof(shown)), "");
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",       ",",  "2,",  ",2",  "2-",  "-2",    "5-2",
        "2-5-7",  "a",  "2 3", " 2",  "2,2", "2-5,4", "1024",
        "0-1024", "+1", "0x2", "2;3", "2\n", "all",   "99999999999999999999",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (xf_cpu_list_parse(wrong[i], &list) != -EINVAL)
            fail_msg("'%s' is taken", wrong[i]);
        assert_int_equal(list.n, 0);
    }
}

static void what_does_not_fit_is_cut(void **state)
{
    char shown[6];

    (void)state;
    assert_int_equal(xf_cpu_list_parse("100,102,104-109", &list), 0);
    assert_string_equal(xf_cpu_list_show(&list, shown, sizeof(shown)), "100,1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_and_shown),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(what_does_not_fit_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
