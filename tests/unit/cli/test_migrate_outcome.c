/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last line of a migration that has failed, of all that may be seen of the guest. */

#include "tests/unit/common/unit.h"

#include "xl-plugin/migrate/outcome.h"

static void is(const struct xf_outcome *o, const char *state, const char *line)
{
    char *said = xf_outcome_line(o);

    assert_string_equal(said, line);
    assert_string_equal(xf_outcome_state(o), state);
    free(said);
}

static void test_not_ended(void **state)
{
    struct xf_outcome o = {.guest = "web1", .host = "hostb"};

    (void)state;
    o.left = "running";
    is(&o, "here", "web1 keeps running here");
    o.left = "paused";
    is(&o, "paused", "web1 is here, paused");
    o.left = "suspended";
    is(&o, "suspended",
       "the guest is suspended here, and may run on hostb. To settle who owns it: xl-fast recover "
       "web1 hostb");
    /* What is not understood is not known: no guest is said to be where it may not be. */
    const char *const lost[] = {"gone", "dying", "shut-down", "", "Running", "running here"};
    for (unsigned i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        o.left = lost[i];
        is(&o, "unknown",
           "web1 is no longer here, or cannot be seen. To find out who owns it: xl-fast recover "
           "web1 hostb");
    }
}

static void test_ended(void **state)
{
    struct xf_outcome o = {.guest = "web1", .host = "hostb", .ended = true};
    const char *const gone[] = {"gone", "dying"}, *const back[] = {"running", "paused"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        o.left = gone[i];
        is(&o, "ended",
           "web1 has ended here while it moved (shut down, rebooted or destroyed), and hostb does "
           "not have it");
        o.left = back[i];
        is(&o, "here", "web1 has rebooted here while it moved: try again");
    }
    o.left = "shut-down";
    is(&o, "ended", "web1 has shut down here while it moved, and hostb does not have it");
    /* The helper's word is not enough where a guest is suspended, or nothing is seen. */
    o.left = "suspended";
    assert_string_equal(xf_outcome_state(&o), "suspended");
    o.left = "";
    assert_string_equal(xf_outcome_state(&o), "unknown");
}

static void test_recover(void **state)
{
    struct xf_outcome o = {.left = "suspended", .guest = "-a b", .host = "u@h", .ssh = "ssh -p 2"};

    (void)state;
    is(&o, "suspended",
       "the guest is suspended here, and may run on u@h. To settle who owns it: xl-fast recover -s "
       "'ssh -p 2' -- '-a b' u@h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_ended),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_recover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
