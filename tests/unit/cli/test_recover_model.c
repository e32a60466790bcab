/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * recover against the real handshake: a model of xl migrate, xl migrate-receive and what lies
 * between them, each message and each renaming a step, in which at any moment either may be killed,
 * the connection cut, the target's host lost, and one or two recovers look, act and die. All
 * interleavings are walked through. At no point may two copies run, a stale copy run, or the last
 * good copy be gone; and once all others have come to their end, recover must settle it or have the
 * one excuse there is. The same of a guest that libvirt manages, moved by xl, and moved by
 * libvirt, which renames nothing and of which no process shows.
 */
#include <stdbool.h>

#include "tests/unit/common/unit.h"

#include "xl-plugin/recover/recover_decide.h"

enum { RECOVERS_MAX = 2 };

/* xl migrate, from the guest's suspension on. */
enum {
    S_SUSPEND,
    S_READY,
    S_RENAME,
    S_GO,
    S_REPORT,
    S_DESTROY,
    S_PERMISSION,
    S_NAME_BACK,
    S_RESUME,
    S_OVER
};
/* xl migrate-receive. */
enum {
    R_RESTORE,
    R_READY,
    R_WAIT_GO,
    R_RENAME,
    R_UNPAUSE,
    R_REPORT_OK,
    R_REPORT_FAIL,
    R_DESTROY,
    R_GIVE_BACK,
    R_OVER
};
enum { UNSENT, ON_ITS_WAY, GONE };

/* Bytes only, so that two states can be compared as memory. */
struct state {
    uint8_t s, r;
    /* The source's domain and the target's. */
    uint8_t s_there, s_away, s_runs, t_there, t_named, t_runs, t_ran;
    /* Messages, and whether the connection is cut. */
    uint8_t ready, go, report_ok, report_fail, permission, cut;
    uint8_t record;    /* of the target */
    uint8_t left;      /* the source's: written after its xl had ended, void once the guest ran */
    uint8_t received;  /* the target's domain is the one that its receiver has built */
    uint8_t ran_there; /* some copy of the target's ever ran */
    uint8_t noted;     /* a take-back has written down that it was xl's; void as left */
    uint8_t handed;    /* xl has destroyed the source's on a success report */
    uint8_t excused;   /* the proof was lost: see walk_faults() */
    uint8_t faults;
    struct {
        uint8_t looked, place, state, busy, left, noted, step;
    } recover[RECOVERS_MAX];
};

enum mover { XL, XL_OF_LIBVIRTS, LIBVIRT };

static struct model {
    enum mover mover;
    bool recorded;  /* xl-fast-receive at the target; else plain xl migrate */
    bool paused;    /* xl migrate -p */
    uint8_t faults; /* at most so many */
    uint8_t recovers;
    struct state *seen; /* hash set; s == 255: empty */
    size_t slots, used;
    struct state *todo;
    size_t todo_n, todo_max;
    unsigned settled[XF_VERDICTS];
} model;

/* ---- the set of states -------------------------------------------------------------------------
 */

static size_t hash(const struct state *x)
{
    const uint8_t *p = (const uint8_t *)x;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < sizeof(*x); i++)
        h = (h ^ p[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 29);
}

static bool insert(struct state *set, size_t slots, const struct state *x)
{
    size_t at = hash(x) % slots;

    for (; set[at].s != 255; at = (at + 1) % slots)
        if (!memcmp(&set[at], x, sizeof(*x)))
            return false;
    set[at] = *x;
    return true;
}

static struct state *empty_set(size_t slots)
{
    struct state *set = malloc(slots * sizeof(*set));

    assert_non_null(set);
    for (size_t i = 0; i < slots; i++)
        set[i].s = 255;
    return set;
}

static void show(const struct state *x)
{
    printf("source's xl %u, domain %s%s%s; target's xl %u, domain %s%s%s%s; go %u, cut %u, record "
           "%u, left %u, ran there %u, faults %u\n",
           x->s, x->s_there ? "there" : "gone", x->s_away ? " away" : "", x->s_runs ? " runs" : "",
           x->r, x->t_there ? "there" : "gone", x->t_named ? " named" : "",
           x->t_runs ? " runs" : "", x->t_ran ? " ran" : "", x->go, x->cut, x->record, x->left,
           x->ran_there, x->faults);
    for (unsigned i = 0; i < model.recovers; i++)
        printf("  recover: looked %u, step %s\n", x->recover[i].looked,
               xf_recover_step_name(x->recover[i].step));
}

static void wrong(const struct state *x, const char *what)
{
    show(x);
    fail_msg("%s", what);
}

/* A good copy: at the source as long as none ran at the target; else the target's. A guest that ran
   there may have ended there by itself. */
static void check(const struct state *x)
{
    if (x->s_runs && x->t_runs)
        wrong(x, "two copies run");
    if (x->s_runs && x->ran_there)
        wrong(x, "a stale copy runs at the source");
    if (!x->s_there && !x->ran_there && !x->handed)
        wrong(x, "the last good copy is gone");
}

static void reach(const struct state *x)
{
    check(x);
    if (model.used * 2 > model.slots) {
        struct state *old = model.seen;
        size_t n = model.slots;

        model.seen = empty_set(model.slots = n * 4);
        for (size_t i = 0; i < n; i++)
            if (old[i].s != 255)
                insert(model.seen, model.slots, &old[i]);
        free(old);
    }
    if (!insert(model.seen, model.slots, x))
        return;
    model.used++;
    if (model.todo_n == model.todo_max) {
        model.todo_max = model.todo_max ? model.todo_max * 2 : 1024;
        model.todo = realloc(model.todo, model.todo_max * sizeof(*model.todo));
        assert_non_null(model.todo);
    }
    model.todo[model.todo_n++] = *x;
}

/* ---- xl migrate
 * ---------------------------------------------------------------------------------- */

static void resume_source(struct state *x)
{
    x->s_runs = 1;
    x->left = x->noted = 0;
}

static void go_to(struct state x, uint8_t s)
{
    x.s = s;
    reach(&x);
}

/* Waits for a message: takes it, or finds the connection's end. */
static void read_message(const struct state *from, size_t message, uint8_t then)
{
    struct state x = *from;
    uint8_t *m = (uint8_t *)&x + message;

    if (*m != ON_ITS_WAY)
        return;
    *m = GONE;
    go_to(x, then);
}

#define MESSAGE(name) offsetof(struct state, name)

static void walk_source(const struct state *from)
{
    struct state x = *from;

    switch (x.s) {
    case S_SUSPEND:
        x.s_runs = 0;
        go_to(x, S_READY);
        break;
    case S_READY:
        read_message(from, MESSAGE(ready), S_RENAME);
        if (x.cut) /* failed_resume */
            go_to(x, S_RESUME);
        break;
    case S_RENAME:
        go_to(x, S_RESUME); /* it cannot */
        x.s_away = model.mover != LIBVIRT;
        go_to(x, S_GO);
        break;
    case S_GO:
        if (x.cut) {
            go_to(x, S_OVER); /* failed_badly */
        } else {
            x.go = ON_ITS_WAY;
        }
        go_to(x, S_REPORT);
        break;
    case S_REPORT:
        read_message(from, MESSAGE(report_ok), S_DESTROY);
        read_message(from, MESSAGE(report_fail), S_PERMISSION);
        if (x.cut)
            go_to(x, S_OVER);
        break;
    case S_DESTROY:
        x.s_there = x.s_away = 0;
        x.handed = 1;
        go_to(x, S_OVER);
        break;
    case S_PERMISSION:
        read_message(from, MESSAGE(permission), S_NAME_BACK);
        if (x.cut)
            go_to(x, S_OVER);
        break;
    case S_NAME_BACK:
        go_to(x, S_RESUME); /* it cannot, and goes on */
        x.s_away = 0;
        go_to(x, S_RESUME);
        break;
    case S_RESUME:
        resume_source(&x);
        go_to(x, S_OVER);
        break;
    case S_OVER:
        /* The shim's note; it comes when it comes. */
        if (model.recorded && x.s_there && !x.s_runs && !x.left) {
            x.left = 1;
            reach(&x);
        }
        break;
    }
}

/* ---- xl migrate-receive
 * -------------------------------------------------------------------------- */

static void receiver_to(struct state x, uint8_t r)
{
    x.r = r;
    reach(&x);
}

/* Writes a message. Where the connection is cut it is lost, noticed or not. */
static void write_message(const struct state *from, size_t message, uint8_t then)
{
    struct state x = *from;
    uint8_t *m = (uint8_t *)&x + message;

    if (x.cut) {
        receiver_to(x, R_OVER); /* EPIPE: exits, and leaves all as it is */
        *m = GONE;
    } else {
        *m = ON_ITS_WAY;
    }
    receiver_to(x, then);
}

static void walk_receiver(const struct state *from)
{
    struct state x = *from;

    switch (x.r) {
    case R_RESTORE:
        if (!x.t_there) { /* paused, incomplete */
            x.t_there = x.received = 1;
            x.t_named = model.mover == LIBVIRT;
            reach(&x);
            break;
        }
        if (x.s != S_SUSPEND)
            receiver_to(x, R_READY);
        x.t_there = 0; /* it fails; or the stream has ended too early */
        receiver_to(x, R_OVER);
        break;
    case R_READY:
        write_message(&x, MESSAGE(ready), R_WAIT_GO);
        break;
    case R_WAIT_GO:
        if (x.go == ON_ITS_WAY) {
            x.go = GONE;
            if (model.recorded)
                x.record = XF_RECORD_HAD_GO;
            receiver_to(x, R_RENAME);
        } else if (x.cut) {
            receiver_to(x, R_REPORT_FAIL);
        }
        break;
    case R_RENAME:
        receiver_to(x, R_REPORT_FAIL);
        if (!x.t_there) /* somebody has destroyed it */
            break;
        x.t_named = 1;
        receiver_to(x, model.paused ? R_REPORT_OK : R_UNPAUSE);
        break;
    case R_UNPAUSE:
        receiver_to(x, R_REPORT_FAIL);
        if (!x.t_there)
            break;
        x.t_runs = x.t_ran = x.ran_there = 1;
        receiver_to(x, R_REPORT_OK);
        break;
    case R_REPORT_OK:
        write_message(&x, MESSAGE(report_ok), R_OVER);
        break;
    case R_REPORT_FAIL:
        write_message(&x, MESSAGE(report_fail), R_DESTROY);
        break;
    case R_DESTROY:
        x.t_there = x.t_named = 0;
        receiver_to(x, R_GIVE_BACK);
        break;
    case R_GIVE_BACK:
        if (model.recorded)
            x.record = XF_RECORD_GIVEN_BACK;
        write_message(&x, MESSAGE(permission), R_OVER);
        break;
    }
}

/* ---- faults, and the guest's own life
 * ------------------------------------------------------------ */

static void lose(uint8_t *message)
{
    if (*message == ON_ITS_WAY)
        *message = GONE;
}

/* What was on its way may get lost, or may still arrive, any time later. */
static void cut(struct state x)
{
    x.cut = 1;
    reach(&x);
    struct state kept_go = x;
    lose(&x.ready);
    lose(&x.report_ok);
    lose(&x.report_fail);
    lose(&x.permission);
    kept_go = x;
    reach(&kept_go);
    lose(&x.go);
    reach(&x);
}

static void walk_faults(const struct state *from)
{
    struct state x = *from;

    /* An end that is gone cuts the connection: no fault of its own. */
    if (!x.cut && (x.s == S_OVER || x.r == R_OVER))
        cut(x);
    if (x.t_runs) { /* the guest ends by itself, is paused by somebody, or reboots */
        x.t_there = x.t_named = x.t_runs = x.t_ran = 0;
        x.excused = 1;
        reach(&x);
        x.t_there = x.t_named = 1; /* another domain, which is being built */
        x.received = 0;
        reach(&x);
        x = *from;
        x.t_runs = 0;
        reach(&x);
        x = *from;
    }
    if (x.t_there && !x.received && !x.t_runs) {
        x.t_runs = x.t_ran = 1;
        reach(&x);
        x = *from;
    }
    if (x.faults == model.faults)
        return;
    x.faults++;
    if (!x.cut)
        cut(x);
    if (x.s != S_OVER) {
        struct state y = x;
        y.s = S_OVER;
        reach(&y);
    }
    if (x.r != R_OVER) {
        struct state y = x;
        y.excused |= y.r == R_GIVE_BACK; /* between destroying its copy and saying so */
        y.r = R_OVER;
        reach(&y);
    }
    if (x.r != R_OVER || x.t_there) { /* the target's host is lost and comes again */
        struct state y = x;
        y.r = R_OVER;
        y.t_there = y.t_named = y.t_runs = y.t_ran = 0;
        y.record = XF_RECORD_NONE;
        y.excused = 1;
        reach(&y);
    }
}

/* ---- recover
 * ------------------------------------------------------------------------------------- */

static struct xf_recover_evidence look(const struct state *x, unsigned i)
{
    struct xf_recover_evidence e = {
        .source = {x->recover[i].place, x->recover[i].state, x->recover[i].busy,
                   model.mover != XL && !x->recover[i].left && !x->recover[i].noted},
        .target = {.answers = true},
    };

    e.target.place = !x->t_there ? XF_PLACE_NONE : x->t_named ? XF_PLACE_NAME : XF_PLACE_INCOMING;
    e.target.state = x->t_runs ? XF_STATE_RUNNING : XF_STATE_PAUSED;
    e.target.ran = x->t_ran;
    if (x->r != R_OVER && model.mover != LIBVIRT)
        e.target.receiver = model.recorded ? XF_RECEIVER_OURS : XF_RECEIVER_UNKNOWN;
    e.target.record = x->recover[i].left ? x->record : XF_RECORD_NONE;
    e.target.received = model.recorded && x->recover[i].left && x->received;
    return e;
}

static void look_at_source(struct state *x, unsigned i)
{
    x->recover[i].place = !x->s_there ? XF_PLACE_NONE : x->s_away ? XF_PLACE_AWAY : XF_PLACE_NAME;
    x->recover[i].state = x->s_runs ? XF_STATE_RUNNING : XF_STATE_SUSPENDED;
    /* Of libvirt's, the save helper alone shows. */
    x->recover[i].busy = model.mover == LIBVIRT ? x->s == S_SUSPEND : x->s != S_OVER;
    x->recover[i].left = x->left;
    x->recover[i].noted = x->noted;
    x->recover[i].looked = 1;
}

/* What xl-fast-domain does, which looks again at its own end only. */
static void act(struct state *x, enum xf_recover_step step)
{
    bool idle = x->s == S_OVER && x->s_there;

    switch (step) {
    case XF_STEP_STOP_RECEIVER:
        x->excused |= x->r == R_DESTROY || x->r == R_GIVE_BACK;
        x->r = R_OVER;
        break;
    case XF_STEP_TAKE_BACK:
        if (idle) {
            x->noted |= model.mover != XL && !x->s_runs;
            x->s_away = 0;
        }
        break;
    case XF_STEP_DESTROY_UNRUN:
        if (x->t_there && !x->t_runs && !x->t_ran) {
            if (!x->s_there)
                wrong(x, "the only copy there is is destroyed");
            x->t_there = x->t_named = 0;
        }
        break;
    case XF_STEP_RESUME:
        if (idle && !x->s_runs && !x->s_away && (model.mover == XL || x->left || x->noted))
            resume_source(x);
        break;
    case XF_STEP_DESTROY_STALE:
        if (idle && !x->s_runs && x->s_away) {
            if (!x->ran_there)
                wrong(x, "the only copy that ran is destroyed");
            x->s_there = x->s_away = 0;
        }
        break;
    default:
        break;
    }
}

static void walk_recover(const struct state *from, unsigned i)
{
    struct state x = *from;
    enum xf_recover_step step = x.recover[i].step;

    if (step != XF_STEP_NONE) {
        memset(&x.recover[i], 0, sizeof(x.recover[i]));
        reach(&x); /* dies, or is not heard */
        act(&x, step);
    } else if (x.recover[i].looked) {
        struct xf_recover_evidence e = look(&x, i);

        memset(&x.recover[i], 0, sizeof(x.recover[i]));
        x.recover[i].step = xf_recover_decide(&e).step;
    } else {
        look_at_source(&x, i);
    }
    reach(&x);
}

/* Once nobody else acts, a recover that is left in peace comes to its end. */
static void check_end(struct state x)
{
    struct xf_recover_decision d;
    bool no_proof;

    if (x.s != S_OVER || (x.r != R_OVER && (!model.recorded || model.mover == LIBVIRT)))
        return;
    memset(x.recover, 0, sizeof(x.recover));
    for (unsigned n = 0;; n++) {
        bool proof = x.left && (x.t_there ? x.received : x.record == XF_RECORD_GIVEN_BACK);
        no_proof =
            x.s_away && !x.s_runs && !proof && (!x.t_there || (x.t_named && !x.t_runs && !x.t_ran));
        if (model.mover != XL && !x.s_away && !x.s_runs && !x.left && !x.noted)
            no_proof = x.r == R_OVER && (!x.t_there || x.t_named || x.t_ran);
        look_at_source(&x, 0);
        struct xf_recover_evidence e = look(&x, 0);
        memset(x.recover, 0, sizeof(x.recover));
        d = xf_recover_decide(&e);
        if (d.step == XF_STEP_NONE)
            break;
        if (model.mover == LIBVIRT && !x.s_runs)
            wrong(&x, "recover acts on what libvirt has moved");
        if (n == XF_STEPS)
            wrong(&x, "recover does not come to an end");
        act(&x, d.step);
        check(&x);
    }
    model.settled[d.verdict]++;
    switch (d.verdict) {
    case XF_VERDICT_SOURCE_OWNS:
        if (!x.s_there || !x.s_runs || x.s_away || x.t_there)
            wrong(&x, "the source owns it, and it does not run there alone");
        break;
    case XF_VERDICT_TARGET_OWNS:
        if (x.s_there || !x.t_there || !x.t_named)
            wrong(&x, "the target owns it, and it is not there alone");
        break;
    case XF_VERDICT_CANNOT_TELL:
        if (!no_proof && x.s_there && model.mover != LIBVIRT)
            wrong(&x, "recover cannot tell where it should");
        /* One fault and our own records: then only these excuses count. */
        if (model.recorded && model.faults == 1 && x.s_there && x.left && !x.excused &&
            model.mover != LIBVIRT)
            wrong(&x, "recover cannot tell after one fault");
        break;
    default:
        wrong(&x, "recover waits for nobody");
    }
}

/* -------------------------------------------------------------------------------------------------
 */

static void walk_all(enum mover mover, bool recorded, bool paused, uint8_t faults, uint8_t recovers)
{
    struct state first = {.s_there = 1, .s_runs = 1};

    model = (struct model){.mover = mover,
                           .recorded = recorded,
                           .paused = paused,
                           .faults = faults,
                           .recovers = recovers};
    model.seen = empty_set(model.slots = 1 << 16);
    reach(&first);
    while (model.todo_n) {
        struct state x = model.todo[--model.todo_n];

        walk_source(&x);
        walk_receiver(&x);
        walk_faults(&x);
        for (unsigned i = 0; i < recovers; i++)
            walk_recover(&x, i);
        check_end(x);
    }
    printf("%s%s%s, %u faults, %u recovers: %zu states; at the end %u source, %u target, %u cannot "
           "tell\n",
           mover == XL        ? ""
           : mover == LIBVIRT ? "libvirt, "
                              : "xl, libvirt's, ",
           recorded ? "recorded" : "plain", paused ? ", -p" : "", faults, recovers, model.used,
           model.settled[XF_VERDICT_SOURCE_OWNS], model.settled[XF_VERDICT_TARGET_OWNS],
           model.settled[XF_VERDICT_CANNOT_TELL]);
    assert_true(model.settled[XF_VERDICT_SOURCE_OWNS] > 0);
    assert_true(model.settled[XF_VERDICT_TARGET_OWNS] > 0);
    free(model.seen);
    free(model.todo);
}

static void test_one_fault(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        walk_all(XL, i & 1, i & 2, 1, 1);
}

static void test_many_faults(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        walk_all(XL, i & 1, i & 2, 4, 1);
}

static void test_two_recovers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        walk_all(XL, i & 1, i & 2, 3, 2);
}

static void test_libvirts_guest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        walk_all(XL_OF_LIBVIRTS, i & 1, i & 2, 1, 1);
        walk_all(XL_OF_LIBVIRTS, i & 1, i & 2, 3, 2);
    }
}

static void test_libvirt_moves(void **state)
{
    (void)state;
    walk_all(LIBVIRT, false, false, 4, 1);
    walk_all(LIBVIRT, false, true, 3, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fault),     cmocka_unit_test(test_many_faults),
        cmocka_unit_test(test_two_recovers),  cmocka_unit_test(test_libvirts_guest),
        cmocka_unit_test(test_libvirt_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
