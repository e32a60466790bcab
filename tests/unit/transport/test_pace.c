/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pace: what congestion control makes of a bottleneck, alone, damaged and shared. */
#include "tests/unit/common/bottleneck.h"

static struct bottleneck b;

static struct bottleneck_config defaults(void)
{
    return (struct bottleneck_config){.bytes_per_s = 125000000,
                                      .delay_us = 50,
                                      .buffer_us = 5 * MS,
                                      .packet_bytes = 1500,
                                      .jitter_us = 100,
                                      .seed = 7};
}

/* Past the start, and then for some seconds. */
static void settle_and_measure(const struct bottleneck_config *c)
{
    bottleneck_init(&b, c);
    bottleneck_run(&b, 2 * SECOND);
    bottleneck_mark(&b);
    bottleneck_run(&b, 6 * SECOND);
}

static void expect(bool good, const struct bottleneck_config *c, const char *what)
{
    if (!good)
        fail_msg("%s: %llu bytes/s, delay %llu us, buffer %llu us, packets of %u: ours %.1f %%, "
                 "TCP %.1f %%, dropped %.2f %%, queue %llu us",
                 what, (unsigned long long)c->bytes_per_s, (unsigned long long)c->delay_us,
                 (unsigned long long)c->buffer_us, c->packet_bytes, share_pct(&b, OURS),
                 share_pct(&b, TCP), dropped_pct(&b, OURS),
                 (unsigned long long)(b.queue_us_sum / b.ticks));
}

static void test_alone_it_uses_the_bottleneck_and_loses_little(void **state)
{
    static const uint64_t rates[] = {12500000, 125000000}, delays[] = {50, MS, 10 * MS};
    static const uint64_t buffers[] = {5 * MS, 20 * MS, 100 * MS};

    (void)state;
    for (unsigned i = 0; i < 2 * 3 * 3 * 2; i++) {
        struct bottleneck_config c = defaults();

        c.bytes_per_s = rates[i % 2];
        c.delay_us = delays[i / 2 % 3];
        c.buffer_us = buffers[i / 6 % 3];
        c.packet_bytes = i / 18 ? 9000 : 1500;
        settle_and_measure(&c);
        expect(share_pct(&b, OURS) >= 95, &c, "95 % used");
        expect(dropped_pct(&b, OURS) < 1, &c, "less than 1 % lost");
        /* It does not fill a buffer because it is there. */
        expect(b.queue_us_sum / b.ticks < 30 * MS, &c, "a short queue");
    }
}

static void test_random_loss_does_not_starve_it(void **state)
{
    static const double losses[] = {1, 5, 10}, at_least[] = {89, 80, 60};

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        struct bottleneck_config c = defaults();

        c.packet_bytes = 9000;
        c.loss_pct = losses[i % 3];
        c.delay_us = (uint64_t[]){50, MS, 10 * MS}[i / 3];
        settle_and_measure(&c);
        expect(share_pct(&b, OURS) >= at_least[i % 3], &c, "random loss");
    }
}

/* Both ends' processes share a CPU with others, as on a dom0: what waits for it is late, which is
   no queue, and damage meanwhile no congestion. */
static void test_a_busy_host_is_no_queue(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct bottleneck_config c = defaults();

        c.packet_bytes = 9000;
        c.delay_us = i % 2 ? 200 : 2;
        c.loss_pct = i / 2 % 2 ? 5 : 1;
        c.buffer_us = 20 * MS;
        c.stall_pct = i / 4 ? 30 : 10;
        c.stall_us = 8 * MS;
        settle_and_measure(&c);
        if (getenv("XF_SHOW"))
            print_message("stall %u %%, loss %.0f %%, delay %llu us: %.1f %%\n", c.stall_pct,
                          c.loss_pct, (unsigned long long)c.delay_us, share_pct(&b, OURS));
        expect(share_pct(&b, OURS) >= (i / 4 ? 30 : 60), &c, "a busy host");
    }
}

/* Of several targets, the one that was late told of each lot: all that is known comes seldom. */
static void test_feedback_in_lots_does_not_starve_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct bottleneck_config c = defaults();

        c.packet_bytes = i % 2 ? 9000 : 1500;
        c.delay_us = i / 2 % 2 ? 200 : 2;
        c.loss_pct = i / 4 ? 10 : 0;
        c.buffer_us = 20 * MS;
        c.lots_us = 15 * MS;
        settle_and_measure(&c);
        if (getenv("XF_SHOW"))
            print_message("lots, loss %.0f %%, delay %llu us: %.1f %%\n", c.loss_pct,
                          (unsigned long long)c.delay_us, share_pct(&b, OURS));
        expect(share_pct(&b, OURS) >= (i / 4 ? 50 : 80), &c, "feedback in lots");
    }
}

/* A second of packets that take 50 us, and one of packets that take 5 ms, some of them lost: is
   that taken for congestion? late_us of the 5 ms the ends make themselves. */
static bool gives_way(uint64_t late_us)
{
    struct xf_pace p;
    uint64_t now = SECOND, slow_from = now + SECOND;

    xf_pace_init(&p, 1500, 0, now);
    for (; now < slow_from + SECOND; now += 500) {
        bool slow = now >= slow_from;
        struct xf_pace_news news = {.acked = 31,
                                    .acked_bytes = 31 * 1500,
                                    .late_us = slow ? late_us : 0,
                                    .newest_sent_us = now - (slow ? 5000 : 50)};

        if (slow && now % 4000 == 0) {
            news.lost = 1;
            news.lost_bytes = 1500;
        }
        xf_pace_allowance(&p, now);
        xf_pace_sent(&p, news.acked_bytes + news.lost_bytes);
        xf_pace_feedback(&p, &news, now);
    }
    return p.cut_us > slow_from;
}

static void test_what_the_ends_make_late_is_no_queue(void **state)
{
    (void)state;
    assert_true(gives_way(0));
    assert_true(gives_way(2000));
    assert_false(gives_way(4900));
}

/* A path of 5 ms that loses some. Once an end says that all of a round trip, or more, may have been
   its own doing: what is left of that is not how long the path is. */
static bool gives_way_after(uint64_t late_us)
{
    struct xf_pace p;
    uint64_t now = SECOND;

    xf_pace_init(&p, 1500, 0, now);
    for (; now < 3 * SECOND; now += 500) {
        struct xf_pace_news news = {.acked = 31,
                                    .acked_bytes = 31 * 1500,
                                    .late_us = now == SECOND + SECOND / 2 ? late_us : 0,
                                    .newest_sent_us = now - 5000};

        if (now % 4000 == 0) {
            news.lost = 1;
            news.lost_bytes = 1500;
        }
        xf_pace_allowance(&p, now);
        xf_pace_sent(&p, news.acked_bytes + news.lost_bytes);
        xf_pace_feedback(&p, &news, now);
    }
    return p.cut_us > 2 * SECOND;
}

static void test_a_late_end_does_not_shorten_the_path(void **state)
{
    (void)state;
    assert_false(gives_way_after(1200));
    assert_false(gives_way_after(0));
    assert_false(gives_way_after(4990));
    assert_false(gives_way_after(6000));
}

static void test_beside_tcp_both_live(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct bottleneck_config c = defaults();

        c.tcp = true;
        c.packet_bytes = i % 2 ? 9000 : 1500;
        c.buffer_us = i / 2 ? 20 * MS : 5 * MS;
        settle_and_measure(&c);
        expect(share_pct(&b, OURS) >= 25, &c, "ours");
        expect(share_pct(&b, TCP) >= 25, &c, "TCP's");
    }
}

static void test_it_gives_way_and_comes_back(void **state)
{
    struct bottleneck_config c = defaults();

    (void)state;
    bottleneck_init(&b, &c);
    bottleneck_run(&b, 2 * SECOND);
    /* The path becomes a tenth of what it was, and is what it was again. */
    b.c.bytes_per_s /= 10;
    bottleneck_run(&b, 2 * SECOND);
    bottleneck_mark(&b);
    bottleneck_run(&b, 2 * SECOND);
    expect(share_pct(&b, OURS) >= 90 && dropped_pct(&b, OURS) < 2, &b.c, "slower");
    b.c.bytes_per_s *= 10;
    bottleneck_run(&b, 2 * SECOND);
    bottleneck_mark(&b);
    bottleneck_run(&b, 2 * SECOND);
    expect(share_pct(&b, OURS) >= 90 && dropped_pct(&b, OURS) < 1, &b.c, "fast again");
}

static void test_the_start_is_no_flood(void **state)
{
    struct bottleneck_config c = defaults();

    (void)state;
    bottleneck_init(&b, &c);
    bottleneck_run(&b, 500 * MS);
    expect(share_pct(&b, OURS) >= 80, &c, "soon at its rate");
    expect(dropped_pct(&b, OURS) < 5, &c, "without a flood");
}

static void test_what_is_sent_keeps_to_the_limit(void **state)
{
    struct bottleneck_config c = defaults();

    (void)state;
    c.limit_bytes_per_s = 40000000;
    settle_and_measure(&c);
    double sent = (double)b.sent[OURS] * c.packet_bytes / 6;

    if (sent > 40e6 * 1.001 || sent < 40e6 * 0.98)
        fail_msg("%.0f bytes/s of 40000000", sent);
}

/* Who has little to send must not take that for the path's rate. */
static void test_little_to_send_is_not_the_path(void **state)
{
    struct bottleneck_config c = defaults();

    (void)state;
    bottleneck_init(&b, &c);
    bottleneck_run(&b, 2 * SECOND);
    b.c.source_bytes_per_s = 2000000;
    bottleneck_run(&b, 5 * SECOND);
    assert_true(xf_pace_rate(&b.pace) > c.bytes_per_s / 2);
    b.c.source_bytes_per_s = 0;
    bottleneck_mark(&b);
    bottleneck_run(&b, 100 * MS);
    expect(share_pct(&b, OURS) >= 80, &c, "at once at its rate again");
}

static void test_breaker(void **state)
{
    struct bottleneck_config c = defaults();

    (void)state;
    /* Bad, but no reason to give up. */
    c.loss_pct = 30;
    settle_and_measure(&c);
    bottleneck_run(&b, 12 * SECOND);
    assert_int_equal(xf_pace_check(&b.pace, true, 30 * SECOND, b.now_us), XF_PACE_GO);
    /* No more than the least goes out into a path that loses most, and not for long. */
    b.c.loss_pct = 70;
    bottleneck_run(&b, 5 * SECOND);
    assert_int_equal(xf_pace_check(&b.pace, true, 30 * SECOND, b.now_us), XF_PACE_GO);
    bottleneck_mark(&b);
    bottleneck_run(&b, 8 * SECOND);
    assert_int_equal(xf_pace_check(&b.pace, true, 30 * SECOND, b.now_us), XF_PACE_HEAVY_LOSS);
    assert_true(share_pct(&b, OURS) < 20);
    /* But of another peer that is no word. */
    xf_pace_renew(&b.pace, b.now_us);
    assert_int_equal(xf_pace_check(&b.pace, true, 30 * SECOND, b.now_us + 29 * SECOND), XF_PACE_GO);
    /* A path that gets well again in time is not given up. */
    bottleneck_init(&b, &c);
    b.c.loss_pct = 70;
    bottleneck_run(&b, 8 * SECOND);
    b.c.loss_pct = 0;
    bottleneck_run(&b, 8 * SECOND);
    assert_int_equal(xf_pace_check(&b.pace, true, 30 * SECOND, b.now_us), XF_PACE_GO);
    /* Nothing arrives. */
    uint64_t now = b.now_us;

    assert_int_equal(xf_pace_check(&b.pace, true, 30 * SECOND, now + 31 * SECOND),
                     XF_PACE_NO_DELIVERY);
    assert_int_equal(xf_pace_check(&b.pace, false, 30 * SECOND, now + 31 * SECOND), XF_PACE_GO);
    assert_int_equal(xf_pace_check(&b.pace, true, 30 * SECOND, now + 60 * SECOND), XF_PACE_GO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_uses_the_bottleneck_and_loses_little),
        cmocka_unit_test(test_random_loss_does_not_starve_it),
        cmocka_unit_test(test_a_busy_host_is_no_queue),
        cmocka_unit_test(test_feedback_in_lots_does_not_starve_it),
        cmocka_unit_test(test_what_the_ends_make_late_is_no_queue),
        cmocka_unit_test(test_a_late_end_does_not_shorten_the_path),
        cmocka_unit_test(test_beside_tcp_both_live),
        cmocka_unit_test(test_it_gives_way_and_comes_back),
        cmocka_unit_test(test_the_start_is_no_flood),
        cmocka_unit_test(test_what_is_sent_keeps_to_the_limit),
        cmocka_unit_test(test_little_to_send_is_not_the_path),
        cmocka_unit_test(test_breaker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
