/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover: the decision, case by case, and what must hold for every combination of evidence. */
#include "tests/unit/common/unit.h"

#include "xl-plugin/recover/recover_decide.h"

typedef struct xf_recover_evidence evidence;
typedef struct xf_recover_decision decision;

enum { NO, YES };

static evidence here(enum xf_recover_place place, enum xf_recover_state state)
{
    return (evidence){.source = {place, state, false, false}, .target = {.answers = true}};
}

static evidence there(evidence e, enum xf_recover_place place, enum xf_recover_state state,
                      bool ran)
{
    e.target.place = place;
    e.target.state = state;
    e.target.ran = ran;
    return e;
}

static evidence receiver(evidence e, enum xf_recover_receiver r)
{
    e.target.receiver = r;
    return e;
}

static evidence record(evidence e, enum xf_recover_record r)
{
    e.target.record = r;
    return e;
}

static void is(evidence e, enum xf_recover_verdict verdict, enum xf_recover_reason reason,
               enum xf_recover_step step)
{
    decision d = xf_recover_decide(&e);

    assert_string_equal(xf_recover_verdict_name(d.verdict), xf_recover_verdict_name(verdict));
    assert_string_equal(xf_recover_reason_name(d.reason), xf_recover_reason_name(reason));
    assert_string_equal(xf_recover_step_name(d.step), xf_recover_step_name(step));
}

#define SOURCE  XF_VERDICT_SOURCE_OWNS
#define TARGET  XF_VERDICT_TARGET_OWNS
#define BUSY    XF_VERDICT_IN_PROGRESS
#define UNKNOWN XF_VERDICT_CANNOT_TELL

static void test_go_may_have_been_sent(void **state)
{
    evidence away = here(XF_PLACE_AWAY, XF_STATE_SUSPENDED);
    evidence unrun = there(away, XF_PLACE_INCOMING, XF_STATE_PAUSED, NO);

    (void)state;
    is(unrun, SOURCE, XF_WHY_NEVER_RAN_THERE, XF_STEP_TAKE_BACK);
    is(receiver(unrun, XF_RECEIVER_OURS), BUSY, XF_WHY_RECEIVER_BUSY, XF_STEP_STOP_RECEIVER);
    is(receiver(unrun, XF_RECEIVER_UNKNOWN), BUSY, XF_WHY_RECEIVER_UNKNOWN, XF_STEP_NONE);
    /* Its receiver died between renaming and unpausing. */
    evidence named = there(away, XF_PLACE_NAME, XF_STATE_PAUSED, NO);
    named.target.received = true;
    is(named, SOURCE, XF_WHY_NEVER_RAN_THERE, XF_STEP_TAKE_BACK);
    /* Or it ran and reboots. */
    named.target.received = false;
    is(named, UNKNOWN, XF_WHY_MAYBE_NEW, XF_STEP_NONE);

    is(there(away, XF_PLACE_NAME, XF_STATE_RUNNING, YES), TARGET, XF_WHY_RAN_THERE,
       XF_STEP_DESTROY_STALE);
    is(there(away, XF_PLACE_NAME, XF_STATE_RUNNING, NO), TARGET, XF_WHY_RAN_THERE,
       XF_STEP_DESTROY_STALE);
    is(there(away, XF_PLACE_NAME, XF_STATE_PAUSED, YES), TARGET, XF_WHY_RAN_THERE,
       XF_STEP_DESTROY_STALE);
    is(there(away, XF_PLACE_NAME, XF_STATE_ENDED, YES), UNKNOWN, XF_WHY_THERE_ENDED, XF_STEP_NONE);
    is(there(away, XF_PLACE_INCOMING, XF_STATE_RUNNING, YES), UNKNOWN, XF_WHY_TWO_COPIES,
       XF_STEP_NONE);

    is(away, UNKNOWN, XF_WHY_NO_TRACE, XF_STEP_NONE);
    is(record(away, XF_RECORD_HAD_GO), UNKNOWN, XF_WHY_GONE_THERE, XF_STEP_NONE);
    is(record(away, XF_RECORD_GIVEN_BACK), SOURCE, XF_WHY_GIVEN_BACK, XF_STEP_TAKE_BACK);
    is(receiver(record(away, XF_RECORD_GIVEN_BACK), XF_RECEIVER_OURS), BUSY, XF_WHY_RECEIVER_BUSY,
       XF_STEP_STOP_RECEIVER);
}

static void test_no_go_was_sent(void **state)
{
    evidence name = here(XF_PLACE_NAME, XF_STATE_SUSPENDED);

    (void)state;
    is(name, SOURCE, XF_WHY_NEVER_WENT, XF_STEP_RESUME);
    is(there(name, XF_PLACE_INCOMING, XF_STATE_PAUSED, NO), SOURCE, XF_WHY_NEVER_WENT,
       XF_STEP_DESTROY_UNRUN);
    is(receiver(name, XF_RECEIVER_OURS), BUSY, XF_WHY_RECEIVER_BUSY, XF_STEP_STOP_RECEIVER);
    is(there(name, XF_PLACE_NAME, XF_STATE_RUNNING, YES), UNKNOWN, XF_WHY_TWO_COPIES, XF_STEP_NONE);
}

static void test_source_runs(void **state)
{
    evidence runs = here(XF_PLACE_NAME, XF_STATE_RUNNING);

    (void)state;
    is(runs, SOURCE, XF_WHY_RUNS_HERE, XF_STEP_NONE);
    is(receiver(runs, XF_RECEIVER_UNKNOWN), SOURCE, XF_WHY_RUNS_HERE, XF_STEP_NONE);
    is(here(XF_PLACE_NAME, XF_STATE_PAUSED), SOURCE, XF_WHY_RUNS_HERE, XF_STEP_NONE);
    is(here(XF_PLACE_AWAY, XF_STATE_RUNNING), SOURCE, XF_WHY_RUNS_HERE, XF_STEP_TAKE_BACK);
    is(there(runs, XF_PLACE_INCOMING, XF_STATE_PAUSED, NO), SOURCE, XF_WHY_LEFTOVER,
       XF_STEP_DESTROY_UNRUN);
    is(there(runs, XF_PLACE_INCOMING, XF_STATE_PAUSED, YES), UNKNOWN, XF_WHY_TWO_COPIES,
       XF_STEP_NONE);
    is(there(runs, XF_PLACE_NAME, XF_STATE_RUNNING, YES), UNKNOWN, XF_WHY_TWO_COPIES, XF_STEP_NONE);
    is(there(runs, XF_PLACE_NAME, XF_STATE_PAUSED, NO), UNKNOWN, XF_WHY_TWO_COPIES, XF_STEP_NONE);
    is(here(XF_PLACE_NAME, XF_STATE_ENDED), UNKNOWN, XF_WHY_HERE_ENDED, XF_STEP_NONE);
}

static void test_no_source(void **state)
{
    evidence none = here(XF_PLACE_NONE, XF_STATE_RUNNING);

    (void)state;
    is(none, UNKNOWN, XF_WHY_NOWHERE, XF_STEP_NONE);
    is(there(none, XF_PLACE_NAME, XF_STATE_RUNNING, YES), TARGET, XF_WHY_ONLY_THERE, XF_STEP_NONE);
    is(there(none, XF_PLACE_NAME, XF_STATE_PAUSED, NO), TARGET, XF_WHY_ONLY_THERE, XF_STEP_NONE);
    is(there(none, XF_PLACE_INCOMING, XF_STATE_PAUSED, NO), UNKNOWN, XF_WHY_INCOMING_ONLY,
       XF_STEP_NONE);
    is(there(none, XF_PLACE_NAME, XF_STATE_ENDED, YES), UNKNOWN, XF_WHY_THERE_ENDED, XF_STEP_NONE);
}

static void test_not_now(void **state)
{
    evidence e = here(XF_PLACE_AWAY, XF_STATE_SUSPENDED);

    (void)state;
    e.source.busy = true;
    e.target.answers = false;
    is(e, BUSY, XF_WHY_SOURCE_BUSY, XF_STEP_NONE);
    e.source.busy = false;
    is(e, UNKNOWN, XF_WHY_NO_ANSWER, XF_STEP_NONE);
    is(here(XF_PLACE_UNCLEAR, XF_STATE_SUSPENDED), UNKNOWN, XF_WHY_UNCLEAR_HERE, XF_STEP_NONE);
    e = here(XF_PLACE_NAME, XF_STATE_SUSPENDED);
    is(there(e, XF_PLACE_UNCLEAR, XF_STATE_PAUSED, NO), UNKNOWN, XF_WHY_UNCLEAR_THERE,
       XF_STEP_NONE);
    is(there(e, XF_PLACE_INCOMING, XF_STATE_DYING, NO), BUSY, XF_WHY_TARGET_DYING, XF_STEP_NONE);
}

/* libvirt renames nothing, so NAME says nothing; what only xl leaves is written down first. */
static void test_libvirt_may_have_moved_it(void **state)
{
    evidence name = here(XF_PLACE_NAME, XF_STATE_SUSPENDED);

    (void)state;
    name.source.maybe_libvirt = true;
    is(name, UNKNOWN, XF_WHY_MAYBE_LIBVIRT, XF_STEP_NONE);
    is(there(name, XF_PLACE_NAME, XF_STATE_RUNNING, YES), UNKNOWN, XF_WHY_MAYBE_LIBVIRT,
       XF_STEP_NONE);
    is(there(name, XF_PLACE_NAME, XF_STATE_PAUSED, NO), UNKNOWN, XF_WHY_MAYBE_LIBVIRT,
       XF_STEP_NONE);
    is(record(name, XF_RECORD_GIVEN_BACK), UNKNOWN, XF_WHY_MAYBE_LIBVIRT, XF_STEP_NONE);
    is(there(name, XF_PLACE_INCOMING, XF_STATE_PAUSED, YES), UNKNOWN, XF_WHY_MAYBE_LIBVIRT,
       XF_STEP_NONE);
    is(there(name, XF_PLACE_INCOMING, XF_STATE_PAUSED, NO), SOURCE, XF_WHY_NEVER_WENT,
       XF_STEP_TAKE_BACK);
    is(receiver(name, XF_RECEIVER_OURS), BUSY, XF_WHY_RECEIVER_BUSY, XF_STEP_TAKE_BACK);
    /* xl has renamed it. */
    evidence away = here(XF_PLACE_AWAY, XF_STATE_SUSPENDED);
    away.source.maybe_libvirt = true;
    is(there(away, XF_PLACE_NAME, XF_STATE_RUNNING, YES), TARGET, XF_WHY_RAN_THERE,
       XF_STEP_DESTROY_STALE);
}

/* What each step needs, whatever else was seen. */
static void check_invariants(const evidence *e)
{
    decision d = xf_recover_decide(e);
    bool unrun = e->target.state == XF_STATE_PAUSED && !e->target.ran;
    bool ran = e->target.place == XF_PLACE_NAME && !unrun;
    bool suspended = e->source.state == XF_STATE_SUSPENDED;

    assert_in_range(d.verdict, 0, XF_VERDICTS - 1);
    assert_in_range(d.reason, 0, XF_WHYS - 1);
    assert_non_null(xf_recover_reason_text(d.reason));
    if (d.verdict == XF_VERDICT_CANNOT_TELL)
        assert_int_equal(d.step, XF_STEP_NONE);
    if (d.step != XF_STEP_NONE) {
        assert_false(e->source.busy);
        assert_true(e->target.answers);
        assert_true(e->source.place == XF_PLACE_NAME || e->source.place == XF_PLACE_AWAY);
        assert_int_not_equal(e->target.place, XF_PLACE_UNCLEAR);
    }
    switch (d.step) {
    case XF_STEP_RESUME:
        assert_true(suspended);
        assert_int_equal(e->source.place, XF_PLACE_NAME);
        assert_false(e->source.maybe_libvirt);
        assert_int_equal(e->target.place, XF_PLACE_NONE);
        assert_int_equal(e->target.receiver, XF_RECEIVER_NONE);
        assert_int_equal(d.verdict, XF_VERDICT_SOURCE_OWNS);
        break;
    case XF_STEP_TAKE_BACK:
        if (e->source.place == XF_PLACE_NAME) {
            assert_true(suspended && e->source.maybe_libvirt);
            assert_true(e->target.receiver == XF_RECEIVER_OURS ||
                        (unrun && e->target.place == XF_PLACE_INCOMING));
            break;
        }
        assert_int_equal(e->source.place, XF_PLACE_AWAY);
        if (suspended) {
            assert_int_equal(e->target.receiver, XF_RECEIVER_NONE);
            if (e->target.place == XF_PLACE_NONE)
                assert_int_equal(e->target.record, XF_RECORD_GIVEN_BACK);
            else
                assert_true(unrun && (e->target.place == XF_PLACE_INCOMING || e->target.received));
        } else {
            assert_int_equal(e->target.place, XF_PLACE_NONE);
        }
        assert_int_equal(d.verdict, XF_VERDICT_SOURCE_OWNS);
        break;
    case XF_STEP_DESTROY_UNRUN:
        assert_true(unrun);
        assert_int_equal(e->target.receiver, XF_RECEIVER_NONE);
        if (suspended) /* else the target's may be the one that a go was for */
            assert_true(e->source.place == XF_PLACE_NAME && !e->source.maybe_libvirt);
        else
            assert_int_equal(e->target.place, XF_PLACE_INCOMING);
        assert_int_equal(d.verdict, XF_VERDICT_SOURCE_OWNS);
        break;
    case XF_STEP_DESTROY_STALE:
        assert_true(suspended && ran);
        assert_int_equal(e->source.place, XF_PLACE_AWAY);
        assert_int_equal(e->target.receiver, XF_RECEIVER_NONE);
        assert_int_equal(d.verdict, XF_VERDICT_TARGET_OWNS);
        break;
    case XF_STEP_STOP_RECEIVER:
        assert_int_equal(e->target.receiver, XF_RECEIVER_OURS);
        assert_int_equal(d.verdict, XF_VERDICT_IN_PROGRESS);
        break;
    default:
        break;
    }
}

static unsigned digit(unsigned *x, unsigned base)
{
    unsigned d = *x % base;

    *x /= base;
    return d;
}

static void test_every_combination(void **state)
{
    unsigned n = 0, steps[XF_STEPS] = {0}, reasons[XF_WHYS] = {0};

    (void)state;
    for (unsigned i = 0;; i++) {
        unsigned x = i;
        evidence e;

        e.source.place = digit(&x, XF_PLACES);
        e.source.state = digit(&x, XF_STATES);
        e.source.busy = digit(&x, 2);
        e.source.maybe_libvirt = digit(&x, 2);
        e.target.answers = digit(&x, 2);
        e.target.place = digit(&x, XF_PLACES);
        e.target.state = digit(&x, XF_STATES);
        e.target.ran = digit(&x, 2);
        e.target.received = digit(&x, 2);
        e.target.receiver = digit(&x, XF_RECEIVERS);
        e.target.record = digit(&x, XF_RECORDS);
        if (x)
            break;
        check_invariants(&e);
        decision d = xf_recover_decide(&e);
        steps[d.step]++;
        reasons[d.reason]++;
        n++;
    }
    printf("%u combinations\n", n);
    for (unsigned i = 0; i < XF_STEPS; i++)
        assert_true(steps[i] > 0);
    for (unsigned i = 0; i < XF_WHYS; i++) /* none is there for nothing */
        assert_true(reasons[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_go_may_have_been_sent),
        cmocka_unit_test(test_no_go_was_sent),
        cmocka_unit_test(test_source_runs),
        cmocka_unit_test(test_no_source),
        cmocka_unit_test(test_not_now),
        cmocka_unit_test(test_libvirt_may_have_moved_it),
        cmocka_unit_test(test_every_combination),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
