/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest_source_late.c in whole migrations over the stand-in for Xen, which before 4.22 neither
 * marks dirty what a guest takes into its memory nor sees writes to it: such pages arrive all the
 * same, the asking is bounded, and a guest that takes none is asked nothing.
 */
#include "tests/unit/common/xen_move.h"

#define PAGES     (9 * 512u)
#define HOLE      (3 * 512u + 1) /* the first empty gfn of small_move() */
#define HOLE_ENDS (4 * 512u)

static unsigned maps; /* of the source, while the guest runs */

static struct xen_move small_move(void)
{
    maps = 0;
    return (struct xen_move){.pages = PAGES, .writes = 20};
}

/* Calls what the guest does at each map, by its number. */
static void (*at_map)(struct xen_move *m, unsigned number);

static int hook(const char *call, unsigned number)
{
    if (standin_is_source && !strcmp(call, "xenforeignmemory_map") && !xen_move_now->from->shutdown)
        at_map(xen_move_now, ++maps);
    return xen_move_hook(call, number);
}

static void take(struct xen_move *m, uint64_t first, uint64_t count, bool write)
{
    for (uint64_t gfn = first; gfn < first + count; gfn++) {
        standin_populate(m->from, gfn);
        if (write)
            standin_write(m->from, gfn, gfn * 31);
    }
}

/* Some are only read, some written to before anybody could see it. */
static void takes_early(struct xen_move *m, unsigned number)
{
    if (number == 2)
        take(m, HOLE + 20, 30, false);
    if (number == 3)
        take(m, HOLE + 50, 30, true);
}

static void takes_last(struct xen_move *m)
{
    take(m, HOLE + 100, 30, false);
    take(m, HOLE + 130, 30, true);
}

static void pages_that_come_late_arrive(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct xen_move m = small_move();

        m.verify = i & 1;
        m.before_suspend = i < 4 ? takes_last : NULL;
        xen_move_new(&m);
        at_map = takes_early;
        standin.hook = i >= 2 ? hook : xen_move_hook;
        m.from->marks_populated = i == 5;
        standin.version = i == 5 ? 4 << 16 | 22 : 4 << 16 | 17;
        xen_move_run(&m);
        xen_move_assert_moved(&m);
    }
}

/* Out and in again: the same gfns, other content. */
static void gives_back_and_takes(struct xen_move *m, unsigned number)
{
    for (uint64_t gfn = 700; number == 2 && gfn < 800; gfn++)
        standin_give_back(m->from, gfn);
    if (number == 4) {
        take(m, 700, 50, false);
        take(m, 750, 50, true);
    }
}

static void pages_that_are_given_back_and_taken_arrive(void **state)
{
    (void)state;
    for (unsigned verify = 0; verify < 2; verify++) {
        struct xen_move m = small_move();

        m.verify = verify;
        m.writes = 60;
        xen_move_new(&m);
        at_map = gives_back_and_takes;
        standin.hook = hook;
        xen_move_run(&m);
        assert_true(maps >= 4);
        xen_move_assert_moved(&m);
    }
}

static unsigned long long pages_sent(void)
{
    const char *at = strstr(standin_plugin.said, "{\"end\":\"source\"");

    at = at ? strstr(at, "\"pages_sent\":") : NULL;
    assert_non_null(at);
    return strtoull(at + strlen("\"pages_sent\":"), NULL, 10);
}

/* Once it is known what was given back, only that has to be looked for. */
static void gives_back_and_takes_later(struct xen_move *m, unsigned number)
{
    for (uint64_t gfn = 700; number == 2 && gfn < 800; gfn++)
        standin_give_back(m->from, gfn);
    if (number == 5)
        take(m, 700, 100, true);
}

static void not_all_is_sent_again(void **state)
{
    (void)state;
    for (unsigned later = 0; later < 2; later++) {
        struct xen_move m = small_move();

        m.writes = 60;
        xen_move_new(&m);
        at_map = later ? gives_back_and_takes_later : gives_back_and_takes;
        standin.hook = hook;
        xen_move_run(&m);
        assert_true(maps >= 5);
        xen_move_assert_moved(&m);
        assert_true(later ? pages_sent() < PAGES * 3 / 2 : pages_sent() > PAGES * 3 / 2);
    }
}

/* A guest whose memory stays as it is: what its types cost at the start is all. */
static void nothing_is_asked_of_others(void **state)
{
    struct xen_move m = small_move();

    (void)state;
    m.verify = true;
    xen_move_new(&m);
    xen_move_run(&m);
    xen_move_assert_moved(&m);
    assert_int_equal(standin.types_asked, PAGES);
}

static uint64_t asked_before;

static void takes_ten(struct xen_move *m)
{
    take(m, HOLE + 100, 10, true);
    asked_before = standin.types_asked;
}

/* A million holes: the search ends where the memory was found. */
static void the_search_is_bounded(void **state)
{
    struct xen_move m = {
        .pages = (UINT64_C(1) << 20) + 5, .filled = PAGES, .before_suspend = takes_ten};

    (void)state;
    xen_move_new(&m);
    xen_move_run(&m);
    xen_move_assert_moved(&m);
    assert_true(standin.types_asked - asked_before < 1200);
}

/* What no bitmap has a bit for. */
static void grows(struct xen_move *m)
{
    standin_populate(m->from, PAGES - 1);
    m->from->gpfns = PAGES;
}

static void memory_beyond_the_end_is_named(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        struct xen_move m = small_move();

        m.before_suspend = more ? grows : NULL;
        xen_move_new(&m);
        for (uint64_t gfn = PAGES - 600; gfn < PAGES; gfn++)
            standin_give_back(m.from, gfn);
        m.from->gpfns = PAGES - 600;
        xen_move_run(&m);
        if (!more) {
            assert_int_equal(m.save_rc, 0);
            continue;
        }
        xen_move_assert_stayed(&m, "memory beyond the end");
        assert_true(standin_said("has got memory at page 0x11ff"));
    }
}

/* Should one get past all this, --verify finds it: a page that is taken between two counts in the
   place of another. */
static void takes_for_another(struct xen_move *m, unsigned number)
{
    if (number == 2)
        take(m, HOLE_ENDS - 9, 1, false);
    if (number == 3)
        standin_give_back(m->from, HOLE_ENDS - 9);
    if (number != 4)
        return;
    take(m, HOLE_ENDS - 3, 1, true);
    standin_give_back(m->from, 700);
}

static void verify_asks_for_what_the_target_has_not(void **state)
{
    struct xen_move m = small_move();

    (void)state;
    m.verify = true;
    m.writes = 60;
    xen_move_new(&m);
    at_map = takes_for_another;
    standin.hook = hook;
    xen_move_run(&m);
    assert_true(maps >= 4);
    xen_move_assert_stayed(&m, "a page that was not noticed");
    assert_true(standin_said("verify: the target lacks 1 pages, the first of them 0x7fd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_that_come_late_arrive),
        cmocka_unit_test(pages_that_are_given_back_and_taken_arrive),
        cmocka_unit_test(not_all_is_sent_again),
        cmocka_unit_test(nothing_is_asked_of_others),
        cmocka_unit_test(the_search_is_bounded),
        cmocka_unit_test(memory_beyond_the_end_is_named),
        cmocka_unit_test(verify_asks_for_what_the_target_has_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
