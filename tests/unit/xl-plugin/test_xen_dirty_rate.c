/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dirty_rate.c over the stand-in for Xen: what a guest writes is counted, the log is off
 * afterwards, and a log that is another's, before or from the middle on, is left as it is.
 */
#include "tests/unit/common/unit.h"

#include <unistd.h>

#include "tests/unit/standins/xen.h"
#include "transport/base/bitmap.h"
#include "xl-plugin/plugin/dirty_rate.h"

#define DOMID  1u
#define PAGES  (3 * 512u)
#define A_LOOK 20u /* pages that the guest writes to before each look */

static xc_interface *const xch = (xc_interface *)&standin;
static struct standin_domain *guest;
static void (*second)(void);
static unsigned at_look;

static void begins(void)
{
    standin_second_begins(DOMID);
}

static void reads(void)
{
    standin_second_reads(DOMID);
}

static void begins_and_ends(void)
{
    standin_second_begins(DOMID);
    standin_second_ends(DOMID);
}

/* Looks of the whole log only: of one at the canary the guest is to write nothing. */
static int hook(const char *call, unsigned number)
{
    if (strcmp(call, "xc_logdirty_control(PEEK)") != 0)
        return 0;
    for (unsigned i = 0; i < A_LOOK; i++)
        standin_write(guest, 100 + (uint64_t)(number * A_LOOK + i) % 1000, number);
    if (second && number == at_look)
        second();
    return 0;
}

static struct xf_dirty_rate begin(void)
{
    standin_reset();
    second = NULL;
    guest = standin_domain_new(DOMID, PAGES);
    for (uint64_t gfn = 0; gfn < PAGES; gfn++)
        standin_populate(guest, gfn);
    standin.hook = hook;
    return (struct xf_dirty_rate){.xch = xch, .domid = DOMID, .duration_us = 2000, .stop = -1};
}

static void what_a_guest_writes_is_counted(void **state)
{
    (void)state;
    for (unsigned without = 0; without < 2; without++) {
        struct xf_dirty_rate r = begin();

        standin.no_canary = without;
        assert_int_equal(xf_dirty_rate(&r), 0);
        assert_string_equal(r.why, "");
        assert_int_equal(r.n, XF_DIRTY_SAMPLES);
        for (unsigned i = 0; i < r.n; i++) {
            /* With a canary there is a look at it before, and one after each sample. */
            const unsigned looks = without ? i + 1 : 2 * i + 2;

            assert_int_equal(r.samples[i].pages, looks * A_LOOK);
            assert_true(r.samples[i].us >= 2000u >> (XF_DIRTY_SAMPLES - 1 - i));
        }
        assert_false(guest->logdirty);
        assert_false(r.log_on);
    }
}

static void a_log_that_is_on_is_anothers(void **state)
{
    struct xf_dirty_rate r = begin();

    (void)state;
    guest->logdirty = true;
    assert_int_equal(xf_dirty_rate(&r), -EBUSY);
    assert_non_null(strstr(r.why, "its dirty log is on"));
    assert_true(guest->logdirty);
    assert_false(r.log_on);
    /* But for that of a measurement that was killed. */
    r.was_left = true;
    assert_int_equal(xf_dirty_rate(&r), 0);
    assert_false(guest->logdirty);
}

static void anothers_log_is_left_on(void **state)
{
    static const struct {
        void (*what)(void);
        bool stays;
    } seconds[] = {{begins, true}, {reads, true}, {begins_and_ends, false}};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        for (unsigned look = 2; look <= 2 * XF_DIRTY_SAMPLES + 1; look++) {
            struct xf_dirty_rate r = begin();

            second = seconds[i].what;
            at_look = look;
            assert_int_equal(xf_dirty_rate(&r), -ESTALE);
            assert_non_null(strstr(r.why, "has begun"));
            assert_int_equal(guest->logdirty, seconds[i].stays);
            assert_false(r.log_on);
        }
}

static void it_ends_early(void **state)
{
    struct xf_dirty_rate r = begin();
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    r.stop = fds[0];
    r.duration_us = UINT64_C(3600000000);
    assert_int_equal(xf_dirty_rate(&r), -ECANCELED);
    assert_string_equal(r.why, "cancelled");
    assert_false(guest->logdirty);
    close(fds[0]);
    close(fds[1]);
}

static void what_fails_is_said(void **state)
{
    static const struct {
        const char *call;
        unsigned at;
        bool stays;
    } fails[] = {{"xc_logdirty_control(PEEK)", 1, false},
                 {"xc_logdirty_control(PEEK)", 6, false},
                 {"xc_shadow_control(OFF)", 1, true},
                 {"xc_shadow_control(ENABLE)", 1, false},
                 {"xc_domain_nr_gpfns", 1, false}};

    (void)state;
    for (unsigned i = 0; i < sizeof(fails) / sizeof(*fails); i++) {
        struct xf_dirty_rate r = begin();

        standin.fail_call = fails[i].call;
        standin.fail_at = fails[i].at;
        standin.fail_errno = EIO;
        if (xf_dirty_rate(&r) >= 0)
            fail_msg("%s fails, and it does not", fails[i].call);
        assert_string_not_equal(r.why, "");
        assert_int_equal(guest->logdirty, fails[i].stays);
        assert_int_equal(r.log_on, fails[i].stays);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_guest_writes_is_counted),
        cmocka_unit_test(a_log_that_is_on_is_anothers),
        cmocka_unit_test(anothers_log_is_left_on),
        cmocka_unit_test(it_ends_early),
        cmocka_unit_test(what_fails_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
