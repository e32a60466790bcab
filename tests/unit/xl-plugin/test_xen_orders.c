/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orders.c with save.c: what xl-fast set wants of a guest that moves over the stand-in for Xen, and
 * its deadline.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/common/control_dir.h"
#include "tests/unit/common/xen_move.h"

#include "transport/base/clock.h"
#include "transport/control.h"

/* 14 MB that take 0.7 s, of a guest that writes to all of them meanwhile, and is to stay then. */
static struct xen_move restless(void)
{
    struct xen_move m = {.pages = 9 * 512, .writes = 5000};

    xen_move_new(&m);
    standin_plugin.config.bandwidth_bytes_per_s = 20000000;
    standin_plugin.config.on_busy = XF_ON_BUSY_ABORT;
    standin_plugin.config.compress = XF_COMPRESS_NONE;
    return m;
}

struct asker {
    struct xf_steer steer;
    int rc;
};

/* As soon as the socket is there. */
static void *ask(void *arg)
{
    struct asker *a = arg;
    const uint64_t until_us = xf_now_us() + 10000000;

    do {
        a->rc = xf_control_ask(path, &a->steer, 5000);
        usleep(1000);
    } while (a->rc == -ENOENT && xf_now_us() < until_us);
    return NULL;
}

static void run(struct xen_move *m, struct asker *a)
{
    pthread_t thread;

    xen_move_now = m;
    setenv("XL_FAST_CONTROL", path, 1);
    if (a)
        assert_int_equal(pthread_create(&thread, NULL, ask, a), 0);
    xen_move_run(m);
    if (a)
        pthread_join(thread, NULL);
    assert_int_equal(access(path, F_OK), -1);
    unsetenv("XL_FAST_CONTROL");
}

static void now_it_goes(void **state)
{
    struct asker a = {.steer = {.what = XF_STEER_NOW | XF_STEER_BANDWIDTH}};
    struct xen_move m = restless();

    (void)state;
    run(&m, &a);
    assert_int_equal(a.rc, 0);
    xen_move_assert_moved(&m);
    assert_true(standin_said("source: set bandwidth=none now"));
    assert_true(standin_said("\"rounds\":2,"));
}

static void unless_it_is_told_it_stays(void **state)
{
    struct asker a = {.steer = {.what = XF_STEER_BANDWIDTH}};
    struct xen_move m = restless();

    (void)state;
    run(&m, &a);
    assert_int_equal(a.rc, 0);
    xen_move_assert_stayed(&m, "a restless guest");
    assert_true(standin_said("or by --on-busy=go"));
}

static void the_deadline_ends_it(void **state)
{
    struct xen_move m = restless();

    (void)state;
    standin_plugin.config.bandwidth_bytes_per_s = 200000; /* a round takes more than a minute */
    standin_plugin.config.deadline_s = 1;
    run(&m, NULL);
    xen_move_assert_stayed(&m, "the deadline");
    assert_true(standin_said("the deadline has passed"));
    assert_true(standin_said("\"rounds\":0,")); /* not even the first was over */
}

static void without_a_place_none_are_taken(void **state)
{
    struct xen_move m = {.pages = 9 * 512};

    (void)state;
    xen_move_new(&m);
    xen_move_now = &m;
    setenv("XL_FAST_CONTROL", "/nowhere/control", 1);
    xen_move_run(&m);
    unsetenv("XL_FAST_CONTROL");
    xen_move_assert_moved(&m);
    assert_true(standin_said("xl-fast set will not reach this move: /nowhere/control"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_it_goes),
        cmocka_unit_test(unless_it_is_told_it_stays),
        cmocka_unit_test(the_deadline_ends_it),
        cmocka_unit_test(without_a_place_none_are_taken),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
