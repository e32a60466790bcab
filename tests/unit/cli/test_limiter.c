/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What limited a move, by figures that are made up: a row each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "xl-plugin/screen/limiter.h"

#define WAITS(name) [XF_STAGE_COUNT + XF_WAIT_##name]
#define G           UINT64_C(1000000000)

/* Of two seconds with 9 of 10 Gbit/s, nothing lost and nobody busy, what is another; 0: as there.
 */
static const struct {
    const char *says;
    struct xf_spent source, target;
    unsigned lanes;
    uint64_t bandwidth_bps, wire_bps, path_bps, lost, dropped;
    bool no_path, no_target;
} rows[] = {
    {"the target's core: 97 % busy, open and write 71 %; a second lane may help",
     .target.pct = {[XF_STAGE_open] = 31, [XF_STAGE_write] = 40, [XF_STAGE_receive] = 26},
     .source.pct = {[XF_STAGE_seal] = 50, WAITS(path) = 40}},
    {"the target's cores: 95 % busy, guest and bookkeeping 95 %",
     .target.pct = {[XF_STAGE_guest] = 90, [XF_STAGE_bookkeeping] = 5}, .lanes = 4},
    {"the source's core: 95 % busy, read and seal 95 %; a second lane may help",
     .target.pct = {[XF_STAGE_open] = 86},
     .source.pct = {[XF_STAGE_seal] = 55, [XF_STAGE_read] = 40}},
    /* A limit that is kept comes first, whoever is busy. */
    {"the bandwidth limit, 10.00 Gbit/s", .bandwidth_bps = 10 * G,
     .source.pct = {[XF_STAGE_seal] = 99}},
    {"the source's core: 99 % busy, guest and seal 99 %; a second lane may help",
     .bandwidth_bps = 20 * G, .source.pct = {[XF_STAGE_seal] = 99}},
    /* A busy machine comes less near to it. */
    {"the bandwidth limit, 6.00 Gbit/s", .bandwidth_bps = 6 * G, .wire_bps = 4 * G,
     .path_bps = 20 * G, .source.pct = {[XF_STAGE_seal] = 10, WAITS(path) = 70}},
    /* No more than it lets through was seen. */
    {"the bandwidth limit, 400 Mbit/s", .bandwidth_bps = 400000000, .wire_bps = 388000000,
     .path_bps = 398000000, .source.pct = {WAITS(path) = 70}},
    {"the link: it carries 300 Mbit/s", .bandwidth_bps = 400000000, .wire_bps = 290000000,
     .path_bps = 300000000, .source.pct = {WAITS(path) = 70}},
    {"the link: it carries 10.00 Gbit/s, lost 2 %", .lost = 2000,
     .source.pct = {[XF_STAGE_seal] = 40, WAITS(path) = 50, WAITS(credit) = 10}},
    {"the link: it carries 940 Mbit/s", .path_bps = 940000000, .wire_bps = 900000000,
     .source.pct = {WAITS(path) = 50}},
    {"the link", .no_path = true, .source.pct = {WAITS(path) = 50}},
    {"the target's core: its port dropped 2 % of the packets, unread", .lost = 2000,
     .dropped = 1900, .source.pct = {WAITS(path) = 50}},
    {"the receiver's credit: the source waited for it 40 %",
     .source.pct = {WAITS(path) = 10, WAITS(credit) = 40}},
    /* A path that would carry much more is not what was waited for. */
    {"the receiver's credit: the source waited for it 20 %", .path_bps = 40 * G,
     .source.pct = {WAITS(path) = 40, WAITS(credit) = 20}},
    {"the link: it carries 40.00 Gbit/s", .path_bps = 40 * G,
     .source.pct = {WAITS(path) = 60, WAITS(credit) = 20}},
    {"the source's port: it had no room 40 % of the time", .source.pct = {WAITS(port) = 40}},
    {"the guest: little to send, nothing for 60 % of the time",
     .source.pct = {WAITS(pages) = 60, WAITS(path) = 10}},
    /* Nothing stands out: the busier one. */
    {"the source's core: 70 % busy, read and seal 70 %; a second lane may help",
     .source.pct = {[XF_STAGE_seal] = 60, [XF_STAGE_read] = 10, WAITS(path) = 9}},
    {"the source's core: 88 % busy, guest and seal 88 %; a second lane may help", .no_target = true,
     .target.pct = {99}, .source.pct = {[XF_STAGE_seal] = 88}},
};

static struct xf_limiter of_row(size_t i)
{
    const unsigned lanes = rows[i].lanes ? rows[i].lanes : 1;

    return (struct xf_limiter){
        .source = {.known = true, .lanes = lanes, .spent = rows[i].source},
        .target = {.known = !rows[i].no_target, .lanes = lanes, .spent = rows[i].target},
        .memory_us = 2000000,
        .wire_bps = rows[i].wire_bps ? rows[i].wire_bps : 9 * G,
        .path_bps = rows[i].no_path    ? 0
                    : rows[i].path_bps ? rows[i].path_bps
                                       : 10 * G,
        .bandwidth_bps = rows[i].bandwidth_bps,
        .packets_sent = 100000,
        .packets_lost = rows[i].lost,
        .target_dropped = rows[i].dropped,
    };
}

static void each_has_its_sentence(void **state)
{
    char text[XF_LIMITER_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xf_limiter l = of_row(i);

        assert_string_equal(xf_limiter_say(text, &l), rows[i].says);
    }
}

static void nothing_is_said_of_what_is_not_known(void **state)
{
    struct xf_limiter l = of_row(0);
    char text[XF_LIMITER_BYTES];

    (void)state;
    l.memory_us = 49999;
    assert_string_equal(xf_limiter_say(text, &l), "the guest: little memory to send");
    l.memory_us = 0;
    assert_string_equal(xf_limiter_say(text, &l), "");
    l = of_row(0);
    l.source.known = false;
    assert_string_equal(xf_limiter_say(text, &l), "");
}

static void a_table_has_two_lines(void **state)
{
    char text[] = "the target's core: busy; a second lane", one[] = "the link";

    (void)state;
    assert_string_equal(xf_limiter_split(text), "a second lane");
    assert_string_equal(text, "the target's core: busy;");
    assert_null(xf_limiter_split(one));
}

/* What the other host says may be anything. */
static void times_are_taken_within_limits(void **state)
{
    struct json_object *o = json_tokener_parse(
        "{\"read\":-5,\"seal\":1000,\"open\":\"x\",\"write\":7,\"wait_path\":8,\"more\":9}");
    struct xf_limiter_end end = {0};

    (void)state;
    xf_limiter_take_time(&end, o);
    assert_true(end.known);
    assert_int_equal(end.spent.pct[XF_STAGE_read], 0);
    assert_int_equal(end.spent.pct[XF_STAGE_seal], 100);
    assert_int_equal(end.spent.pct[XF_STAGE_open], 0);
    assert_int_equal(end.spent.pct[XF_STAGE_write], 7);
    assert_int_equal(end.spent.pct[XF_STAGE_COUNT + XF_WAIT_path], 8);
    json_object_put(o);
    xf_limiter_take_time(&end, NULL);
    assert_false(end.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_sentence),
        cmocka_unit_test(nothing_is_said_of_what_is_not_known),
        cmocka_unit_test(a_table_has_two_lines),
        cmocka_unit_test(times_are_taken_within_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
