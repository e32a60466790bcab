/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rate: what a user may write for one. */
#include "tests/unit/common/unit.h"

#include "transport/base/rate.h"

static void test_units_are_decimal_bits(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes_per_s;
    } good[] = {{"8", 1},
                {"16k", 2000},
                {"16K", 2000},
                {"500M", 62500000},
                {"2.5G", 312500000},
                {"100G", 12500000000},
                {"0", 0},
                {"10Mbit", 1250000},
                {"10mbit", 1250000},
                {"10Mbit/s", 1250000},
                {"16kbps", 2000},
                {"8bit", 1},
                {"10MB/s", 10000000},
                {"5B/s", 5},
                {"1000000000", 125000000}};

    (void)state;
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t v = 1;

        if (xf_rate_parse(good[i].text, &v) || v != good[i].bytes_per_s)
            fail_msg("%s: %llu", good[i].text, (unsigned long long)v);
    }
}

static void test_what_is_no_rate_is_refused(void **state)
{
    static const char *const bad[] = {
        "",    "-8",     "1",      "8Gb", "8 G",       "8T",
        "G",   ".5G",    "+8",     "0x8", "8e9",       "2.5.5",
        "inf", "nan",    " 500M",  "8m",  "1.G.",      "99999999999999999999",
        "8MB", "8Mbits", "8 Mbit", "8MM", "8Mbit/s/s", "9999999G"};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t v;

        if (xf_rate_parse(bad[i], &v) != -EINVAL)
            fail_msg("'%s' is taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_are_decimal_bits),
        cmocka_unit_test(test_what_is_no_rate_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
