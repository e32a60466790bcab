/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole session, source to target, on the virtual clock: memory arrives whatever the link does.
 */
#include "tests/unit/common/pair.h"

#include "transport/session.h"
#include "transport/source_state.h"
#include "transport/target_state.h"

#include "transport/base/random.h"

#define LIMIT_US 60000000u

static uint64_t rejects_of(const struct xf_stats *st)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        n += st->rejects[i];
    return n;
}

static void test_clean_link_repairs_and_refuses_nothing(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(1);

    (void)state;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_int_equal(xf_source_stats(p.source)->pages_repaired, 0);
    assert_int_equal(xf_source_stats(p.source)->packets_lost, 0);
    assert_int_equal(rejects_of(xf_source_stats(p.source)), 0);
    assert_int_equal(rejects_of(xf_target_stats(p.target)), 0);
    assert_true(xf_source_stats(p.source)->rounds >= 2);
    assert_int_equal(xf_source_stats(p.source)->pages_sent, xf_target_stats(p.target)->pages_sent);
    assert_int_equal(xf_source_stats(p.source)->pages_zero, xf_target_stats(p.target)->pages_zero);
    pair_close(&p);
}

static unsigned refused, refuse;
static const struct xf_link_ops *refusing;

static unsigned refuse_some(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    if (refused >= refuse)
        return refusing->tx_burst(link, queue, bufs, n);
    refused++;
    return 0;
}

static void when_ready(void *arg, const struct xf_progress *p)
{
    uint64_t *ready_us = arg;

    if (p->phase == XF_PHASE_READY && !*ready_us)
        *ready_us = p->now_us;
}

/* The target's port takes nothing at first: as soon as it does, both are connected. */
static void test_port_that_is_late(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(1);
    struct xf_link_ops ops;
    uint64_t ready_us = 0;

    (void)state;
    c.progress = when_ready;
    c.progress_arg = &ready_us;
    pair_open(&p, &c);
    refusing = p.link[1]->ops;
    ops = *refusing;
    ops.tx_burst = refuse_some;
    p.link[1]->ops = &ops;
    refused = 0;
    refuse = 3;
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_int_equal(refused, refuse);
    /* Not the 50 ms until the next ANSWER, nor the 100 ms until the next long one. */
    assert_in_range(ready_us, 1000, 10000);
    p.link[1]->ops = refusing;
    pair_close(&p);
}

static void test_faulty_links(void **state)
{
    const char *seeds = getenv("XF_SEEDS");
    const uint64_t n = seeds ? strtoull(seeds, NULL, 10) : 60;

    (void)state;
    for (uint64_t seed = 1; seed <= n; seed++) {
        struct pair p;
        struct pair_config c = pair_defaults(seed);

        c.faults = (struct xf_fault_config){.loss_pct = (double)(seed % 11),
                                            .reorder_pct = (double)(seed % 7 * 2),
                                            .duplicate_pct = (double)(seed % 5),
                                            .corrupt_pct = (double)(seed % 3)};
        c.net.payload_bytes = seed % 4 == 0   ? 1472
                              : seed % 4 == 1 ? 1232
                              : seed % 4 == 2 ? 4300
                                              : 8972;
        c.net.jitter_us = seed % 2 ? 300 : 0;
        c.net.queues = 1 + (unsigned)(seed % 3);
        c.features = (seed % 5 == 0 ? XF_FEATURE_VERIFY : 0) | (seed % 2 ? XF_FEATURE_LZ4 : 0);
        c.compress = seed % 3 ? XF_COMPRESS_LZ4 : XF_COMPRESS_AUTO;
        c.fill = seed % 7 ? (enum xf_simguest_fill)(seed % 3) : XF_FILL_COMPRESSIBLE;
        pair_open(&p, &c);
        pair_run(&p, LIMIT_US);
        pair_assert_same(&p);
        struct xf_fault_stats f;

        xf_faultlink_stats(p.fault[0], &f);
        /* Every packet that was damaged on its way was refused, for one reason or another. */
        if (rejects_of(xf_target_stats(p.target)) < f.corrupted)
            fail_msg("seed %llu: %llu corrupted, %llu refused", (unsigned long long)seed,
                     (unsigned long long)f.corrupted,
                     (unsigned long long)rejects_of(xf_target_stats(p.target)));
        pair_close(&p);
    }
}

static void test_verify_finds_a_wrong_byte(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(11);

    (void)state;
    c.features = XF_FEATURE_VERIFY;
    c.fill = XF_FILL_RANDOM;
    c.faults.loss_pct = 5;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_int_equal(xf_source_stats(p.source)->pages_verified,
                     xf_source_stats(p.source)->pages_total);
    assert_int_equal(xf_target_stats(p.target)->pages_verified,
                     xf_source_stats(p.source)->pages_total);
    pair_close(&p);
    c.faults.loss_pct = 0;

    /* A bit that turns in the target's memory just before the guest is suspended. */
    pair_open(&p, &c);
    while (!xf_source_stats(p.source)->suspend_us)
        pair_step(&p);
    xf_simguest_flip_bit(p.to, 700);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.target_rc, -EILSEQ);
    assert_int_equal(p.source_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_source_error(p.source), "1 pages differ: 0x2bc"));
    pair_close(&p);

    /* More than are named: the first dozen, and what does not fit a packet is not cut inside a
       number. */
    pair_open(&p, &c);
    while (!xf_source_stats(p.source)->suspend_us)
        pair_step(&p);
    for (uint64_t gfn = 600; gfn < 640; gfn++)
        xf_simguest_flip_bit(p.to, gfn);
    pair_run(&p, LIMIT_US);
    assert_string_equal(xf_target_error(p.target),
                        "verify: 40 pages differ: 0x258 0x259 0x25a 0x25b 0x25c 0x25d 0x25e 0x25f "
                        "0x260 0x261 0x262 0x263 ...");
    assert_non_null(strstr(xf_target_error(p.target), strstr(xf_source_error(p.source), "verify")));
    pair_close(&p);
}

static struct {
    const struct xf_guest_source_ops *usual;
    uint64_t pages;
} maps;

static int counted_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n,
                       const void **pages)
{
    maps.pages += n;
    return maps.usual->map(ctx, lane, gfns, n, pages);
}

/* On a host it takes long to map: whoever verifies must not do so for all that the path lets
   through, and be deaf meanwhile. */
static void test_a_step_maps_two_batches_at_most(void **state)
{
    struct xf_guest_source tables = pair_tables();
    struct xf_guest_source_ops ops = *tables.ops;
    struct pair_config c = pair_defaults(12);
    struct pair p;
    uint64_t most = 0;

    (void)state;
    maps.usual = tables.ops;
    ops.map = counted_map;
    c.from_ops = &ops;
    c.pages = 40 * XF_MAP_BATCH_PAGES;
    c.features = XF_FEATURE_VERIFY;
    pair_open(&p, &c);
    while (p.source_rc == 0) {
        maps.pages = 0;
        pair_step(&p);
        most = maps.pages > most ? maps.pages : most;
    }
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_in_range(most, XF_MAP_BATCH_PAGES, 2 * XF_MAP_BATCH_PAGES);
    pair_close(&p);
}

static void test_verify_leaves_out_what_others_write(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(11);

    (void)state;
    c.features = XF_FEATURE_VERIFY;
    c.writes_per_ms = 0;
    pair_open(&p, &c);
    xf_simguest_unsteady(p.from, 700);
    while (!xf_source_stats(p.source)->suspend_us)
        pair_step(&p);
    pair_leaves_out(&p, 700, LIMIT_US);
    pair_close(&p);
}

static void test_overrun_receiver(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(7);

    (void)state;
    c.net.bytes_per_s = 100000000;
    c.net.buffer_bytes = 200000;
    c.net.rx_ring = 64;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    pair_close(&p);
}

static void test_pages_come_and_go(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct pair p;
        struct pair_config c = pair_defaults(seed);
        struct xf_random r = {.state = seed};

        c.faults.loss_pct = 3;
        c.net.bytes_per_s = 200000000;
        pair_open(&p, &c);
        for (unsigned i = 0; p.now_us < LIMIT_US && (!p.source_rc || !p.target_rc); i++) {
            /* The fourth of every four chunks is a hole: pages turn up there while the guest runs.
             */
            if (i > 300 && i % 50 == 0 && !xf_source_stats(p.source)->suspend_us)
                xf_simguest_add_page(p.from, 3 * XF_CHUNK_PAGES + xf_random_below(&r, 512));
            pair_step(&p);
        }
        pair_assert_same(&p);
        pair_close(&p);
    }
}

static int (*just_suspend)(void *ctx);

static int add_and_suspend(void *ctx)
{
    xf_simguest_add_page(ctx, 3 * XF_CHUNK_PAGES + 5);
    return just_suspend(ctx);
}

/* The last round of pages has one of POPULATE before it, which is not the last. */
static void test_page_that_turns_up_at_the_stop(void **state)
{
    struct xf_guest_control_ops control = *pair_tables().control;

    (void)state;
    just_suspend = control.suspend;
    control.suspend = add_and_suspend;
    for (unsigned verify = 0; verify < 2; verify++) {
        struct pair p;
        struct pair_config c = pair_defaults(11);

        c.from_control = &control;
        c.features = verify ? XF_FEATURE_VERIFY : 0;
        pair_open(&p, &c);
        pair_run(&p, LIMIT_US);
        pair_assert_same(&p);
        pair_close(&p);
    }
}

static void test_page_that_vanishes_does_not_stop_the_round(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(3);

    (void)state;
    c.net.bytes_per_s = 100000000;
    c.faults.loss_pct = 5;
    pair_open(&p, &c);
    for (unsigned i = 0; p.now_us < LIMIT_US && (!p.source_rc || !p.target_rc); i++) {
        if (i == 300)
            for (uint64_t g = 0; g < 1000; g++)
                xf_simguest_remove_page(p.from, g);
        pair_step(&p);
    }
    /* As with stock, the target keeps memory for such pages, so hashes need not agree. */
    assert_int_equal(p.source_rc, XF_SESSION_DONE);
    assert_int_equal(p.target_rc, XF_SESSION_DONE);
    pair_close(&p);
}

/* Pages of the last round that cannot be mapped, though the guest has them: neither end may say
   that it has moved. */
static void test_maps_refused_after_the_suspend(void **state)
{
    (void)state;
    for (unsigned verify = 0; verify < 2; verify++) {
        struct pair p;
        struct pair_config c = pair_defaults(5);

        c.features = verify ? XF_FEATURE_VERIFY : 0;
        c.fill = XF_FILL_RANDOM;
        c.writes_per_ms = 400;
        c.policy.max_downtime_us = 1000000;
        c.faults.loss_pct = verify ? 5 : 0;
        pair_open(&p, &c);
        xf_simguest_refuse_maps(p.from, 374);
        pair_run(&p, LIMIT_US);
        assert_int_equal(p.source_rc, -EFAULT);
        assert_int_equal(p.target_rc, -ECONNABORTED);
        assert_non_null(strstr(xf_source_error(p.source), "374 pages whose memory cannot be read"));
        assert_int_equal(xf_source_stats(p.source)->pages_deferred, 374);
        pair_close(&p);
    }
}

/* The same of pages that are only to be compared: they must not be left out. */
static void test_maps_refused_while_verifying(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(6);

    (void)state;
    c.features = XF_FEATURE_VERIFY;
    c.writes_per_ms = 0;
    c.pages = 12000; /* whose hashes do not go in one step */
    c.net.payload_bytes = 1472;
    pair_open(&p, &c);
    while (!xf_source_stats(p.source)->copied_us)
        pair_step(&p);
    xf_simguest_refuse_maps(p.from, 3);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, -EFAULT);
    assert_int_equal(p.target_rc, -ECONNABORTED);
    pair_close(&p);

    /* What the guest has given back is not there to be compared, and that is told. */
    pair_open(&p, &c);
    while (!xf_source_stats(p.source)->copied_us)
        pair_step(&p);
    for (uint64_t gfn = 11000; gfn < 11007; gfn++)
        xf_simguest_remove_page(p.from, gfn);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, XF_SESSION_DONE);
    assert_int_equal(xf_source_stats(p.source)->pages_unverified, 7);
    assert_int_equal(xf_target_stats(p.target)->pages_deferred, 7);
    pair_close(&p);
}

/* Long packets do not pass: the user hears of the MTU, not of cables. */
static void test_small_mtu_on_the_way(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(12);

    (void)state;
    c.net.path_bytes = 1472;
    c.step_us = 1000;
    pair_open(&p, &c);
    pair_run(&p, 100000000);
    assert_int_equal(p.source_rc, -EMSGSIZE);
    assert_non_null(strstr(xf_source_error(p.source), "MTU"));
    assert_true(p.target_rc < 0);
    pair_close(&p);
}

/* The target's own port refuses long packets, and says so. */
static struct {
    const struct xf_link_ops *below;
    struct xf_link_ops ops;
} strict;

static unsigned strict_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                unsigned n)
{
    unsigned fit = 0;

    while (fit < n && bufs[fit].len <= 1472)
        fit++;
    return fit ? strict.below->tx_burst(link, queue, bufs, fit) : 0;
}

static void test_small_mtu_at_the_port(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(13);

    (void)state;
    c.step_us = 100;
    pair_open(&p, &c);
    struct xf_link *port = xf_faultlink_below(p.fault[1]);

    strict.below = port->ops;
    strict.ops = *strict.below;
    strict.ops.tx_burst = strict_tx_burst;
    port->ops = &strict.ops;
    pair_run(&p, 100000000);
    assert_int_equal(p.source_rc, -EMSGSIZE);
    /* The target is told, before its own time is over. */
    assert_int_equal(p.target_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_target_error(p.target), "only short packets pass"));
    assert_true(p.now_us < 10000000);
    pair_close(&p);
}

/* A link on which others are loud: nothing of ours is there, but there is more to look through. */
static struct {
    const struct xf_link_ops *below;
    struct xf_link_ops ops;
    bool loud;
} crowd;

static unsigned crowded_rx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs,
                                 unsigned n)
{
    return crowd.loud ? 0 : crowd.below->rx_burst(link, queue, bufs, n);
}

static bool crowded_rx_more(const struct xf_link *link, unsigned queue)
{
    (void)link;
    (void)queue;
    return crowd.loud;
}

static void test_others_packets_are_no_idleness(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(5);

    (void)state;
    pair_open(&p, &c);
    for (unsigned i = 0; i < 2; i++) {
        struct xf_link *below = xf_faultlink_below(p.fault[i]);

        if (!i)
            crowd.below = below->ops;
        crowd.ops = *crowd.below;
        crowd.ops.rx_burst = crowded_rx_burst;
        crowd.ops.rx_more = crowded_rx_more;
        below->ops = &crowd.ops;
    }
    for (unsigned i = 0; i < 5; i++) {
        crowd.loud = i == 1 || i == 2;
        p.now_us += 20;
        assert_int_equal(xf_source_step(p.source, p.now_us), 0);
        assert_int_equal(xf_target_step(p.target, p.now_us), 0);
        assert_int_equal(xf_source_idle(p.source), !crowd.loud);
        assert_int_equal(xf_target_idle(p.target), !crowd.loud);
        /* Since when it has not looked at all that is there, which is what 'late' tells. */
        assert_int_equal(p.source->crew.workers[0].late_us, i == 2 ? 40 : i == 3 ? 60 : 20);
        assert_int_equal(p.target->crew.workers[0].emptied_us, p.now_us - (i == 1   ? 20
                                                                           : i == 2 ? 40
                                                                                    : 0));
    }
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    pair_close(&p);
}

static void test_link_goes_down(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(4);

    (void)state;
    c.net.bytes_per_s = 100000000;
    c.step_us = 100;
    pair_open(&p, &c);
    while (p.now_us < 5000)
        pair_step(&p);
    xf_simlink_set_down(p.net, 1);
    pair_run(&p, 2 * XF_PORT_DOWN_US);
    assert_int_equal(p.source_rc, -ENETDOWN);
    assert_int_equal(p.target_rc, -ENETDOWN);
    assert_non_null(strstr(xf_source_error(p.source), "port failed: no link for 10 s"));
    assert_in_range(p.now_us, XF_PORT_DOWN_US, XF_PORT_DOWN_US + 20000);
    pair_close(&p);
}

/* As a NIC that resets, a switch that negotiates anew: in any phase, and again and again. */
static void test_link_comes_back(void **state)
{
    static const uint64_t down_us[] = {100000, 3000000, XF_PORT_DOWN_US - 1000000};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        for (uint64_t at_us = 1200; at_us < 60000; at_us += 6000) {
            struct pair p;
            struct pair_config c = pair_defaults(at_us);

            c.net.bytes_per_s = 500000000;
            c.step_us = 50;
            c.policy.max_downtime_us = 10000000;
            c.ready_after_us = UINT64_MAX;
            pair_open(&p, &c);
            xf_target_ready(p.target); /* once: each time it says so by a packet */
            while (p.now_us < at_us)
                pair_step(&p);
            for (unsigned times = 0; times < 2; times++) {
                uint64_t until_us = p.now_us + down_us[i];

                xf_simlink_set_down(p.net, 1);
                p.config.writes_per_ms = 0; /* else all of it is dirty by then */
                while (p.now_us < until_us)
                    pair_step(&p);
                xf_simlink_set_down(p.net, 0);
                for (unsigned n = 0; n < 1000; n++)
                    pair_step(&p);
            }
            pair_run(&p, 100000000);
            pair_assert_same(&p);
            pair_close(&p);
        }
}

/* Most packets are lost, but not all: the target is heard, and yet this must end, with its reason.
 */
static void test_heavy_loss_ends_in_time(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(15);

    (void)state;
    c.pages = 30000;
    c.fill = XF_FILL_RANDOM;
    c.net.bytes_per_s = 100000000;
    pair_open(&p, &c);
    while (p.now_us < 50000)
        pair_step(&p);
    xf_simlink_set_loss(p.net, 75);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, -ECOMM);
    assert_non_null(strstr(xf_source_error(p.source), "more than half of all packets"));
    assert_true(p.target_rc < 0);
    pair_close(&p);
}

/* The target is heard, but no page passes any more: a filter, or the MTU of another way. */
static void test_only_short_packets_end_in_time(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(16);

    (void)state;
    c.pages = 30000;
    c.fill = XF_FILL_RANDOM;
    c.net.bytes_per_s = 100000000;
    pair_open(&p, &c);
    while (p.now_us < 50000)
        pair_step(&p);
    xf_simlink_set_path_bytes(p.net, 1472);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, -ECOMM);
    assert_non_null(strstr(xf_source_error(p.source), "MTU"));
    pair_close(&p);
}

static void test_silence_ends_in_time(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(5);

    (void)state;
    c.faults.loss_pct = 100;
    c.step_us = 1000;
    pair_open(&p, &c);
    pair_run(&p, 100000000);
    assert_int_equal(p.source_rc, -ETIMEDOUT);
    assert_int_equal(p.target_rc, -ETIMEDOUT);
    assert_true(p.now_us < 40000000);
    assert_non_null(strstr(xf_source_error(p.source), "no answer"));
    pair_close(&p);
}

static void test_abort_reaches_the_other_end(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(6);

    (void)state;
    c.net.bytes_per_s = 100000000;
    pair_open(&p, &c);
    while (p.now_us < 5000)
        pair_step(&p);
    xf_source_abort(p.source, "the user said so");
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, -ECANCELED);
    assert_int_equal(p.target_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_target_error(p.target), "the user said so"));
    pair_close(&p);

    pair_open(&p, &c);
    while (p.now_us < 5000)
        pair_step(&p);
    xf_target_abort(p.target, "out of memory");
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_source_error(p.source), "out of memory"));
    pair_close(&p);
}

static void test_too_busy_gives_up_if_told(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(8);

    (void)state;
    c.net.bytes_per_s = 20000000;
    c.writes_per_ms = 100;
    c.policy.on_busy = XF_ON_BUSY_ABORT;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, -EBUSY);
    assert_int_equal(p.target_rc, -ECONNABORTED);
    assert_int_equal(xf_source_stats(p.source)->suspend_us, 0);
    pair_close(&p);
}

static struct xf_guest_source_ops slow_ops;
static int (*quick_start)(void *ctx, uint64_t *present, uint64_t *known);
static unsigned slow_steps;

static int slow_start(void *ctx, uint64_t *present, uint64_t *known)
{
    return slow_steps-- ? -EAGAIN : quick_start(ctx, present, known);
}

/* To find out what a large guest holds can take longer than either end bears silence. */
static void test_slow_start_is_not_silence(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(10);

    (void)state;
    c.step_us = 1000;
    slow_ops = *pair_tables().ops;
    quick_start = slow_ops.start;
    slow_ops.start = slow_start;
    c.from_ops = &slow_ops;
    pair_open(&p, &c);
    slow_steps = 100000; /* of 1 ms */
    pair_run(&p, 2 * 100000000);
    pair_assert_same(&p);
    assert_true(p.now_us > 100000000);
    pair_close(&p);
}

static void test_other_secret_is_refused(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(9);
    struct xf_target_config tc;
    struct xf_guest_sink sink;

    (void)state;
    c.step_us = 1000;
    pair_open(&p, &c);
    xf_target_free(p.target);
    xf_target_config_init(&tc);
    assert_int_equal(xf_offer_new(&tc.offer, p.link[0], c.pages), 0);
    sink = xf_simguest_sink(p.to);
    assert_int_equal(xf_target_new(&p.target, &tc, &sink, p.link[1], p.now_us), 0);
    pair_run(&p, 100000000);
    assert_int_equal(p.source_rc, -ETIMEDOUT);
    assert_true(xf_source_stats(p.source)->rejects[XF_REJECT_wrong_session] > 0);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_link_repairs_and_refuses_nothing),
        cmocka_unit_test(test_port_that_is_late),
        cmocka_unit_test(test_faulty_links),
        cmocka_unit_test(test_verify_finds_a_wrong_byte),
        cmocka_unit_test(test_a_step_maps_two_batches_at_most),
        cmocka_unit_test(test_verify_leaves_out_what_others_write),
        cmocka_unit_test(test_overrun_receiver),
        cmocka_unit_test(test_pages_come_and_go),
        cmocka_unit_test(test_page_that_turns_up_at_the_stop),
        cmocka_unit_test(test_page_that_vanishes_does_not_stop_the_round),
        cmocka_unit_test(test_maps_refused_after_the_suspend),
        cmocka_unit_test(test_maps_refused_while_verifying),
        cmocka_unit_test(test_small_mtu_on_the_way),
        cmocka_unit_test(test_small_mtu_at_the_port),
        cmocka_unit_test(test_others_packets_are_no_idleness),
        cmocka_unit_test(test_link_goes_down),
        cmocka_unit_test(test_link_comes_back),
        cmocka_unit_test(test_heavy_loss_ends_in_time),
        cmocka_unit_test(test_only_short_packets_end_in_time),
        cmocka_unit_test(test_silence_ends_in_time),
        cmocka_unit_test(test_abort_reaches_the_other_end),
        cmocka_unit_test(test_too_busy_gives_up_if_told),
        cmocka_unit_test(test_slow_start_is_not_silence),
        cmocka_unit_test(test_other_secret_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
