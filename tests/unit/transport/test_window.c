/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Window: replay, gaps and what is given up, in a numbered table and against a plain model. */
#include "tests/unit/common/unit.h"

#include "transport/base/random.h"
#include "transport/window.h"

static void test_table(void **state)
{
    static const struct {
        char op; /* l: look, m: mark, f: give up below */
        uint64_t sequence;
        enum xf_window_verdict want;
    } rows[] = {
        /*  1 */ {'l', 0, XF_WINDOW_NEW},
        /*  2 */ {'m', 0, 0},
        /*  3 */ {'l', 0, XF_WINDOW_REPLAYED},
        /*  4 */ {'l', 2, XF_WINDOW_NEW},
        /*  5 */ {'m', 2, 0},
        /*  6 */ {'l', 2, XF_WINDOW_REPLAYED},
        /*  7 */ {'l', 1, XF_WINDOW_NEW},
        /*  8 */ {'f', 2, 0},
        /*  9 */ {'l', 1, XF_WINDOW_STALE},
        /* 10 */ {'l', 2, XF_WINDOW_REPLAYED},
        /* 11 */ {'l', 3 + XF_WINDOW_PACKETS - 1, XF_WINDOW_NEW},
        /* 12 */ {'l', 3 + XF_WINDOW_PACKETS, XF_WINDOW_FAR},
        /* 13 */ {'l', UINT64_MAX, XF_WINDOW_FAR},
        /* 14 */ {'m', 3 + XF_WINDOW_PACKETS - 1, 0},
        /* 15 */ {'l', 3, XF_WINDOW_NEW},
        /* 16 */ {'f', 3 + XF_WINDOW_PACKETS - 1, 0},
        /* 17 */ {'l', 3, XF_WINDOW_STALE},
        /* 18 */ {'l', 3 + XF_WINDOW_PACKETS - 1, XF_WINDOW_REPLAYED},
        /* 19 */ {'l', 3 + XF_WINDOW_PACKETS, XF_WINDOW_NEW},
        /* 20 */ {'f', 1000000, 0},
        /* 21 */ {'l', 999999, XF_WINDOW_STALE},
        /* 22 */ {'l', 1000000, XF_WINDOW_NEW},
        /* 23 */ {'f', 5, 0},
        /* 24 */ {'l', 999999, XF_WINDOW_STALE},
    };
    struct xf_window w;

    (void)state;
    xf_window_init(&w);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].op == 'm')
            xf_window_mark(&w, rows[i].sequence);
        else if (rows[i].op == 'f')
            xf_window_give_up(&w, rows[i].sequence);
        else if (xf_window_look(&w, rows[i].sequence) != rows[i].want)
            fail_msg("row %u: %d", i + 1, xf_window_look(&w, rows[i].sequence));
    }
}

static void test_missing_ranges(void **state)
{
    struct xf_wire_range r[4];
    struct xf_window w;
    uint64_t horizon;

    (void)state;
    xf_window_init(&w);
    assert_int_equal(xf_window_missing(&w, r, 4, &horizon), 0);
    assert_int_equal(horizon, 0);
    for (uint64_t s = 0; s < 1000; s++)
        if (s != 3 && (s < 100 || s >= 110) && s != 500)
            xf_window_mark(&w, s);
    assert_int_equal(xf_window_missing(&w, r, 4, &horizon), 3);
    assert_int_equal(horizon, 1000);
    assert_int_equal(w.base + r[0].start, 3);
    assert_int_equal(r[0].length, 1);
    assert_int_equal(w.base + r[1].start, 100);
    assert_int_equal(r[1].length, 10);
    assert_int_equal(w.base + r[2].start, 500);
    /* With less room the report ends before the first gap that it does not name. */
    assert_int_equal(xf_window_missing(&w, r, 2, &horizon), 2);
    assert_int_equal(horizon, 500);
}

/* Against an array of flags, over random marks and floors. */
static void test_model(void **state)
{
    enum { N = 60000 };
    static uint8_t seen[N];
    static struct xf_wire_range ranges[N];

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct xf_random r = {.state = seed};
        struct xf_window w;
        uint64_t floor = 0, top = 0;

        memset(seen, 0, sizeof(seen));
        xf_window_init(&w);
        for (unsigned i = 0; i < 30000; i++) {
            uint64_t s = floor + xf_random_below(&r, 1500);

            if (s >= N)
                break;
            if (xf_window_look(&w, s) == XF_WINDOW_NEW) {
                if (seen[s])
                    fail_msg("seed %llu: %llu taken twice", (unsigned long long)seed,
                             (unsigned long long)s);
                seen[s] = 1;
                xf_window_mark(&w, s);
                top = s >= top ? s + 1 : top;
            } else if (!seen[s]) {
                fail_msg("seed %llu: %llu refused", (unsigned long long)seed,
                         (unsigned long long)s);
            }
            if (i % 50 == 0 && top > 700 && top - 700 > floor) {
                floor = top - 700;
                xf_window_give_up(&w, floor);
            }
        }
        uint64_t horizon, at = w.base;
        unsigned n = xf_window_missing(&w, ranges, N, &horizon);

        assert_int_equal(horizon, top > w.base ? top : w.base);
        for (unsigned i = 0; i < n; i++) {
            for (; at < w.base + ranges[i].start; at++)
                assert_int_equal(seen[at], 1);
            for (; at < w.base + ranges[i].start + ranges[i].length; at++)
                assert_int_equal(seen[at], 0);
        }
        for (; at < horizon; at++)
            assert_int_equal(seen[at], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_missing_ranges),
        cmocka_unit_test(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
