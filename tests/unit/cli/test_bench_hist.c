/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Percentiles of bench link's round trips: never less than the true ones, and hardly more. */
#include "tests/unit/common/unit.h"

#include "transport/base/random.h"
#include "xl-plugin/bench/bench_hist.h"

static struct xf_bench_hist h, other;

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void test_small_ones_are_exact(void **state)
{
    (void)state;
    h = (struct xf_bench_hist){0};
    assert_int_equal(xf_bench_hist_percentile(&h, 50), 0);
    xf_bench_hist_add(&h, 7);
    assert_int_equal(xf_bench_hist_percentile(&h, 0.1), 7);
    assert_int_equal(xf_bench_hist_percentile(&h, 99.9), 7);
    for (unsigned ns = 1; ns < 100; ns++) /* 1 to 99, and a 7 more */
        xf_bench_hist_add(&h, ns);
    assert_int_equal(xf_bench_hist_percentile(&h, 50), 49);
    assert_int_equal(xf_bench_hist_percentile(&h, 100), 99);
}

static void test_against_a_sorted_list(void **state)
{
    static uint64_t all[10000];
    const double pcts[] = {50, 99, 99.9, 100};
    struct xf_random random = {.state = 5};

    (void)state;
    h = other = (struct xf_bench_hist){0};
    for (unsigned i = 0; i < 10000; i++) {
        all[i] = xf_random_next(&random) >> (24 + xf_random_below(&random, 30));
        xf_bench_hist_add(i % 3 ? &h : &other, all[i]);
    }
    xf_bench_hist_merge(&h, &other);
    qsort(all, 10000, sizeof(all[0]), by_value);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t want = all[(unsigned)(pcts[i] * 100 + 0.5) - 1],
                 got = xf_bench_hist_percentile(&h, pcts[i]);

        assert_true(got >= want && got <= want + want / 63);
    }
    struct xf_bench_rtt rtt = xf_bench_hist_rtt(&h);

    assert_int_equal(rtt.n, 10000);
    assert_int_equal(rtt.p999_ns, xf_bench_hist_percentile(&h, 99.9));
    assert_true(rtt.p50_ns <= rtt.p99_ns && rtt.p99_ns <= rtt.p999_ns);
}

static void test_longer_than_can_be(void **state)
{
    (void)state;
    h = (struct xf_bench_hist){0};
    xf_bench_hist_add(&h, UINT64_MAX);
    assert_int_equal(xf_bench_hist_percentile(&h, 50), BENCH_HIST_MAX_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_ones_are_exact),
        cmocka_unit_test(test_against_a_sorted_list),
        cmocka_unit_test(test_longer_than_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
