/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * save.c and restore.c, with guest_source.c, guest_sink.c and records.c below them, over the
 * stand-in for Xen: whole migrations, in which every call of Xen's fails once at every place. A
 * migration either moves all of the guest, or says at both ends that it has not.
 */
#include "tests/unit/common/xen_move.h"

#define PAGES (9 * 512u)

static struct xen_move small_move(void)
{
    return (struct xen_move){.pages = PAGES, .writes = 20};
}

static void a_guest_moves(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct xen_move m = small_move();

        m.verify = i & 1;
        xen_move_new(&m);
        standin.pvh_dom0 = i & 2;
        xen_move_run(&m);
        xen_move_assert_moved(&m);
        assert_false(m.from->logdirty);
        assert_int_equal(m.suspends, 1);
        assert_true(m.to->large_pages > 0);
        assert_int_equal(standin_said("source: verified"), m.verify);
    }
}

/* Calls that may fail without harm: what they were for is done in another way, or at the end; or,
   of getinfolist, asked again (whether the guest has ended). */
static bool may_fail(const char *call, unsigned at)
{
    return !strcmp(call, "xc_domain_populate_physmap(2M)") ||
           !strcmp(call, "xc_domain_getinfolist") || !strcmp(call, "xc_shadow_control(OFF)") ||
           !strcmp(call, "xc_shadow_control(ENABLE)") ||
           (!strcmp(call, "xc_hvm_modified_memory") && at == 1);
}

static void every_call_fails_once_at_every_place(void **state)
{
    struct standin_call calls[STANDIN_CALLS];
    unsigned tried = 0;

    (void)state;
    for (unsigned verify = 0; verify < 2; verify++) {
        struct xen_move m = small_move();

        m.verify = verify;
        xen_move_new(&m);
        xen_move_run(&m);
        xen_move_assert_moved(&m);
        memcpy(calls, standin.calls, sizeof(calls));
        for (unsigned c = 0; c < STANDIN_CALLS && calls[c].name; c++) {
            for (unsigned at = 1; at <= calls[c].count; at++) {
                char what[80];

                /* With --verify the same places come before, and test_xen_records has each
                   parameter: of these the first and the last. */
                if ((verify || !strcmp(calls[c].name, "xc_hvm_param_get")) && at > 1 &&
                    at < calls[c].count)
                    continue;
                tried++;

                m = small_move();
                m.verify = verify;
                xen_move_new(&m);
                standin.fail_call = calls[c].name;
                standin.fail_at = at;
                standin.fail_errno = ENOSPC;
                snprintf(what, sizeof(what), "%s number %u", calls[c].name, at);
                xen_move_run(&m);
                /* In another run there may be one round less. */
                if (standin_calls(calls[c].name) < at)
                    continue;
                if (!may_fail(calls[c].name, at))
                    xen_move_assert_stayed(&m, what);
                else if (!m.save_rc && !m.restore_rc)
                    xen_move_assert_moved(&m);
                if (strcmp(calls[c].name, "xc_shadow_control(OFF)"))
                    assert_false(m.from->logdirty);
                else
                    assert_true(standin_said("Xen still logs its dirty pages"));
            }
        }
    }
    print_message("%u migrations\n", tried);
    assert_true(tried > 60);
}

/* ---- single frames ------------------------------------------------------------------------- */

static uint32_t refusing; /* whose frames */

static int refuse_after_the_suspend(uint32_t domid, uint64_t gfn)
{
    bool refuse = domid == SOURCE_DOMID && standin.domains[domid].shutdown;

    return refuse && gfn >= 600 && gfn < 600 + 374 ? EPERM : 0;
}

static int refuse_some(uint32_t domid, uint64_t gfn)
{
    return domid == refusing && gfn % 1700 == 800 ? EPERM : 0;
}

static void dirty_many(struct xen_move *m)
{
    for (uint64_t gfn = 600; gfn < 1400; gfn++)
        standin_write(m->from, gfn, gfn * 77);
}

/* 374 maps that are refused once the guest stands: they were left out, and no end knew. */
static void maps_refused_after_the_suspend(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct xen_move m = small_move();

        m.verify = i & 1;
        m.before_suspend = dirty_many;
        xen_move_new(&m);
        standin.pvh_dom0 = i & 2;
        standin.frame_error = refuse_after_the_suspend;
        xen_move_run(&m);
        xen_move_assert_stayed(&m, "374 maps refused");
        assert_true(standin_said("cannot map page 0x258, which has content"));
        assert_true(standin_said("374 such pages"));
        assert_false(m.from->logdirty);
    }
}

/* The same while the guest runs, and at the target, whose chunks map with frames missing. */
static void frames_that_never_map(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct xen_move m = small_move();

        xen_move_new(&m);
        standin.pvh_dom0 = i & 2;
        refusing = i & 1 ? SOURCE_DOMID : TARGET_DOMID;
        standin.frame_error = refuse_some;
        xen_move_run(&m);
        xen_move_assert_stayed(&m, "frames that never map");
        assert_true(standin_said(i & 1 ? "cannot map page 0x320, which has content"
                                       : "cannot map page 0x320, which has memory"));
    }
}

/* What the guest gives back while it moves is no error, and is counted. */
static void give_some_back(struct xen_move *m)
{
    dirty_many(m);
    for (uint64_t gfn = 700; gfn < 710; gfn++)
        standin_give_back(m->from, gfn);
}

static void pages_given_back_are_deferred(void **state)
{
    (void)state;
    for (unsigned verify = 0; verify < 2; verify++) {
        struct xen_move m = small_move();

        m.verify = verify;
        m.before_suspend = give_some_back;
        xen_move_new(&m);
        xen_move_run(&m);
        assert_int_equal(m.save_rc, 0);
        assert_int_equal(m.restore_rc, 0);
        /* The target keeps memory for them, as with stock. */
        assert_int_equal(standin_differing(m.from, m.to), 10);
        assert_true(standin_said(verify ? "\"deferred_pages\":20," : "\"deferred_pages\":10,"));
        assert_true(!verify || standin_said("\"unverified_pages\":14,"));
        xen_move_assert_tidy(&m);
    }
}

/* What a backend reads into a page that it has mapped is in no dirty log. */
static int backend_writes(const char *call, unsigned number)
{
    const struct xen_move *m = xen_move_now;

    /* The guest too, as long as it runs: so it is compared while it stands. */
    if (standin_is_source && !strcmp(call, "xenforeignmemory_map") && !m->from->shutdown)
        standin_write(m->from, 600, number);
    if (!strcmp(call, "xc_gnttab_query_size"))
        m->from->memory[UINT64_C(600) * 4096] ^= 1;
    return 0;
}

/* The page that differs; four others are left out in each move. */
static void assert_moved_with_one_left_out(struct xen_move *m)
{
    assert_int_equal(m->save_rc, 0);
    assert_int_equal(m->restore_rc, 0);
    assert_int_equal(standin_differing(m->from, m->to), 1);
    assert_true(standin_said("\"unverified_pages\":5,"));
    xen_move_assert_tidy(m);
}

static void granted_pages_are_not_compared(void **state)
{
    (void)state;
    for (unsigned granted = 0; granted < 2; granted++) {
        struct xen_move m = small_move();

        m.verify = true;
        xen_move_new(&m);
        m.from->granted = granted ? 600 : 601;
        standin.hook = backend_writes;
        xen_move_run(&m);
        if (!granted) {
            xen_move_assert_stayed(&m, "a page that differs and is not granted");
            continue;
        }
        assert_moved_with_one_left_out(&m);
    }
}

static uint32_t *event_words(struct standin_domain *d)
{
    return (uint32_t *)(void *)(d->memory + UINT64_C(600) * 4096);
}

/* Xen sets a bit when an event is sent to the guest, which stands. */
static int an_event_is_sent(const char *call, unsigned number)
{
    struct standin_domain *d = xen_move_now->from;
    uint32_t words[1024];

    /* As long as it runs it clears such bits itself: so the page is compared while it stands. */
    if (standin_is_source && !strcmp(call, "xenforeignmemory_map") && !d->shutdown) {
        memcpy(words, event_words(d), sizeof(words));
        standin_write(d, 600, number);
        memcpy(event_words(d), words, sizeof(words));
    }
    if (!strcmp(call, "xc_gnttab_query_size"))
        event_words(d)[8] |= 1u << 31;
    return 0;
}

static void event_words_are_not_compared(void **state)
{
    (void)state;
    for (unsigned odd = 0; odd < 2; odd++) {
        struct xen_move m = small_move();

        m.verify = true;
        xen_move_new(&m);
        for (unsigned i = 0; i < 1024; i++)
            event_words(m.from)[i] = i > 20 ? 1u << 30 : 0;
        event_words(m.from)[9] = odd ? 1 << 20 : 0; /* no event's */
        standin.hook = an_event_is_sent;
        xen_move_run(&m);
        if (odd) {
            xen_move_assert_stayed(&m, "a page that differs and does not hold event words");
            continue;
        }
        assert_moved_with_one_left_out(&m);
    }
}

static void no_superpages_at_the_target(void **state)
{
    struct xen_move m = small_move();

    (void)state;
    xen_move_new(&m);
    m.to->superpages = 2;
    xen_move_run(&m);
    xen_move_assert_moved(&m);
    assert_int_equal(m.to->large_pages, 2);
}

/* Most of it holes. */
static void a_guest_of_more_than_a_million_gfns(void **state)
{
    struct xen_move m = {
        .pages = (UINT64_C(1) << 20) + 3 * 512 + 5, .filled = 2000, .writes = 2000};

    (void)state;
    xen_move_new(&m);
    for (uint64_t gfn = m.pages - 1000; gfn < m.pages; gfn++)
        standin_populate(m.from, gfn);
    xen_move_run(&m);
    xen_move_assert_moved(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_moves),
        cmocka_unit_test(every_call_fails_once_at_every_place),
        cmocka_unit_test(maps_refused_after_the_suspend),
        cmocka_unit_test(frames_that_never_map),
        cmocka_unit_test(pages_given_back_are_deferred),
        cmocka_unit_test(granted_pages_are_not_compared),
        cmocka_unit_test(event_words_are_not_compared),
        cmocka_unit_test(no_superpages_at_the_target),
        cmocka_unit_test(a_guest_of_more_than_a_million_gfns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
