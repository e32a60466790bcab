/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clone words: names by a pattern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/migrate/clone_words.h"

static void names(void **state)
{
    static const struct {
        const char *pattern, *host, *name; /* NULL: refused */
    } rows[] = {
        {"web-%n", "hostb", "web-7"},
        {"%h.%n", "root@hostb", "hostb.7"},
        {"a+b_c", "hostb", "a+b_c"},
        {"%n%n", "hostb", NULL}, /* Xen's tools would take it for a domain's number */
        {"-%n", "hostb", NULL},
        {"", "hostb", NULL},
        {"a b", "hostb", NULL},
        {"a;b", "hostb", NULL},
        {"a/%n", "hostb", NULL},
        {"a%%", "hostb", NULL},
        {"a%x", "hostb", NULL},
        {"a%", "hostb", NULL},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd-%n", "hostb",
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd-7"},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde-%n", "hostb", NULL},
    };
    char name[80];

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *wrong = xf_clone_name(name, sizeof(name), rows[i].pattern, 7, rows[i].host);

        assert_int_equal(!wrong, rows[i].name != NULL);
        if (rows[i].name)
            assert_string_equal(name, rows[i].name);
    }
    assert_non_null(xf_clone_name(name, 6, "web-%n", 10, "b")); /* no room for the 0 */
    assert_null(xf_clone_name(name, 7, "web-%n", 10, "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
