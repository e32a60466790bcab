/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans: what they order, without a guest or a packet. */
#include "tests/unit/common/unit.h"

#include <errno.h>

#include "transport/brake.h"
#include "transport/guest.h"
#include "transport/plan_batches.h"
#include "transport/plan_live.h"

#define GBYTE 1000000000u

static struct xf_plan_order after(struct xf_plan *plan, enum xf_ended what)
{
    return plan->next(plan, &(struct xf_plan_ended){.what = what});
}

/* A look finds so many dirty pages, after a round that has sent so many. */
static struct xf_plan_order look(struct xf_plan *plan, uint64_t sent, uint64_t dirty,
                                 bool cannot_slow)
{
    struct xf_round r = {.pages = sent,
                         .us = sent * XF_PAGE_BYTES / (GBYTE / 1000000),
                         .dirty_pages = dirty,
                         .left_pages = dirty,
                         .bytes_per_s = GBYTE};

    return plan->next(plan, &(struct xf_plan_ended){
                                .what = XF_ENDED_LOOK, .round = r, .cannot_slow = cannot_slow});
}

static void sends(struct xf_plan_order order, enum xf_content content, bool final)
{
    assert_int_equal(order.what, XF_ORDER_SEND);
    assert_int_equal(order.content, content);
    assert_int_equal(order.final, final);
}

/* From the start to the first look. */
static void first_round(struct xf_plan *plan)
{
    sends(after(plan, XF_ENDED_START), XF_SEND_PAGES, false);
    assert_int_equal(after(plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
}

static void live(struct xf_plan_live *l, bool throttle, enum xf_on_busy on_busy, bool verify)
{
    struct xf_policy policy;

    xf_policy_init(&policy);
    policy.max_downtime_us = 10000; /* 2441 pages of a GB/s */
    policy.throttle = throttle;
    policy.on_busy = on_busy;
    xf_plan_live_init(l, &policy, verify);
}

static void test_live(void **state)
{
    struct xf_plan_order order;
    struct xf_plan_live l;

    (void)state;
    for (unsigned verify = 0; verify < 2; verify++) {
        live(&l, false, XF_ON_BUSY_GO, verify);
        first_round(&l.plan);
        order = look(&l.plan, 100000, 10000, false);
        sends(order, XF_SEND_PAGES, false);
        assert_int_equal(order.throttle_pct, 100);
        assert_in_range(order.predicted_us, 40000, 41000);
        assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
        order = look(&l.plan, 10000, 1000, false);
        assert_int_equal(order.what, XF_ORDER_SUSPEND);
        assert_in_range(order.predicted_us, 4000, 4100);
        sends(after(&l.plan, XF_ENDED_SUSPEND), XF_SEND_PAGES, !verify);
        if (verify)
            sends(after(&l.plan, XF_ENDED_SEND), XF_SEND_HASHES, true);
        assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_DONE);
    }
}

static struct xf_plan_order look_clean(struct xf_plan *plan, uint64_t dirty, uint64_t clean)
{
    const struct xf_round r = {.pages = 100000,
                               .us = 100000,
                               .dirty_pages = dirty,
                               .left_pages = dirty,
                               .bytes_per_s = GBYTE,
                               .verify = true,
                               .verify_live = true,
                               .clean_pages = clean};

    return plan->next(plan, &(struct xf_plan_ended){.what = XF_ENDED_LOOK, .round = r});
}

/* Hashes go after the first round, and before a stop as long as they become fewer. */
static void test_live_hashes(void **state)
{
    struct xf_plan_live l;

    (void)state;
    live(&l, false, XF_ON_BUSY_GO, true);
    first_round(&l.plan);
    sends(look_clean(&l.plan, 10000, 90000), XF_SEND_HASHES, false);
    assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
    sends(look_clean(&l.plan, 20000, 0), XF_SEND_PAGES, false);
    assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
    sends(look_clean(&l.plan, 3000, 17000), XF_SEND_PAGES, false); /* no stop is near */
    sends(look_clean(&l.plan, 10, 30000), XF_SEND_HASHES, false);
    assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
    sends(look_clean(&l.plan, 10, 15000), XF_SEND_HASHES, false);
    assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
    assert_int_equal(look_clean(&l.plan, 10, 7501).what, XF_ORDER_SUSPEND); /* hardly fewer */
    sends(after(&l.plan, XF_ENDED_SUSPEND), XF_SEND_PAGES, false);
    sends(after(&l.plan, XF_ENDED_SEND), XF_SEND_HASHES, true);
    assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_DONE);

    /* What is to go now is compared first all the same: the guest would wait for it. */
    live(&l, false, XF_ON_BUSY_GO, true);
    l.policy.now = true;
    first_round(&l.plan);
    sends(look_clean(&l.plan, 50000, 60000), XF_SEND_HASHES, false);
    assert_int_equal(look_clean(&l.plan, 80000, 0).what, XF_ORDER_SUSPEND);
}

/* Rounds that do not shrink: slowed down by halves, then what was asked for. */
static void test_busy(void **state)
{
    static const unsigned slower[] = {100, 50, 25, 12, 6, 3, 1};
    struct xf_plan_order order;
    struct xf_plan_live l;

    (void)state;
    live(&l, true, XF_ON_BUSY_ABORT, false);
    first_round(&l.plan);
    for (unsigned i = 0; i < 7; i++) {
        order = look(&l.plan, 10000, 10000, false);
        sends(order, XF_SEND_PAGES, false);
        assert_int_equal(order.throttle_pct, slower[i]);
        assert_int_equal(after(&l.plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
    }
    for (unsigned i = 0; i < 2; i++)
        sends(look(&l.plan, 10000, 10000, false), XF_SEND_PAGES, false);
    order = look(&l.plan, 10000, 10000, false);
    assert_int_equal(order.what, XF_ORDER_GIVE_UP);
    assert_null(strstr(order.why, "--throttle"));

    /* One that cannot be slowed down is not halved again, and that is said. */
    live(&l, true, XF_ON_BUSY_ABORT, false);
    first_round(&l.plan);
    assert_int_equal(look(&l.plan, 10000, 10000, false).throttle_pct, 100);
    for (unsigned i = 0; i < 3; i++) {
        order = look(&l.plan, 10000, 10000, i > 0);
        sends(order, XF_SEND_PAGES, false);
        assert_int_equal(order.throttle_pct, 50);
    }
    order = look(&l.plan, 10000, 10000, true);
    assert_int_equal(order.what, XF_ORDER_GIVE_UP);
    assert_non_null(strstr(order.why, "--throttle"));
}

/* Other values while rounds go on; and what is too late for them. */
static void test_steer(void **state)
{
    struct xf_steer bandwidth = {.what = XF_STEER_BANDWIDTH, .bandwidth_bytes_per_s = 1000},
                    downtime = {.what = XF_STEER_MAX_DOWNTIME, .max_downtime_us = 50000},
                    slower = {.what = XF_STEER_THROTTLE, .throttle = true},
                    faster = {.what = XF_STEER_THROTTLE}, now = {.what = XF_STEER_NOW};
    struct xf_plan_live l;

    (void)state;
    live(&l, false, XF_ON_BUSY_ABORT, false);
    first_round(&l.plan);
    assert_int_equal(look(&l.plan, 100000, 10000, false).throttle_pct, 100);
    assert_int_equal(l.plan.steer(&l.plan, &slower), 0);
    assert_int_equal(look(&l.plan, 10000, 10000, false).throttle_pct, 50);
    assert_int_equal(l.plan.steer(&l.plan, &faster), 0);
    assert_int_equal(look(&l.plan, 10000, 10000, false).throttle_pct, 100);
    assert_int_equal(l.plan.steer(&l.plan, &downtime), 0);
    assert_int_equal(look(&l.plan, 10000, 10000, false).what, XF_ORDER_SUSPEND);
    sends(after(&l.plan, XF_ENDED_SUSPEND), XF_SEND_PAGES, true);
    assert_int_equal(l.plan.steer(&l.plan, &bandwidth), 0);
    assert_int_equal(l.plan.steer(&l.plan, &now), -EALREADY);
    downtime.what |= XF_STEER_BANDWIDTH;
    assert_int_equal(l.plan.steer(&l.plan, &downtime), -EALREADY);

    /* Whatever the downtime, and though a busy guest was to stay. */
    live(&l, false, XF_ON_BUSY_ABORT, false);
    first_round(&l.plan);
    assert_int_equal(l.plan.steer(&l.plan, &now), 0);
    assert_int_equal(after(&l.plan, XF_ENDED_TIME).what, XF_ORDER_WAIT);
    assert_int_equal(look(&l.plan, 100000, 100000, false).what, XF_ORDER_SUSPEND);
}

static void test_deadline(void **state)
{
    struct xf_plan_order order;
    struct xf_policy policy;
    struct xf_plan_live l;

    (void)state;
    for (unsigned abort = 0; abort < 2; abort++) {
        xf_policy_init(&policy);
        policy.max_downtime_us = 10000;
        policy.until_us = 1;
        policy.on_busy = abort ? XF_ON_BUSY_ABORT : XF_ON_BUSY_GO;
        xf_plan_live_init(&l, &policy, false);
        assert_int_equal(l.plan.until_us, 1);
        first_round(&l.plan);
        /* In the middle of a round, and at its end. */
        order = after(&l.plan, XF_ENDED_TIME);
        assert_int_equal(order.what, abort ? XF_ORDER_GIVE_UP : XF_ORDER_WAIT);
        order = l.plan.next(&l.plan,
                            &(struct xf_plan_ended){
                                .what = XF_ENDED_LOOK,
                                .round = {.dirty_pages = 10000, .left_pages = 10000, .now_us = 1}});
        assert_int_equal(order.what, abort ? XF_ORDER_GIVE_UP : XF_ORDER_SUSPEND);
        if (abort)
            assert_non_null(strstr(order.why, "--deadline"));
    }
}

static void test_batches(void **state)
{
    struct xf_plan_batches b;

    (void)state;
    xf_plan_batches_init(&b);
    assert_int_equal(after(&b.plan, XF_ENDED_START).what, XF_ORDER_LOOK);
    for (unsigned i = 0; i < 3; i++) {
        struct xf_plan_ended none = {.what = XF_ENDED_LOOK, .none_yet = true};

        assert_int_equal(b.plan.next(&b.plan, &none).what, XF_ORDER_WAIT);
        assert_int_equal(after(&b.plan, XF_ENDED_WAIT).what, XF_ORDER_LOOK);
        sends(look(&b.plan, 0, 5, false), XF_SEND_PAGES, false);
        assert_int_equal(after(&b.plan, XF_ENDED_SEND).what, XF_ORDER_LOOK);
    }
    sends(look(&b.plan, 5, 0, false), XF_SEND_NOTHING, true);
    assert_int_equal(after(&b.plan, XF_ENDED_SEND).what, XF_ORDER_DONE);
}

static int refusal;
static unsigned asked[8], asked_n;

static int throttle(void *arg, unsigned percent)
{
    (void)arg;
    asked[asked_n++] = percent;
    return percent < 100 ? refusal : 0;
}

static void test_brake(void **state)
{
    struct xf_brake b;

    (void)state;
    xf_brake_init(&b, throttle, NULL);
    xf_brake_set(&b, 100);
    xf_brake_release(&b);
    assert_int_equal(asked_n, 0);
    xf_brake_set(&b, 50);
    xf_brake_set(&b, 50);
    xf_brake_set(&b, 25);
    assert_int_equal(b.least_pct, 25);
    assert_false(b.refused);
    xf_brake_release(&b);
    xf_brake_release(&b);
    assert_int_equal(asked_n, 3);
    assert_int_equal(asked[2], 100);
    assert_int_equal(b.least_pct, 25);

    /* What failed may have done something all the same. */
    asked_n = 0;
    refusal = -1;
    xf_brake_init(&b, throttle, NULL);
    xf_brake_set(&b, 50);
    assert_true(b.refused);
    assert_int_equal(b.least_pct, 0);
    xf_brake_release(&b);
    assert_int_equal(asked_n, 2);
    assert_int_equal(asked[1], 100);

    /* All of it again was no slowing down. */
    xf_brake_set(&b, 50);
    xf_brake_set(&b, 100);
    assert_int_equal(asked[3], 100);
    assert_int_equal(b.least_pct, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live),     cmocka_unit_test(test_live_hashes),
        cmocka_unit_test(test_busy),     cmocka_unit_test(test_steer),
        cmocka_unit_test(test_deadline), cmocka_unit_test(test_batches),
        cmocka_unit_test(test_brake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
