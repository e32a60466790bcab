/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downtime: what is predicted when the guest is suspended is what is then seen, whatever the link.
 */
#include "tests/unit/common/pair.h"

#define LIMIT_US 60000000u

struct link_case {
    uint64_t bytes_per_s, delay_us, limit_bytes_per_s;
    unsigned dirty_pct; /* of what the link carries */
    uint64_t max_downtime_us;
    double loss_pct;
};

static void check(const struct link_case *l, uint64_t seed)
{
    struct pair p;
    struct pair_config c = pair_defaults(seed);
    uint64_t rate = l->limit_bytes_per_s ? l->limit_bytes_per_s : l->bytes_per_s;

    c.pages = 12000;
    c.fill = XF_FILL_RANDOM;
    c.hole_every = 0;
    c.net.bytes_per_s = l->bytes_per_s;
    c.net.delay_us = l->delay_us;
    c.bandwidth_bytes_per_s = l->limit_bytes_per_s;
    c.faults.loss_pct = l->loss_pct;
    c.writes_per_ms = (unsigned)(rate / 1000 * l->dirty_pct / 100 / XF_PAGE_BYTES);
    c.policy.max_downtime_us = l->max_downtime_us;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    const struct xf_stats *s = xf_source_stats(p.source);
    double seen = (double)(s->copied_us - s->suspend_us);
    double ratio = (double)s->predicted_us / seen;

    if (ratio < 0.75 || ratio > 1.25)
        fail_msg("seed %llu: %llu bytes/s (limit %llu), %llu us there, %u %% dirty, %.0f %% lost: "
                 "predicted %llu us, seen %.0f",
                 (unsigned long long)seed, (unsigned long long)l->bytes_per_s,
                 (unsigned long long)l->limit_bytes_per_s, (unsigned long long)l->delay_us,
                 l->dirty_pct, l->loss_pct, (unsigned long long)s->predicted_us, seen);
    assert_true(s->predicted_us <= l->max_downtime_us);
    pair_close(&p);
}

static void test_prediction_holds(void **state)
{
    static const uint64_t downtimes_us[] = {30000, 100000, 300000};
    static const unsigned dirty_pct[] = {10, 25, 50};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++) {
            /* 4 Gbit/s by the user's limit, and by the link itself; 1 Gbit/s and further away. */
            struct link_case l = {1250000000, 50, 500000000, dirty_pct[j], downtimes_us[i], 0};

            check(&l, 1 + i * 3 + j);
            l.bytes_per_s = 500000000;
            l.limit_bytes_per_s = 0;
            check(&l, 11 + i * 3 + j);
            l.bytes_per_s = 125000000;
            l.delay_us = 2000;
            check(&l, 21 + i * 3 + j);
        }
    check(&(struct link_case){125000000, 2000, 0, 25, 100000, 1}, 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prediction_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
