/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the guest's interfaces spoke: shown and kept as far as it is known, from whatever a file
 * says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "xl-plugin/screen/reachable.h"

static void take(struct xf_reachable *r, const char *json)
{
    struct json_object *array = json_tokener_parse(json);

    *r = (struct xf_reachable){.n = 0};
    xf_reachable_take_all(r, array);
    json_object_put(array);
}

static void each_interface_is_shown(void **state)
{
    struct xf_reachable r;
    char text[XF_REACHABLE_BYTES];
    uint64_t us;

    (void)state;
    take(&r, "[{\"vif\":0,\"mac\":\"00:16:3e:00:00:01\",\"reachable_after_us\":1900000}]");
    assert_string_equal(xf_reachable_show(text, &r), "after 1.9 s");
    assert_true(xf_reachable_all(&r, &us));
    assert_int_equal(us, 1900000);
    take(&r,
         "[{\"vif\":0,\"reachable_after_us\":1900000},{\"vif\":2,\"reachable_after_us\":2500}]");
    assert_string_equal(xf_reachable_show(text, &r), "after 1.9 s (vif 0), after 2.5 ms (vif 2)");
    assert_true(xf_reachable_all(&r, &us));
    assert_int_equal(us, 1900000);
    take(&r, "[{\"vif\":0,\"reachable_after_us\":1},{\"vif\":1,\"reachable_after_us\":null}]");
    assert_string_equal(xf_reachable_show(text, &r),
                        "after 1 us (vif 0), not seen in 30 s (vif 1)");
    assert_false(xf_reachable_all(&r, &us));
    take(&r, "[]");
    assert_false(xf_reachable_all(&r, &us));
}

static void what_was_kept_is_taken_again(void **state)
{
    static const char kept[] =
        "[{\"vif\":0,\"mac\":\"00:16:3e:00:00:01\",\"reachable_after_us\":5},"
        "{\"vif\":7,\"reachable_after_us\":null}]";
    struct xf_reachable r;
    struct json_object *o;

    (void)state;
    take(&r, kept);
    o = xf_reachable_json(&r);
    assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), kept);
    json_object_put(o);
}

static void what_cannot_be_is_left_out(void **state)
{
    static const char *const macs[] = {
        "00:16:3e:00:00:0", "00:16:3e:00:00:01:",  "00:16:3E:00:00:01",
        "\\\"} 1\\n",       "00:16:3e:00:00:0\\n", ""};
    struct xf_reachable r;
    char text[200], many[64 * 40 * 2] = "[", shown[XF_REACHABLE_BYTES];

    (void)state;
    take(&r, "[{\"vif\":-1},{\"vif\":65536},{\"vif\":\"0\"},{},7,null,[]]");
    assert_int_equal(r.n, 0);
    take(&r, "{\"vif\":1}");
    assert_int_equal(r.n, 0);
    for (size_t i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
        snprintf(text, sizeof(text), "[{\"vif\":1,\"mac\":\"%s\"}]", macs[i]);
        take(&r, text);
        assert_int_equal(r.n, 1);
        assert_string_equal(r.at[0].mac, "");
    }
    take(&r, "[{\"vif\":1,\"reachable_after_us\":9223372036854775807},"
             "{\"vif\":1,\"reachable_after_us\":-5}]");
    assert_int_equal(r.n, 1);
    assert_false(r.at[0].seen);
    for (unsigned i = 0; i < 2 * XF_REACHABLE_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s{\"vif\":%u}", i ? "," : "",
                 i);
    strcat(many, "]");
    take(&r, many);
    assert_int_equal(r.n, XF_REACHABLE_MAX);
    xf_reachable_show(shown, &r); /* cut */
    assert_int_equal(strlen(shown), XF_REACHABLE_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_interface_is_shown),
        cmocka_unit_test(what_was_kept_is_taken_again),
        cmocka_unit_test(what_cannot_be_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
