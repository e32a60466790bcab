/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of bench link: a pass to warm up, then as many as are wanted, or as fit into the time.
 */
#include "tests/unit/common/unit.h"

#include "xl-plugin/bench/plan_passes.h"

static struct xf_plan_order after(struct xf_plan_passes *p, enum xf_ended what, uint64_t now_us)
{
    struct xf_stats stats = {.pages_sent = now_us};

    return p->plan.next(&p->plan,
                        &(struct xf_plan_ended){.what = what, .stats = &stats, .now_us = now_us});
}

static void sends(struct xf_plan_order order, enum xf_content content, bool final)
{
    assert_int_equal(order.what, XF_ORDER_SEND);
    assert_int_equal(order.content, content);
    assert_int_equal(order.final, final);
}

static void begin(struct xf_plan_passes *p, uint64_t wanted, uint64_t wanted_us)
{
    xf_plan_passes_init(p, wanted, wanted_us, 0);
    sends(after(p, XF_ENDED_START, 1000), XF_SEND_PAGES, false); /* to warm up */
    sends(after(p, XF_ENDED_SEND, 2000), XF_SEND_PAGES, false);
    assert_int_equal(p->passes, 0);
}

static void test_passes(void **state)
{
    struct xf_plan_passes p;

    (void)state;
    begin(&p, 2, 0);
    sends(after(&p, XF_ENDED_SEND, 3000), XF_SEND_PAGES, false);
    sends(after(&p, XF_ENDED_SEND, 4000), XF_SEND_NOTHING, true);
    assert_int_equal(after(&p, XF_ENDED_SEND, 5000).what, XF_ORDER_DONE);
    assert_int_equal(p.passes, 2);
    assert_int_equal(p.warm_us, 2000);
    assert_int_equal(p.warm.pages_sent, 2000);
    assert_int_equal(p.end_us, 4000);

    begin(&p, 0, 1500);
    sends(after(&p, XF_ENDED_SEND, 3499), XF_SEND_PAGES, false);
    sends(after(&p, XF_ENDED_SEND, 3500), XF_SEND_NOTHING, true);
    assert_int_equal(p.passes, 2);
}

/* The passes that begin within the time to omit are not counted, nor is the first. */
static void test_omitted(void **state)
{
    struct xf_plan_passes p;

    (void)state;
    xf_plan_passes_init(&p, 1, 0, 2500);
    sends(after(&p, XF_ENDED_START, 1000), XF_SEND_PAGES, false);
    sends(after(&p, XF_ENDED_SEND, 2000), XF_SEND_PAGES, false);
    sends(after(&p, XF_ENDED_SEND, 3000), XF_SEND_PAGES, false);
    assert_false(p.is_warm);
    sends(after(&p, XF_ENDED_SEND, 4000), XF_SEND_PAGES, false);
    assert_true(p.is_warm);
    assert_int_equal(p.warm_us, 4000);
    assert_int_equal(p.passes, 0);
    sends(after(&p, XF_ENDED_SEND, 5000), XF_SEND_NOTHING, true);
    assert_int_equal(p.passes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes),
                                       cmocka_unit_test(test_omitted)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
