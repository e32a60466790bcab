/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The search of bench link --search, over links that lose what they cannot carry. */
#include "tests/unit/common/unit.h"

#include "xl-plugin/bench/bench_search.h"

/* A link that carries so many packets a second and loses the rest, and a sender that makes at most
   so many. */
struct link {
    double carries_pps, sender_pps, always_lost_pct;
    double sent_pps[BENCH_TRIALS_MAX + 1];
    unsigned trials;
};

static void search(struct link *l, struct xf_bench_search *s)
{
    uint64_t pps;

    xf_bench_search_init(s);
    for (l->trials = 0; xf_bench_search_next(s, &pps); l->trials++) {
        double sent =
            pps == BENCH_RATE_MAX || (double)pps > l->sender_pps ? l->sender_pps : (double)pps;
        double lost = sent > l->carries_pps ? 100 * (sent - l->carries_pps) / sent : 0;

        assert_true(l->trials < BENCH_TRIALS_MAX);
        assert_true(pps > 0);
        assert_int_equal(pps == BENCH_RATE_MAX, l->trials == 0);
        l->sent_pps[l->trials] = sent;
        xf_bench_search_tell(s, pps, sent, lost + l->always_lost_pct);
    }
}

static double found(const struct link *l, const struct xf_bench_search *s, unsigned goal)
{
    return s->goals[goal].best < 0 ? 0 : l->sent_pps[s->goals[goal].best];
}

static void test_the_link_is_the_limit(void **state)
{
    (void)state;
    for (double carries = 1e4; carries < 1e7; carries *= 1.37) {
        struct link l = {.carries_pps = carries, .sender_pps = 1e7};
        struct xf_bench_search s;

        search(&l, &s);
        assert_true(found(&l, &s, BENCH_LOSSLESS) <= carries);
        assert_true(found(&l, &s, BENCH_LOSSLESS) >= 0.989 * carries);
        assert_true(found(&l, &s, BENCH_LOSSY) >= found(&l, &s, BENCH_LOSSLESS));
        assert_true(found(&l, &s, BENCH_LOSSY) <= carries / 0.995);
        assert_true(found(&l, &s, BENCH_LOSSY) >= 0.989 * carries / 0.995);
    }
}

static void test_the_sender_is_the_limit(void **state)
{
    struct link l = {.carries_pps = 1e9, .sender_pps = 1e6};
    struct xf_bench_search s;

    (void)state;
    search(&l, &s);
    assert_int_equal(l.trials, 1);
    assert_true(found(&l, &s, BENCH_LOSSLESS) == 1e6 && found(&l, &s, BENCH_LOSSY) == 1e6);
}

static void test_always_a_little_lost(void **state)
{
    struct link l = {.carries_pps = 5e5, .sender_pps = 1e6, .always_lost_pct = 0.01};
    struct xf_bench_search s;

    (void)state;
    search(&l, &s);
    assert_int_equal(s.goals[BENCH_LOSSLESS].best, -1);
    assert_true(found(&l, &s, BENCH_LOSSY) > 4.9e5);
}

/* Nothing arrives at all, or nothing is sent: it ends. */
static void test_nothing_works(void **state)
{
    struct link dead = {.sender_pps = 1e6, .always_lost_pct = 100}, mute = {.always_lost_pct = 100};
    struct xf_bench_search s;

    (void)state;
    search(&dead, &s);
    assert_int_equal(s.goals[BENCH_LOSSY].best, -1);
    assert_true(dead.trials <= 13);
    search(&mute, &s);
    assert_int_equal(mute.trials, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_link_is_the_limit),
        cmocka_unit_test(test_the_sender_is_the_limit),
        cmocka_unit_test(test_always_a_little_lost),
        cmocka_unit_test(test_nothing_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
