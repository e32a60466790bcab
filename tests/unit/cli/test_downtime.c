/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The downtime's parts: shown and kept as far as they are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "xl-plugin/screen/downtime.h"

static void a_part_that_is_not_known_is_not_shown(void **state)
{
    struct xf_downtime d = {.have = {true, true, false, true}, .part_us = {2000, 30000, 99, 60000}};
    char text[XF_DOWNTIME_BYTES];

    (void)state;
    assert_int_equal(xf_downtime_sum_us(&d), 92000);
    assert_string_equal(xf_downtime_show(text, &d),
                        "at least 92 ms: freeze 2.0, copy 30, context 60");
    d.have[XF_DOWNTIME_DEVICES] = d.have[XF_DOWNTIME_GO] = d.whole = true;
    d.part_us[XF_DOWNTIME_DEVICES] = 6900000;
    d.us = 6992000;
    assert_string_equal(xf_downtime_show(text, &d),
                        "6992 ms: freeze 2.0, copy 30, context 60, devices 6900, go 0.0");
    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++) {
        d.have[i] = true;
        d.part_us[i] = d.us = UINT64_MAX;
    }
    xf_downtime_show(text, &d); /* cut, at worst */
}

static void json_has_what_is_there(void **state)
{
    struct json_object *from = json_tokener_parse(
        "{\"freeze_us\":1,\"copy_us\":-2,\"verify_us\":\"3\",\"go_us\":9223372036854775807}");
    struct json_object *to = json_object_new_object();
    struct xf_downtime d = {0};

    (void)state;
    assert_false(xf_downtime_any(&d));
    xf_downtime_take(&d, from);
    assert_true(xf_downtime_any(&d));
    assert_true(d.have[XF_DOWNTIME_FREEZE] && d.have[XF_DOWNTIME_GO]);
    assert_false(d.have[XF_DOWNTIME_COPY] || d.have[XF_DOWNTIME_VERIFY]);
    assert_int_equal(d.part_us[XF_DOWNTIME_GO], INT64_C(1) << 53);
    xf_downtime_put(to, &d);
    assert_string_equal(json_object_to_json_string_ext(to, JSON_C_TO_STRING_PLAIN),
                        "{\"freeze_us\":1,\"go_us\":9007199254740992}");
    json_object_put(from);
    json_object_put(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_that_is_not_known_is_not_shown),
        cmocka_unit_test(json_has_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
