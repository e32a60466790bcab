/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain's flags say of a guest that was to move: whether it has ended, and how. */
#include "tests/unit/common/unit.h"

#include "xl-plugin/plugin/ended.h"

static uint32_t shut_down(unsigned reason)
{
    return XEN_DOMINF_hvm_guest | XEN_DOMINF_shutdown | reason << XEN_DOMINF_shutdownshift;
}

static void ends(bool found, uint32_t flags, const char *how)
{
    char text[XF_ENDED_BYTES], want[XF_ENDED_BYTES];

    snprintf(want, sizeof(want), "the guest has ended while it moved: it %s", how);
    assert_true(xf_ended_words(found, flags, text));
    assert_string_equal(text, want);
}

static void lives(uint32_t flags)
{
    char text[XF_ENDED_BYTES] = "x";

    assert_false(xf_ended_words(true, flags, text));
    assert_string_equal(text, "");
}

static void test_lives(void **state)
{
    (void)state;
    lives(0);
    lives(XEN_DOMINF_hvm_guest | XEN_DOMINF_running);
    lives(XEN_DOMINF_paused | XEN_DOMINF_blocked);
    lives(shut_down(SHUTDOWN_suspend));
    /* A reason without a shutdown is none. */
    lives(SHUTDOWN_crash << XEN_DOMINF_shutdownshift);
}

static void test_ends(void **state)
{
    (void)state;
    ends(true, shut_down(SHUTDOWN_poweroff), "has shut down");
    ends(true, shut_down(SHUTDOWN_reboot), "reboots");
    ends(true, shut_down(SHUTDOWN_crash), "has crashed");
    ends(true, shut_down(SHUTDOWN_watchdog), "was ended by its watchdog");
    ends(true, shut_down(SHUTDOWN_soft_reset), "has stopped");
    ends(true, shut_down(200), "has stopped");
}

static void test_gone(void **state)
{
    static const char how[] = "is no longer here: shut down, rebooted or destroyed";

    (void)state;
    ends(false, 0, how);
    ends(false, XEN_DOMINF_running, how); /* another domain's */
    ends(true, XEN_DOMINF_dying, how);
    ends(true, XEN_DOMINF_dying | shut_down(SHUTDOWN_suspend), how);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
