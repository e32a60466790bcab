/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verify, live: pages are compared while the guest runs, and again only if they were written since.
 * What stops is bounded by what the guest writes, not by how much memory it has.
 */
#include "tests/unit/common/pair.h"

#include "transport/base/bitmap.h"
#include "transport/source_state.h"
#include "transport/target_state.h"

#define LIMIT_US 60000000u
#define LIVE     (XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE)

/* What the source maps, by when. */
static struct {
    const struct xf_guest_source_ops *usual;
    struct pair *pair;
    uint64_t stopped; /* pages, to hash, once the guest stands */
    unsigned passes;  /* rounds of hashes while it ran */
    bool hashing;
} seen;

static int counted_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n,
                       const void **pages)
{
    const struct xf_source *s = seen.pair->source;

    if (s->kind == XF_ROUND_HASHES && s->final)
        seen.stopped += n;
    return seen.usual->map(ctx, lane, gfns, n, pages);
}

static void follow(void *arg, const struct xf_progress *p)
{
    (void)arg;
    if (p->verifying && p->phase == XF_PHASE_LIVE && !seen.hashing)
        seen.passes++;
    seen.hashing = p->verifying;
}

static struct pair_config live_pair(uint64_t seed, struct pair *p, struct xf_guest_source_ops *ops)
{
    struct pair_config c = pair_defaults(seed);
    struct xf_guest_source tables = pair_tables();

    memset(&seen, 0, sizeof(seen));
    seen.usual = tables.ops;
    seen.pair = p;
    *ops = *tables.ops;
    ops->map = counted_map;
    c.from_ops = ops;
    c.features = LIVE;
    c.fill = XF_FILL_RANDOM;
    c.writes_per_ms = 0;
    c.progress = follow;
    return c;
}

/* Until the first hashes of all have been sent, while the guest runs. */
static void run_to_compared(struct pair *p)
{
    while (!p->source_rc &&
           (!seen.hashing || xf_source_stats(p->source)->pages_verified < p->source->round_pages))
        pair_step(p);
    assert_int_equal(p->source_rc, 0);
    assert_int_equal(xf_source_stats(p->source)->suspend_us, 0);
}

static int (*just_suspend)(void *ctx);

/* Written before it stops, with all that was to be compared before compared. */
static int write_and_suspend(void *ctx)
{
    for (uint64_t gfn = 700; gfn < 720; gfn++)
        xf_simguest_add_page(ctx, gfn);
    return just_suspend(ctx);
}

/* However large the guest is: what was written last is hashed while it stands, and no page more. */
static void a_stop_hashes_what_was_written(void **state)
{
    static const uint64_t sizes[] = {3000, 6000, 24000};
    struct xf_guest_control_ops control = *pair_tables().control;

    (void)state;
    just_suspend = control.suspend;
    control.suspend = write_and_suspend;
    for (unsigned lanes = 1; lanes <= 3; lanes += 2)
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct xf_guest_source_ops ops;
            struct pair p;
            struct pair_config c = live_pair(i + 1, &p, &ops);

            c.pages = sizes[i];
            c.net.queues = (uint16_t)lanes;
            c.from_control = &control;
            pair_open(&p, &c);
            pair_run(&p, LIMIT_US);
            pair_assert_same(&p);
            const struct xf_stats *s = xf_source_stats(p.source), *t = xf_target_stats(p.target);

            assert_int_equal(seen.passes, 1);
            assert_int_equal(seen.stopped, 20);
            assert_int_equal(s->pages_verified, s->pages_total);
            assert_int_equal(s->pages_verified_live, s->pages_total - 20);
            assert_int_equal(s->pages_unverified, 0);
            assert_int_equal(t->pages_verified, s->pages_total);
            pair_close(&p);
        }
}

/* A guest that goes on writing, over links of all kinds: what was sent once only is not hashed
   while it stands. */
static void what_is_hashed_at_the_stop_is_bounded(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct xf_guest_source_ops ops;
        struct pair p;
        struct pair_config c = live_pair(seed, &p, &ops);

        c.fill = XF_FILL_MIXED;
        c.pages = 8000;
        c.writes_per_ms = 1 + (unsigned)seed % 7 * 10;
        c.net.queues = 1 + (uint16_t)seed % 3;
        c.net.payload_bytes = seed % 2 ? 1472 : 8972;
        c.faults.loss_pct = seed % 4 ? 0 : 5;
        c.faults.duplicate_pct = c.faults.reorder_pct = c.faults.loss_pct;
        pair_open(&p, &c);
        pair_run(&p, LIMIT_US);
        pair_assert_same(&p);
        const struct xf_stats *s = xf_source_stats(p.source);
        uint64_t again = s->pages_sent - s->pages_repaired - s->pages_total;

        if (!seen.passes || s->pages_verified - s->pages_verified_live > again)
            fail_msg("seed %llu: %llu of %llu pages hashed at the stop, %llu sent again",
                     (unsigned long long)seed,
                     (unsigned long long)(s->pages_verified - s->pages_verified_live),
                     (unsigned long long)s->pages_verified, (unsigned long long)again);
        assert_int_equal(s->pages_verified, s->pages_total);
        assert_int_equal(xf_target_stats(p.target)->pages_verified, s->pages_total);
        pair_close(&p);
    }
}

/* What was compared and then written is compared again: a bit that turns after it has landed the
   second time is found. */
static void a_page_written_after_its_hash(void **state)
{
    struct xf_guest_source_ops ops;
    struct pair p;
    struct pair_config c = live_pair(3, &p, &ops);

    (void)state;
    pair_open(&p, &c);
    run_to_compared(&p);
    xf_simguest_add_page(p.from, 700);
    while (!p.source_rc && !xf_source_stats(p.source)->copied_us)
        pair_step(&p);
    xf_simguest_flip_bit(p.to, 700);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.target_rc, -EILSEQ);
    assert_int_equal(p.source_rc, -ECONNABORTED);
    assert_string_equal(xf_target_error(p.target), "verify: 1 pages differ: 0x2bc");
    pair_close(&p);
}

/* A source that forgets that a page was written: the target does not. */
static void a_page_said_to_hold_though_it_was_written(void **state)
{
    struct xf_guest_source_ops ops;
    struct pair p;
    struct pair_config c = live_pair(4, &p, &ops);

    (void)state;
    pair_open(&p, &c);
    run_to_compared(&p);
    xf_simguest_add_page(p.from, 700);
    while (!p.source_rc && !(p.source->final || p.source->phase == XF_PHASE_FINAL))
        pair_step(&p);
    xf_bitmap_set(p.source->hashed, 700);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.target_rc, -EILSEQ);
    assert_string_equal(xf_target_error(p.target), "verify: 1 pages differ: 0x2bc");
    pair_close(&p);
}

/*
 * A bit that turns at the target before a page is compared is found, although only the stop says
 * so. One that turns afterwards is not, unless the guest writes to that page: memory of the
 * target's that nobody writes to is not what is looked after.
 */
static void a_bit_that_turns(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct xf_guest_source_ops ops;
        struct pair p;
        struct pair_config c = live_pair(5, &p, &ops);

        pair_open(&p, &c);
        while (!p.source_rc && xf_target_stats(p.target)->pages_sent < 1000)
            pair_step(&p);
        while (late && !p.source_rc && !xf_bitmap_test(p.target->lanes[0].landing.same, 300))
            pair_step(&p);
        xf_simguest_flip_bit(p.to, 300);
        pair_run(&p, LIMIT_US);
        assert_int_equal(p.target_rc, late ? XF_SESSION_DONE : -EILSEQ);
        if (!late)
            assert_string_equal(xf_target_error(p.target), "verify: 1 pages differ: 0x12c");
        pair_close(&p);
    }
}

/* Pages that are gone when they are to be hashed, all of a round too: both ends count rounds alike.
 */
static void pages_that_are_gone(void **state)
{
    struct xf_guest_source_ops ops;
    struct pair p;
    struct pair_config c = live_pair(6, &p, &ops);

    (void)state;
    c.pages = 1500;
    c.hole_every = 0;
    c.faults.loss_pct = 5;
    pair_open(&p, &c);
    while (!p.source_rc && xf_target_stats(p.target)->pages_sent < 1500)
        pair_step(&p);
    for (uint64_t gfn = 0; gfn < 1500; gfn++)
        xf_simguest_remove_page(p.from, gfn);
    pair_run(&p, LIMIT_US);
    assert_int_equal(p.source_rc, XF_SESSION_DONE);
    assert_int_equal(p.target_rc, XF_SESSION_DONE);
    assert_true(seen.passes);
    assert_int_equal(xf_source_stats(p.source)->rounds, xf_target_stats(p.target)->rounds);
    assert_int_equal(xf_source_stats(p.source)->pages_verified, 0);
    pair_close(&p);
}

/* A page that others write to is compared with nothing, though its hash was sent. */
static void what_others_write(void **state)
{
    struct xf_guest_source_ops ops;
    struct pair p;
    struct pair_config c = live_pair(7, &p, &ops);

    (void)state;
    pair_open(&p, &c);
    xf_simguest_unsteady(p.from, 700);
    while (!p.source_rc && xf_target_stats(p.target)->pages_sent < 1000)
        pair_step(&p);
    pair_leaves_out(&p, 700, LIMIT_US);
    pair_close(&p);
}

/* How long a stop takes counts what it has to compare. */
static void a_prediction_has_the_comparison(void **state)
{
    const struct xf_policy policy = {.max_downtime_us = 50000, .max_rounds = 30};
    struct xf_round r = {.pages = 10000,
                         .dirty_pages = 100,
                         .left_pages = 100,
                         .us = 1000,
                         .bytes_per_s = 4096000000,
                         .verify = true,
                         .clean_pages = 2000,
                         .hash_bytes_per_s = 409600000};
    uint64_t predicted_us;

    (void)state;
    struct xf_rounds rounds = {0};

    assert_int_equal(xf_policy_next(&policy, &rounds, &r, &predicted_us), XF_ROUND_STOP);
    assert_int_equal(predicted_us, 100 + 1000 + 20000);
    /* What no round makes shorter stops no stop. */
    r.clean_pages = 20000;
    assert_int_equal(xf_policy_next(&policy, &rounds, &r, &predicted_us), XF_ROUND_STOP);
    assert_int_equal(predicted_us, 100 + 1000 + 200000);
    r.left_pages = r.dirty_pages = 5000;
    assert_int_equal(xf_policy_next(&policy, &rounds, &r, &predicted_us), XF_ROUND_AGAIN);
    assert_int_equal(predicted_us, 5000 + 50000 + 200000);

    r.dirty_pages = 1000;
    assert_false(xf_rounds_compare_first(&r, 0)); /* where it cannot be */
    r.verify_live = true;
    assert_true(xf_rounds_compare_first(&r, 0));
    assert_true(xf_rounds_compare_first(&r, 40000));
    assert_false(xf_rounds_compare_first(&r, 39999));
    r.dirty_pages = 20000;
    assert_false(xf_rounds_compare_first(&r, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_hashes_what_was_written),
        cmocka_unit_test(what_is_hashed_at_the_stop_is_bounded),
        cmocka_unit_test(a_page_written_after_its_hash),
        cmocka_unit_test(a_page_said_to_hold_though_it_was_written),
        cmocka_unit_test(a_bit_that_turns),
        cmocka_unit_test(pages_that_are_gone),
        cmocka_unit_test(what_others_write),
        cmocka_unit_test(a_prediction_has_the_comparison),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
