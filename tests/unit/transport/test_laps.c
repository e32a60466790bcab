/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Laps: every cycle of a step that was not idle is one stage's, and no stage's twice. */
#include "tests/unit/common/pair.h"

#include "transport/base/laps.h"

static uint64_t now(void)
{
    return __builtin_ia32_rdtsc();
}

static void spin(uint64_t cycles)
{
    uint64_t end = now() + cycles;

    while (now() < end) {
    }
}

static uint64_t sum_of(const uint64_t *cycles)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        sum += cycles[i];
    return sum;
}

/* A step of ten packets: two parts read, five seal, one bookkeeping. */
static uint64_t step(struct xf_laps *l, bool idle)
{
    xf_laps_begin(l);
    uint64_t began = l->at;

    spin(5000);
    xf_lap(l, XF_STAGE_receive);
    for (unsigned i = 0; i < 10 && !idle; i++) {
        spin(4000);
        xf_lap_packet(l, XF_STAGE_read);
        if (i == 5) {
            xf_lap_packets(l, XF_STAGE_read);
            spin(20000);
            xf_lap(l, XF_STAGE_guest);
        }
        spin(10000);
        xf_lap_packet(l, XF_STAGE_seal);
        spin(2000);
        xf_lap_packet(l, XF_STAGE_bookkeeping);
    }
    if (!idle)
        xf_lap_packets(l, XF_STAGE_bookkeeping);
    spin(3000);
    xf_lap(l, XF_STAGE_transmit);
    xf_laps_end(l, idle);
    return l->at - began;
}

static void test_they_add_up(void **state)
{
    struct xf_laps l = {0};
    uint64_t cycles[XF_STAGE_COUNT], busy = 0;

    (void)state;
    assert_int_equal(xf_laps_read(&l, cycles), 0);
    for (unsigned i = 0; i < 10 * XF_LAPS_EVERY; i++) {
        bool idle = i % 4 == 3;
        uint64_t took = step(&l, idle);

        busy += idle ? 0 : took;
    }
    assert_int_equal(xf_laps_read(&l, cycles), busy);
    assert_int_equal(sum_of(cycles), busy);
    assert_int_equal(cycles[XF_STAGE_open], 0);
    assert_int_equal(cycles[XF_STAGE_write], 0);
    /* Every step has these, so they are measured and not divided. */
    assert_true(cycles[XF_STAGE_receive] >= 5000 * 90);
    assert_true(cycles[XF_STAGE_guest] >= 20000 * 90);
    assert_true(l.ended - l.began >= busy && l.ended - l.began < now());
}

/* What was not told apart is divided as what was: by figures, since others may use our core. */
static void test_what_is_mixed_is_divided(void **state)
{
    struct xf_laps l = {0};
    uint64_t cycles[XF_STAGE_COUNT];

    (void)state;
    l.spent[XF_STAGE_read] = l.split[XF_STAGE_read] = 20;
    l.spent[XF_STAGE_seal] = l.split[XF_STAGE_seal] = 70;
    l.spent[XF_STAGE_bookkeeping] = 500;
    l.split[XF_STAGE_bookkeeping] = 10;
    l.spent[XF_STAGE_transmit] = 1000;
    l.spent[XF_STAGE_MIXED] = 1001;
    assert_int_equal(xf_laps_read(&l, cycles), 20 + 70 + 500 + 1000 + 1001);
    assert_int_equal(sum_of(cycles), 20 + 70 + 500 + 1000 + 1001);
    assert_int_equal(cycles[XF_STAGE_read], 20 + 200);
    assert_int_equal(cycles[XF_STAGE_seal], 70 + 700);
    assert_int_equal(cycles[XF_STAGE_bookkeeping], 500 + 100 + 1);
    assert_int_equal(cycles[XF_STAGE_transmit], 1000);
}

/* Nothing was told apart: it is somebody's all the same. */
static void test_nothing_to_divide_by(void **state)
{
    struct xf_laps l = {0};
    uint64_t cycles[XF_STAGE_COUNT];

    (void)state;
    l.spent[XF_STAGE_MIXED] = 1000;
    assert_int_equal(xf_laps_read(&l, cycles), 1000);
    assert_int_equal(cycles[XF_STAGE_bookkeeping], 1000);
}

/* A whole session: each end has the stages that it has, and no more time than passed. */
static void test_a_session(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(1);
    uint64_t source[XF_STAGE_COUNT], target[XF_STAGE_COUNT], began = now();

    (void)state;
    c.fill = XF_FILL_RANDOM;
    pair_open(&p, &c);
    pair_run(&p, 60000000);
    pair_assert_same(&p);

    uint64_t sum = xf_laps_read(&xf_source_stats(p.source)->laps, source) +
                   xf_laps_read(&xf_target_stats(p.target)->laps, target);

    assert_true(sum > 0 && sum < now() - began);
    for (unsigned i = 0; i < XF_STAGE_COUNT; i++) {
        bool targets = i == XF_STAGE_open || i == XF_STAGE_write;
        bool sources = i == XF_STAGE_read || i == XF_STAGE_seal;

        if (!source[i] != targets || !target[i] != sources)
            fail_msg("%s: source %llu, target %llu", xf_stage_names[i],
                     (unsigned long long)source[i], (unsigned long long)target[i]);
    }
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_add_up),
        cmocka_unit_test(test_what_is_mixed_is_divided),
        cmocka_unit_test(test_nothing_to_divide_by),
        cmocka_unit_test(test_a_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
