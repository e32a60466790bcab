/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lanes: several threads at both ends move one guest that is being written to, over links that
 * lose, reorder, duplicate and corrupt; a page goes over its own lane and no other, the first time
 * and whenever it is repaired; where a port has other queues than there are lanes, packets are
 * handed on. Run under TSan, too.
 */
#include "tests/unit/common/unit.h"

#include <unistd.h>

#include "tests/unit/common/pair.h"
#include "tests/unit/common/pipes.h"
#include "transport/base/clock.h"
#include "transport/source_state.h"
#include "transport/target_state.h"

#define PAGES    9000u
#define LIMIT_US 120000000u

struct crowd {
    unsigned lanes, threads[2], target_queues, shift;
    uint64_t features, seed;
    double loss_pct;
    uint32_t payload_bytes;
    bool stalls; /* the first lane of the target stands still again and again */
};

static const struct xf_guest_sink_ops *usual_sink;

static int stalling_map(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    if (lane == 0)
        usleep(5000);
    return usual_sink->map_chunk(ctx, lane, chunk, base);
}

static void move(const struct crowd *c)
{
    const unsigned queues[2] = {c->lanes, c->target_queues};
    const struct xf_fault_config faults = {.loss_pct = c->loss_pct,
                                           .reorder_pct = 2 * c->loss_pct,
                                           .duplicate_pct = c->loss_pct,
                                           .corrupt_pct = c->loss_pct / 2,
                                           .seed = c->seed};
    struct pipes *pipes = pipes_new(queues, c->shift, c->payload_bytes);
    struct pair p = {.config = {.seed = c->seed}};
    struct xf_source_config sc;
    struct xf_target_config tc;
    struct xf_policy policy;

    assert_int_equal(xf_simguest_new(&p.from, PAGES, XF_FILL_MIXED, c->seed, 4), 0);
    assert_int_equal(xf_simguest_new_empty(&p.to, PAGES), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(xf_faultlink_new(&p.link[i], pipes_end(pipes, i), &faults), 0);
    struct xf_guest_source from = xf_simguest_source(p.from);
    struct xf_guest_sink to = xf_simguest_sink(p.to);
    struct xf_guest_sink_ops stalling = *to.ops;

    if (c->stalls) {
        usual_sink = to.ops;
        stalling.map_chunk = stalling_map;
        to.ops = &stalling;
        to.chunks_max = 4; /* mapped anew again and again */
    }
    xf_source_config_init(&sc);
    xf_policy_init(&policy);
    policy.max_downtime_us = 5000;
    xf_plan_live_init(&p.live, &policy, c->features & XF_FEATURE_VERIFY);
    sc.plan = &p.live.plan;
    sc.threads.count = c->threads[0];
    assert_int_equal(xf_offer_new(&sc.offer, p.link[0], PAGES), 0);
    sc.offer.features = c->features;
    xf_target_config_init(&tc);
    tc.offer = sc.offer;
    tc.threads.count = c->threads[1];
    assert_int_equal(xf_source_new(&p.source, &sc, &from, p.link[0], xf_now_us()), 0);
    assert_int_equal(xf_target_new(&p.target, &tc, &to, p.link[1], xf_now_us()), 0);
    xf_target_ready(p.target);
    assert_int_equal(xf_simguest_start_writers(p.from, 1, 2000000), 0);

    const uint64_t end_us = xf_now_us() + LIMIT_US;

    while (xf_now_us() < end_us && (p.source_rc == 0 || p.target_rc == 0)) {
        if (p.source_rc == 0)
            p.source_rc = xf_source_step(p.source, xf_now_us());
        if (p.target_rc >= 0)
            p.target_rc = xf_target_step(p.target, xf_now_us());
        if (xf_source_idle(p.source) && xf_target_idle(p.target))
            usleep(50);
    }
    xf_simguest_stop_writers(p.from);
    pair_assert_same(&p);
    if (c->features & XF_FEATURE_VERIFY)
        assert_int_equal(xf_source_stats(p.source)->pages_verified,
                         xf_target_stats(p.target)->pages_verified);
    assert_int_equal(xf_target_stats(p.target)->rejects[XF_REJECT_wrong_lane], 0);
    xf_source_free(p.source);
    xf_target_free(p.target);
    for (unsigned i = 0; i < 2; i++)
        p.link[i]->ops->close(p.link[i]);
    assert_int_equal(pipes_held(pipes), 0);
    pipes_free(pipes);
    xf_simguest_free(p.from);
    xf_simguest_free(p.to);
}

static void threads_at_both_ends(void **state)
{
    (void)state;
    for (unsigned lanes = 1; lanes <= 4; lanes++)
        move(&(struct crowd){.lanes = lanes,
                             .threads = {lanes, lanes},
                             .target_queues = lanes,
                             .seed = lanes,
                             .features = lanes % 2 ? XF_FEATURE_VERIFY : 0,
                             .payload_bytes = 8972});
}

static void threads_over_bad_links(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        move(&(struct crowd){.lanes = 2 + seed % 3,
                             .threads = {2 + seed % 3, 2 + seed % 3},
                             .target_queues = 2 + seed % 3,
                             .seed = seed,
                             .loss_pct = 2,
                             .features = seed % 2 ? XF_FEATURE_VERIFY | XF_FEATURE_LZ4 : 0,
                             .payload_bytes = seed % 3 ? 8972 : 1472});
}

/* A lane's host lets it wait: what it has not written is taken for lost, read again, changed since,
   and comes behind it. */
static void a_lane_that_stalls(void **state)
{
    (void)state;
    for (unsigned lanes = 2; lanes <= 3; lanes++)
        move(&(struct crowd){.lanes = lanes,
                             .threads = {lanes, lanes},
                             .target_queues = lanes,
                             .seed = 30 + lanes,
                             .features = lanes % 2 ? XF_FEATURE_VERIFY : 0,
                             .payload_bytes = 1472,
                             .loss_pct = 1,
                             .stalls = true});
}

/* The ends need not have as many threads, nor as many queues. */
static void ends_that_differ(void **state)
{
    (void)state;
    static const struct crowd crowds[] = {
        {.lanes = 4, .threads = {4, 0}, .target_queues = 1},
        {.lanes = 4, .threads = {0, 4}, .target_queues = 4, .shift = 1},
        {.lanes = 3, .threads = {3, 2}, .target_queues = 3, .shift = 2, .loss_pct = 1},
        {.lanes = 4, .threads = {2, 3}, .target_queues = 2, .shift = 1, .loss_pct = 1},
    };

    for (unsigned i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
        struct crowd c = crowds[i];

        c.seed = 20 + i;
        c.payload_bytes = 8972;
        move(&c);
    }
}

/* What the source remembers of its packets says what they had. */
static void check_stripes(struct xf_source *s)
{
    for (unsigned lane = 0; lane < s->session.queues; lane++) {
        const struct xf_source_lane *l = &s->lanes[lane];

        for (uint64_t i = l->inflight.una; i < l->inflight.next; i++) {
            const struct xf_sent *sent = &l->inflight.ring[i % XF_INFLIGHT_PACKETS];

            for (unsigned r = 0; r < sent->count; r++) {
                uint64_t first = sent->records[r].index, end = first + sent->records[r].count - 1;

                assert_int_equal(first / XF_CHUNK_PAGES % s->session.queues, lane);
                assert_int_equal(end / XF_CHUNK_PAGES, first / XF_CHUNK_PAGES);
            }
        }
    }
}

static void a_page_keeps_to_its_lane(void **state)
{
    struct pair_config c = pair_defaults(9);
    uint64_t repaired = 0;

    (void)state;
    c.net.queues = 3;
    c.pages = 6000;
    c.writes_per_ms = 50;
    c.faults = (struct xf_fault_config){.loss_pct = 3, .reorder_pct = 5, .duplicate_pct = 2};
    for (unsigned verify = 0; verify < 2; verify++) {
        struct pair p;

        c.features = verify ? XF_FEATURE_VERIFY : XF_FEATURE_LZ4;
        c.compress = XF_COMPRESS_LZ4;
        pair_open(&p, &c);
        while (p.now_us < LIMIT_US && (p.source_rc == 0 || p.target_rc == 0)) {
            pair_step(&p);
            check_stripes(p.source);
        }
        pair_assert_same(&p);
        repaired += xf_source_stats(p.source)->pages_repaired;
        pair_close(&p);
    }
    assert_true(repaired > 100);
}

static void stripes(void **state)
{
    (void)state;
    for (unsigned lanes = 1; lanes <= 5; lanes++) {
        const uint64_t pages = 7 * XF_CHUNK_PAGES + 77;
        uint64_t chunks = 0, seen = 0;

        for (unsigned lane = 0; lane < lanes; lane++) {
            const struct xf_stripe s = {.lane = lane, .lanes = lanes};
            uint64_t end;

            chunks += xf_stripe_chunks(&s, pages);
            for (uint64_t gfn = xf_stripe_next(&s, 0); gfn < pages; gfn = xf_stripe_next(&s, end)) {
                end = xf_stripe_end(&s, gfn, pages);
                assert_true(xf_stripe_has(&s, gfn, end - gfn));
                seen += end - gfn;
                for (uint64_t i = gfn; i < end; i++) {
                    uint64_t own = xf_stripe_own_page(&s, i);

                    assert_int_equal(xf_stripe_gfn(&s, own), i);
                    assert_true(own < xf_stripe_chunks(&s, pages) * XF_CHUNK_PAGES);
                }
            }
            if (lanes > 1)
                assert_false(xf_stripe_has(&s, (lane + 1) % lanes * XF_CHUNK_PAGES, 1));
        }
        assert_int_equal(seen, pages);
        assert_int_equal(chunks, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stripes),
        cmocka_unit_test(a_page_keeps_to_its_lane),
        cmocka_unit_test(threads_at_both_ends),
        cmocka_unit_test(threads_over_bad_links),
        cmocka_unit_test(a_lane_that_stalls),
        cmocka_unit_test(ends_that_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
