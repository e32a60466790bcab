/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PV guest's pages sent twice, to be compared by Xen's restore: a page that differs, a save that
 * does not send them, or a restore that does not tell what it finds, and neither end says that the
 * guest has moved.
 */
#include "tests/unit/common/tunnel_pair.h"

static struct move verified_move(uint64_t seed)
{
    return (struct move){.seed = seed, .frames = 6000, .dirty = {900, 40}, .verify = true};
}

static void assert_refused(const struct move *m)
{
    assert_int_not_equal(m->save_rc, 0);
    assert_int_not_equal(m->restore_rc, 0);
    assert_false(m->got_end);
    assert_int_equal(m->rest.len, 0);
}

static void what_is_the_same_moves(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct move m = verified_move(seed);

        if (seed > 2)
            m.faults = (struct xf_fault_config){
                .loss_pct = 2, .reorder_pct = 2, .duplicate_pct = 1, .corrupt_pct = 1};
        if (seed == 2)
            m.slow_restore_us = 20000;
        move_run(&m);
        assert_int_equal(m.save_rc, 0);
        assert_int_equal(m.restore_rc, 0);
        assert_true(m.got_end);
        assert_int_equal(m.reported, 1); /* the trial */
        assert_int_equal(m.rest.len, sizeof(AFTER_END));
        move_free(&m);
    }
}

static void what_differs_is_refused(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 16; n += 5) {
        struct move m = verified_move(n);

        for (m.damaged = 0; m.damaged < n; m.damaged++)
            m.damage[m.damaged] = 40 + 131 * m.damaged;
        move_run(&m);
        assert_refused(&m);
        assert_in_range(m.reported, 1, n + 1); /* some of those frames have no page */
        move_free(&m);
    }
}

/* Every page differs, so the one that was chosen for the trial is among them. */
static void the_trial_hides_nothing(void **state)
{
    struct move m = verified_move(7);

    (void)state;
    for (; m.damaged < 16; m.damaged++)
        m.damage[m.damaged] = m.damaged;
    move_run(&m);
    assert_refused(&m);
    move_free(&m);
}

static void what_others_write_to_may_differ(void **state)
{
    struct move m = verified_move(3);

    (void)state;
    m.unsteady = m.damage[0] = 4000;
    m.damaged = 1;
    move_run(&m);
    assert_int_equal(m.save_rc, 0);
    assert_int_equal(m.restore_rc, 0);
    assert_true(m.got_end);
    move_free(&m);
}

static void event_words_may_differ(void **state)
{
    struct move m = verified_move(3);

    (void)state;
    m.events = m.damage[0] = 4001;
    m.damaged = 1;
    move_run(&m);
    assert_int_equal(m.save_rc, 0);
    assert_int_equal(m.restore_rc, 0);
    assert_int_equal(m.reported, 2); /* that page, and the trial */
    move_free(&m);
}

static void silence_is_not_taken_for_success(void **state)
{
    struct move m = verified_move(4);

    (void)state;
    m.restore_is_quiet = true;
    m.hasty = true;
    move_run(&m);
    assert_refused(&m);
    assert_int_equal(m.restore_rc, -EILSEQ);
    move_free(&m);

    m = verified_move(5);
    m.save_forgets = true;
    move_run(&m);
    assert_refused(&m);
    move_free(&m);
}

static bool without_compare(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body)
{
    (void)m;
    (void)n;
    if (rec->type == XF_REC_COMPARE) {
        rec->type = XF_REC_OPTIONAL | 1;
        body->len = rec->length = 0;
    }
    return true;
}

static bool with_wrong_count(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body)
{
    (void)m;
    (void)n;
    if (rec->type == XF_REC_COMPARE)
        body->data[0]++;
    return true;
}

static bool huge(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body)
{
    (void)m;
    (void)n;
    (void)body;
    if (rec->type == XF_REC_COMPARE)
        rec->length = 8 + 8 * (XF_UNSTEADY_MAX + 1);
    return true;
}

static bool twice(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body)
{
    (void)m;
    (void)n;
    if (rec->type == XF_REC_X86_TSC_INFO) {
        rec->type = XF_REC_COMPARE;
        rec->length = 8;
        body->len = 8;
        memset(body->data, 0, 8);
    }
    return true;
}

static bool while_it_runs(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body)
{
    (void)m;
    (void)n;
    if (rec->type == XF_REC_OFFER)
        body->data[24] |= XF_FEATURE_VERIFY_LIVE;
    return true;
}

static void a_changed_stream_is_refused(void **state)
{
    static bool (*const ways[])(struct move *, unsigned, struct xf_record *, struct bytes *) = {
        without_compare, with_wrong_count, huge, twice, while_it_runs};

    (void)state;
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct move m = verified_move(i + 1);

        m.hasty = true; /* one waits for what does not come */
        m.on_the_way = ways[i];
        move_run(&m);
        assert_int_not_equal(m.restore_rc, 0);
        assert_false(m.got_end);
        move_free(&m);
    }
}

static void lines_are_told_apart(void **state)
{
    struct xf_verify v;
    char why[256];

    (void)state;
    xf_verify_init(&v);
    xf_verify_report("verify pfn 0x1 failed (type 0)"); /* nobody watches */
    xf_verify_watch(&v);
    xf_verify_report("Failed to map pfn 0x2");
    xf_verify_try(&v, 0x10);
    assert_int_equal(xf_verify_wait(&v, 10), -ETIMEDOUT);
    assert_int_equal(xf_verify_judge(&v, why), -EILSEQ);
    assert_non_null(strstr(why, "was made to differ"));
    xf_verify_report("verify pfn 0x10 failed (type 0)");
    assert_int_equal(xf_verify_wait(&v, 10), 0);
    assert_int_equal(xf_verify_judge(&v, why), 0);
    xf_verify_report("verify pfn 0x10 failed (type 0)");
    xf_verify_report("to verify page 12 was no success");
    assert_int_equal(xf_verify_judge(&v, why), -EILSEQ);
    assert_string_equal(why, "verify: 2 pages differ: 0x10 0xffffffffffffffff");
    for (unsigned i = 0; i < 20; i++)
        xf_verify_report("verify pfn 0xfffff failed (type 0)");
    assert_int_equal(xf_verify_judge(&v, why), -EILSEQ);
    assert_non_null(strstr(why, "22 pages differ"));
    assert_string_equal(why + strlen(why) - 4, " ...");
    xf_verify_over(&v);
    xf_verify_fini(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_moves),
        cmocka_unit_test(what_differs_is_refused),
        cmocka_unit_test(the_trial_hides_nothing),
        cmocka_unit_test(what_others_write_to_may_differ),
        cmocka_unit_test(event_words_may_differ),
        cmocka_unit_test(silence_is_not_taken_for_success),
        cmocka_unit_test(a_changed_stream_is_refused),
        cmocka_unit_test(lines_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
