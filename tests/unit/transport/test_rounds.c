/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounds: the stop policy, and how fast rounds go. */
#include "tests/unit/common/unit.h"

#include "transport/rounds.h"

/* 1000 pages a tenth of a second. */
#define BYTES_PER_S 40960000u

static struct xf_round a_round(uint64_t pages, uint64_t dirty)
{
    return (struct xf_round){
        .pages = pages,
        .dirty_pages = dirty,
        .left_pages = dirty,
        .us = pages * 100,
        .bytes_per_s = BYTES_PER_S,
    };
}

static void test_stops_when_it_is_short(void **state)
{
    struct xf_policy p;
    struct xf_rounds rounds = {0};
    struct xf_round r = a_round(10000, 1000);
    uint64_t us;

    (void)state;
    xf_policy_init(&p);
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_STOP);
    assert_int_equal(us, 100000);
    r.fixed_us = 250000;
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_AGAIN);
    assert_int_equal(us, 350000);
    /* Of what is dirty, not all has to go while the guest stands. */
    r.left_pages = 500;
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_STOP);
    assert_int_equal(us, 300000);

    /* Nothing left: whatever the rate and the round trip; no rate known: not yet. */
    r = (struct xf_round){.fixed_us = 300001};
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_STOP);
    assert_int_equal(us, 300001);
    r.left_pages = 1;
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_AGAIN);
    assert_true(us == UINT64_MAX);
}

/* Rounds until something else than another one comes. */
static uint32_t until(const struct xf_policy *p, uint64_t pages, uint64_t (*dirty)(uint64_t pages),
                      enum xf_round_next *next)
{
    struct xf_rounds rounds = {0};
    uint64_t us;

    do {
        struct xf_round r = a_round(pages, dirty(pages));

        *next = xf_policy_next(p, &rounds, &r, &us);
        pages = r.dirty_pages;
    } while (*next == XF_ROUND_AGAIN);
    return rounds.done;
}

static uint64_t all(uint64_t pages)
{
    return pages;
}

static uint64_t a_bit_less(uint64_t pages)
{
    return pages - pages / 8;
}

static uint64_t up_and_down(uint64_t pages)
{
    return pages > 50000 ? pages / 2 : pages * 2;
}

static void test_busy_guest_is_found_out(void **state)
{
    struct xf_policy p;
    enum xf_round_next next;

    (void)state;
    xf_policy_init(&p);
    /* The first round says nothing yet. */
    assert_int_equal(until(&p, 100000, all, &next), 1 + XF_STALLED_ROUNDS_MAX);
    assert_int_equal(next, XF_ROUND_STOP);
    assert_int_equal(until(&p, 100000, up_and_down, &next), XF_ROUNDS_MAX + 1);
    assert_int_equal(next, XF_ROUND_STOP);
    p.on_busy = XF_ON_BUSY_ABORT;
    assert_int_equal(until(&p, 100000, all, &next), 1 + XF_STALLED_ROUNDS_MAX);
    assert_int_equal(next, XF_ROUND_GIVE_UP);
    assert_int_equal(until(&p, 100000, up_and_down, &next), XF_ROUNDS_MAX + 1);
    assert_int_equal(next, XF_ROUND_GIVE_UP);

    /* Slowly is progress: 100000 * (7/8)^27 are below 3000 pages, which take 300 ms. */
    assert_int_equal(until(&p, 100000, a_bit_less, &next), 27);
    assert_int_equal(next, XF_ROUND_STOP);
}

static void test_is_slowed_down_first(void **state)
{
    struct xf_policy p;
    struct xf_rounds rounds = {0};
    struct xf_round r = a_round(100000, 100000);
    static const unsigned left[] = {100, 50, 25, 12, 6, 3, 1, 1, 1};
    enum xf_round_next next;
    uint64_t us;

    (void)state;
    xf_policy_init(&p);
    p.throttle = true;
    p.on_busy = XF_ON_BUSY_ABORT;
    for (unsigned i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_AGAIN);
        assert_int_equal(xf_rounds_throttle_pct(&rounds), left[i]);
    }
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_GIVE_UP);

    /* No further than until rounds shrink. */
    rounds = (struct xf_rounds){0};
    xf_policy_next(&p, &rounds, &r, &us);
    xf_policy_next(&p, &rounds, &r, &us);
    r.dirty_pages = a_bit_less(r.pages);
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_AGAIN);
    assert_int_equal(xf_rounds_throttle_pct(&rounds), 50);
    assert_int_equal(until(&p, 100000, up_and_down, &next), XF_ROUNDS_MAX + 1);
    assert_int_equal(next, XF_ROUND_GIVE_UP);
}

/* What is dirty after each round, up to a 0; whether the last of them ends the rounds, and no
 * other.
 */
static void ends_after(const struct xf_policy *p, const uint64_t *dirty, enum xf_round_next end)
{
    struct xf_rounds rounds = {0};
    uint64_t pages = 100000, us;

    for (; *dirty; dirty++) {
        struct xf_round r = a_round(pages, *dirty);

        r.now_us = (rounds.done + 1) * UINT64_C(1000000);
        assert_int_equal(xf_policy_next(p, &rounds, &r, &us), dirty[1] ? XF_ROUND_AGAIN : end);
        pages = *dirty;
    }
}

static void test_waits_for_a_good_moment(void **state)
{
    static const uint64_t bursts[] = {50000, 9000, 80000, 80000, 80000, 80000, 10000, 0};
    static const uint64_t never[] = {50000, 9000,  80000, 80000, 80000, 80000, 80000, 80000,
                                     80000, 80000, 80000, 80000, 80000, 80000, 80000, 0};
    static const uint64_t calms[] = {50000, 9000, 80000, 80000, 80000, 80000, 4000, 3500, 3000, 0};
    struct xf_policy p;

    (void)state;
    xf_policy_init(&p);
    ends_after(&p, bursts, XF_ROUND_STOP);
    ends_after(&p, never, XF_ROUND_STOP);
    /* One that has calmed down is not suspended while rounds shrink. */
    ends_after(&p, calms, XF_ROUND_STOP);
    p.on_busy = XF_ON_BUSY_ABORT;
    ends_after(&p, bursts, XF_ROUND_GIVE_UP);
    ends_after(&p, never, XF_ROUND_GIVE_UP);
    ends_after(&p, calms, XF_ROUND_STOP);
}

static void test_deadline_and_now(void **state)
{
    static const uint64_t shrinks[] = {50000, 40000, 0}, first[] = {50000, 0};
    struct xf_policy p;

    (void)state;
    xf_policy_init(&p);
    p.until_us = 2000000;
    ends_after(&p, shrinks, XF_ROUND_STOP);
    p.on_busy = XF_ON_BUSY_ABORT;
    ends_after(&p, shrinks, XF_ROUND_GIVE_UP);
    /* The user knows. */
    p.now = true;
    ends_after(&p, first, XF_ROUND_STOP);
}

/* What was seen before a change of the bandwidth is not waited for. */
static void test_renewed(void **state)
{
    struct xf_rounds rounds = {.done = 9, .stalled = 2, .waited = 1, .has_least = true};
    struct xf_round r = a_round(80000, 80000);
    struct xf_policy p;
    uint64_t us;

    (void)state;
    xf_policy_init(&p);
    xf_rounds_renew(&rounds);
    for (unsigned i = 1; i < XF_STALLED_ROUNDS_MAX; i++)
        assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_AGAIN);
    assert_int_equal(xf_policy_next(&p, &rounds, &r, &us), XF_ROUND_STOP);
}

/* What a stop takes besides its rounds leaves less for them; if it takes all, they are held to it
   by themselves. */
static void test_fixed_part(void **state)
{
    struct xf_policy p;
    struct xf_round r = a_round(10000, 5000);
    uint64_t us, alone_us;

    (void)state;
    xf_policy_init(&p);
    xf_policy_next(&p, &(struct xf_rounds){0}, &r, &alone_us);
    p.max_downtime_us = alone_us + 1000;
    p.fixed_us = 1000;
    assert_int_equal(xf_policy_next(&p, &(struct xf_rounds){0}, &r, &us), XF_ROUND_STOP);
    assert_int_equal(us, alone_us);
    p.fixed_us = 1001;
    assert_int_equal(xf_policy_next(&p, &(struct xf_rounds){0}, &r, &us), XF_ROUND_AGAIN);
    p.fixed_us = p.max_downtime_us;
    assert_int_equal(xf_policy_next(&p, &(struct xf_rounds){0}, &r, &us), XF_ROUND_STOP);
}

static void test_what_is_said_of_it(void **state)
{
    struct xf_policy p;
    struct xf_round r = a_round(10000, 20000);
    char line[XF_BUSY_BYTES];

    (void)state;
    xf_policy_init(&p);
    xf_policy_say_busy(line, &p, &r, 2000000);
    for (unsigned i = 0; i < 7; i++) {
        static const char *const words[] = {"0.655 Gbit/s", "0.328",          "2000 ms",
                                            "not 300",      "--max-downtime", "--throttle",
                                            "--on-busy=go"};

        if (!strstr(line, words[i]))
            fail_msg("no '%s' in '%s'", words[i], line);
    }
    /* All of the downtime, and all that is allowed. */
    p.fixed_us = 250000;
    xf_policy_say_busy(line, &p, &r, 2000000);
    assert_non_null(strstr(line, "would be 2250 ms, not 300:"));
    /* Whatever the figures. */
    r.us = 1;
    p.max_downtime_us = 3600000000;
    xf_policy_say_busy(line, &p, &r, UINT64_MAX - 1);
    assert_non_null(strstr(line, "--on-busy=go"));
    xf_policy_say_late(line);
    assert_non_null(strstr(line, "--deadline"));
    assert_non_null(strstr(line, "--on-busy=go"));
}

static void test_speed(void **state)
{
    struct xf_speed s = {0};

    (void)state;
    assert_int_equal(xf_speed_bytes_per_s(&s), 0);
    /* All zero but some: better than nothing. */
    xf_speed_take(&s, 10000, 255, 1000000);
    assert_int_equal(xf_speed_bytes_per_s(&s), BYTES_PER_S);
    /* What the guest writes is another matter than what it is. */
    xf_speed_take(&s, 1000, 1000, 50000);
    assert_int_equal(xf_speed_bytes_per_s(&s), BYTES_PER_S * 2);
    /* From few pages nothing follows. */
    xf_speed_take(&s, 255, 255, 100000);
    assert_int_equal(xf_speed_bytes_per_s(&s), BYTES_PER_S * 2);
    /* The newest counts for most. */
    xf_speed_take(&s, 1000, 1000, 200000);
    assert_int_equal(xf_speed_bytes_per_s(&s), (uint64_t)(1500 * 4096e6 / 225000));
    xf_speed_take(&s, 1000, 1000, 0);
    assert_int_equal(xf_speed_bytes_per_s(&s), (uint64_t)(1500 * 4096e6 / 225000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_when_it_is_short),
        cmocka_unit_test(test_busy_guest_is_found_out),
        cmocka_unit_test(test_is_slowed_down_first),
        cmocka_unit_test(test_waits_for_a_good_moment),
        cmocka_unit_test(test_deadline_and_now),
        cmocka_unit_test(test_renewed),
        cmocka_unit_test(test_fixed_part),
        cmocka_unit_test(test_what_is_said_of_it),
        cmocka_unit_test(test_speed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
