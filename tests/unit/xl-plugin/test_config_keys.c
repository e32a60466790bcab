/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keys of xl-fast.conf: found by their exact names, and by names that are nearly theirs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/plugin/config_keys.h"

static void every_key_is_found_by_its_name_alone(void **state)
{
    (void)state;
    for (int i = 0; i < XF_KEYS; i++) {
        const char *name = xf_config_key_names[i];

        assert_int_equal(xf_config_key_find(name, strlen(name)), i);
        assert_int_equal(xf_config_key_find(name, strlen(name) - 1), -ENOENT);
        assert_int_equal(xf_config_key_nearest(name, strlen(name)), i);
    }
    assert_int_equal(xf_config_key_find("mtux", 3), XF_KEY_MTU);
    assert_int_equal(xf_config_key_find("mtux", 4), -ENOENT);
    assert_int_equal(xf_config_key_find("MTU", 3), -ENOENT);
}

static void the_nearest_key_is_the_fewest_edits_away(void **state)
{
    static const struct {
        const char *name;
        int key;
    } cases[] = {
        {"max_downtme", XF_KEY_MAX_DOWNTIME}, /* one is missing */
        {"laness", XF_KEY_LANES},             /* one too many */
        {"adress", XF_KEY_ADDRESS},
        {"varify", XF_KEY_VERIFY}, /* one is another */
        {"prot", XF_KEY_PORT},     /* two are exchanged */
        {"mut", XF_KEY_MTU},
        {"MTU", XF_KEY_MTU},
        {"UdpPort", XF_KEY_UDP_PORT},
        {"downtime", XF_KEY_MAX_DOWNTIME},
        {"maxdowntime", XF_KEY_MAX_DOWNTIME},
        {"timeout_connect", -ENOENT},
        {"ports", XF_KEY_PORT},
        {"host", -ENOENT},
        {"a", -ENOENT},
        {"", -ENOENT},
        {"bandwidthbandwidth", -ENOENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (xf_config_key_nearest(cases[i].name, strlen(cases[i].name)) != cases[i].key)
            fail_msg("'%s' is near %d", cases[i].name,
                     xf_config_key_nearest(cases[i].name, strlen(cases[i].name)));
}

static void a_long_name_is_near_none(void **state)
{
    char name[10000];

    (void)state;
    memset(name, 'p', sizeof(name));
    for (size_t len = 16; len < sizeof(name); len++)
        assert_int_equal(xf_config_key_nearest(name, len), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_found_by_its_name_alone),
        cmocka_unit_test(the_nearest_key_is_the_fewest_edits_away),
        cmocka_unit_test(a_long_name_is_near_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
