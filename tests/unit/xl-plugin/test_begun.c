/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the target's helper has begun, by what ssh has brought of its words. */
#include "tests/unit/common/unit.h"

#include <unistd.h>

#include "xl-plugin/plugin/begun.h"

static char said[] = "/tmp/xl-fast-begun.XXXXXX";

static void say(const char *text)
{
    FILE *f = fopen(said, "a");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_known(void **state)
{
    struct xf_source_config config = {0};
    struct xf_begun b;

    (void)state;
    setenv("XL_FAST_SAID", said, 1);
    xf_begun_ask(&b, &config);
    assert_non_null(config.begun);
    assert_false(config.begun(config.begun_arg));
    say("migration target: Ready to receive domain.\nxl-fast: source: begins to receive\n");
    assert_false(config.begun(config.begun_arg));
    say("xl-fast: " XF_BEGUN_SAYS "\n");
    assert_true(config.begun(config.begun_arg));
    unlink(said);
    assert_true(config.begun(config.begun_arg));

    /* What cannot be read says nothing, and then the link's own time runs. */
    xf_begun_ask(&b, &config);
    assert_true(config.begun(config.begun_arg));
}

static void test_not_known(void **state)
{
    struct xf_source_config config = {0};
    struct xf_begun b;

    (void)state;
    unsetenv("XL_FAST_SAID");
    xf_begun_ask(&b, &config);
    assert_null(config.begun);
    setenv("XL_FAST_SAID", "", 1);
    xf_begun_ask(&b, &config);
    assert_null(config.begun);
}

static int make(void **state)
{
    int fd = mkstemp(said);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_not_known),
    };

    return cmocka_run_group_tests(tests, make, NULL);
}
