/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long a migration will take, by arithmetic that can be done by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transport/guest.h"
#include "transport/forecast.h"

#define MEMORY (UINT64_C(1000) * XF_PAGE_BYTES) /* a second at RATE */
#define RATE   MEMORY

static enum xf_forecast_verify verify;

static struct xf_forecast forecast(uint64_t writes, uint64_t max_downtime_us, uint64_t fixed_us)
{
    struct xf_policy policy;
    struct xf_forecast f;

    xf_policy_init(&policy);
    policy.max_downtime_us = max_downtime_us;
    xf_forecast(&(struct xf_forecast_of){.memory_bytes = MEMORY,
                                         .rate = RATE,
                                         .writes = writes,
                                         .fixed_us = fixed_us,
                                         .verify = verify},
                &policy, &f);
    return f;
}

static void a_quiet_guest_goes_once(void **state)
{
    struct xf_forecast f = forecast(0, 300000, 20000);

    (void)state;
    assert_int_equal(f.rounds, 2);
    assert_int_equal(f.bytes, MEMORY);
    assert_int_equal(f.time_us, 1020000);
    assert_int_equal(f.downtime_us, 20000);
}

/* Half of it is dirty after the first round, a quarter after the second: 250 ms. */
static void rounds_shrink(void **state)
{
    struct xf_forecast f = forecast(RATE / 2, 300000, 0);

    (void)state;
    assert_int_equal(f.rounds, 3);
    assert_int_equal(f.bytes, MEMORY * 7 / 4);
    assert_int_equal(f.time_us, 1750000);
    assert_int_equal(f.downtime_us, 250000);
    /* With more patience for the pause, one less. */
    f = forecast(RATE / 2, 600000, 0);
    assert_int_equal(f.rounds, 2);
    assert_int_equal(f.downtime_us, 500000);
}

/* What comes besides the pages is taken off first: 200 ms more, and the 250 ms of the second round
   are too many. If it alone is too long, it changes nothing but the sum. */
static void what_comes_besides_counts(void **state)
{
    struct xf_forecast f = forecast(RATE / 2, 300000, 200000);

    (void)state;
    assert_int_equal(f.rounds, 5);
    assert_int_equal(f.downtime_us, 262000);
    f = forecast(RATE / 2, 300000, 7000000);
    assert_int_equal(f.rounds, 3);
    assert_int_equal(f.downtime_us, 7250000);
}

/* The first round, three more without progress, then all of it once more while it stands. */
static void a_restless_guest_is_stopped(void **state)
{
    struct xf_forecast f = forecast(RATE, 300000, 5000), more = forecast(1000 * RATE, 300000, 5000);

    (void)state;
    assert_int_equal(f.rounds, 5);
    assert_int_equal(f.bytes, 5 * MEMORY);
    assert_int_equal(f.time_us, 5005000);
    assert_int_equal(f.downtime_us, 1005000);
    assert_int_equal(more.rounds, f.rounds);
    assert_int_equal(more.bytes, f.bytes);
    assert_int_equal(more.time_us, f.time_us);
    assert_int_equal(more.downtime_us, f.downtime_us);
}

/* 100 pages in 100 ms, 200 in 300 ms, 300 in 900 ms: what lies between, before and after. */
static void a_guest_that_was_measured(void **state)
{
    static const struct xf_written written[] = {{100000, 100}, {300000, 200}, {900000, 300}};
    struct xf_forecast_of of = {.memory_bytes = MEMORY, .rate = RATE, .written = written};
    struct xf_policy policy;
    struct xf_forecast f;

    (void)state;
    xf_policy_init(&policy);
    policy.max_downtime_us = 400000;
    of.written_n = 3;
    /* After a second: 300 and a sixth of 100; 316 ms are little enough. */
    xf_forecast(&of, &policy, &f);
    assert_int_equal(f.rounds, 2);
    assert_int_equal(f.downtime_us, 316000);
    assert_int_equal(f.bytes, UINT64_C(1316) * XF_PAGE_BYTES);
    /* In 316 ms 202, in those 150, in those 125, in those 112, and so on. */
    policy.max_downtime_us = 120000;
    xf_forecast(&of, &policy, &f);
    assert_int_equal(f.rounds, 6);
    assert_int_equal(f.downtime_us, 112000);
    /* One look is a rate. */
    of.written_n = 1;
    xf_forecast(&of, &policy, &f);
    assert_int_equal(f.rounds, 5);
    assert_int_equal(f.downtime_us, 1000000);
    of.written = (const struct xf_written[]){{100000, 0}};
    xf_forecast(&of, &policy, &f);
    assert_int_equal(f.downtime_us, 0);
}

/* The first look may have been too short. */
static void the_rate_of_what_was_measured(void **state)
{
    static const struct xf_written looks[] = {{8000, 0}, {500000, 50}, {1000000, 60}};

    (void)state;
    assert_int_equal(xf_written_rate(looks, 3), 100 * XF_PAGE_BYTES);
    assert_int_equal(xf_written_rate(looks, 1), 0);
    assert_int_equal(xf_written_rate(looks, 0), 0);
}

static void a_guest_without_memory_takes_no_time(void **state)
{
    struct xf_policy policy;
    struct xf_forecast f;

    (void)state;
    xf_policy_init(&policy);
    xf_forecast(&(struct xf_forecast_of){.rate = RATE, .writes = RATE}, &policy, &f);
    assert_int_equal(f.bytes, 0);
    assert_int_equal(f.time_us, 0);
}

/* To compare takes time: while the guest runs, in which it writes, or while it stands. */
static void a_move_that_verifies(void **state)
{
    struct xf_forecast f;

    (void)state;
    verify = XF_FORECAST_VERIFIED_LIVE;
    f = forecast(0, 300000, 20000);
    assert_int_equal(f.time_us, 2020000);
    assert_int_equal(f.downtime_us, 20000);
    assert_int_equal(f.bytes, MEMORY);
    /* A tenth is written in each second: 200 pages, then 20, sent and compared. */
    f = forecast(RATE / 10, 300000, 0);
    assert_int_equal(f.rounds, 3);
    assert_int_equal(f.downtime_us, 40000);
    verify = XF_FORECAST_VERIFIED_STOPPED;
    f = forecast(0, 300000, 20000);
    assert_int_equal(f.rounds, 2);
    assert_int_equal(f.downtime_us, 1020000);
    verify = XF_FORECAST_NOT_VERIFIED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_that_verifies),
        cmocka_unit_test(a_quiet_guest_goes_once),
        cmocka_unit_test(rounds_shrink),
        cmocka_unit_test(what_comes_besides_counts),
        cmocka_unit_test(a_restless_guest_is_stopped),
        cmocka_unit_test(a_guest_that_was_measured),
        cmocka_unit_test(the_rate_of_what_was_measured),
        cmocka_unit_test(a_guest_without_memory_takes_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
