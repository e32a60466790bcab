/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * records.c over the stand-in for Xen: what is written is what Xen's own restore takes, in its
 * order, and each call that fails is told by what it was for.
 */
#include "tests/unit/common/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <xenctrl.h>

#include "xl-plugin/plugin/records.h"
#include "xl-plugin/plugin/special.h"
#include "xl-plugin/plugin/stream.h"
#include "tests/unit/standins/plugin.h"
#include "tests/unit/standins/xen.h"

#define DOMID 1u

static xc_interface *const xch = (xc_interface *)&standin;
static int fds[2];

static void open_stream(void)
{
    standin_reset();
    standin_plugin_reset();
    standin_domain_new(DOMID, 64);
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

static void close_stream(void)
{
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(standin.policies, 0);
}

static uint32_t next_record(void *body, size_t size)
{
    struct xf_stream s = {.fd = fds[0], .watch_fd = -1, .timeout_ms = 1000};
    struct xf_record rec;

    assert_int_equal(xf_stream_read_record(&s, &rec), 0);
    assert_true(rec.length <= size);
    assert_int_equal(xf_stream_read_body(&s, &rec, body, rec.length), 0);
    return rec.type;
}

static void the_static_part(void **state)
{
    uint8_t body[4096];

    (void)state;
    open_stream();
    assert_int_equal(xf_records_write_static(xch, fds[1], DOMID), 0);
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_X86_CPUID_POLICY);
    assert_int_equal(body[7 * sizeof(xen_cpuid_leaf_t) - 1], 0x11);
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_X86_MSR_POLICY);
    assert_int_equal(body[0], 0x22);
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_STATIC_DATA_END);
    close_stream();
}

static void the_tail(void **state)
{
    uint8_t body[4096];
    uint32_t count;

    (void)state;
    open_stream();
    assert_int_equal(xf_records_write_tail(xch, fds[1], DOMID), 0);
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_X86_TSC_INFO);
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_HVM_CONTEXT);
    assert_int_equal(body[1233], 0x5a);
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_HVM_PARAMS);
    memcpy(&count, body, sizeof(count));
    assert_int_equal(count, 6); /* those that are not zero */
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_END);
    close_stream();
}

/* What the pump makes of it. */
static void the_early_part(void **state)
{
    uint64_t gfns[XF_SPECIAL_MAX];
    char why[XF_SPECIAL_WHY];
    struct xf_params p;
    uint8_t body[8 + 6 * 16];

    (void)state;
    open_stream();
    assert_int_equal(xf_records_write_early(xch, fds[1], DOMID), 0);
    assert_int_equal(next_record(body, sizeof(body)), XF_REC_EARLY);
    assert_int_equal(xf_params_decode(&p, body, sizeof(body), 64, why), 0);
    assert_int_equal(xf_params_special(&p, gfns), 2);
    assert_true(gfns[0] == 3 && gfns[1] == 4);
    close_stream();
}

/* Whatever call fails, at whatever place: -errno, in words, and END is not written. */
static void every_call_fails_once(void **state)
{
    static const struct {
        const char *call, *words;
        unsigned times;
        bool tail;
    } rows[] = {
        {"xc_cpu_policy_init", "cannot get its CPU policy", 1, false},
        {"xc_cpu_policy_get_size", "cannot get its CPU policy's size", 1, false},
        {"xc_cpu_policy_get_domain", "cannot get its CPU policy", 1, false},
        {"xc_cpu_policy_serialise", "cannot get its CPU policy", 1, false},
        {"xc_domain_get_tsc_info", "cannot get its TSC", 1, true},
        {"xc_domain_hvm_getcontext", "cannot get its context", 2, true},
        {"xc_hvm_param_get", "cannot get its HVM parameters", 16, true},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned at = 1; at <= rows[i].times; at++) {
            uint8_t written[8192];

            open_stream();
            standin.fail_call = rows[i].call;
            standin.fail_at = at;
            standin.fail_errno = EPERM;
            assert_int_equal(rows[i].tail ? xf_records_write_tail(xch, fds[1], DOMID)
                                          : xf_records_write_static(xch, fds[1], DOMID),
                             -EPERM);
            assert_true(standin_said(rows[i].words));
            assert_true(standin_said(strerror(EPERM)));
            ssize_t n = read(fds[0], written, sizeof(written));
            uint32_t last = 0;

            if (n >= 8)
                memcpy(&last, written + n - 8, sizeof(last));
            assert_true(n < 8 || last != XF_REC_END);
            assert_false(!rows[i].tail && n > 0);
            close_stream();
        }
    }
}

/* The other end is gone: that is told too. */
static void nobody_reads(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    for (unsigned tail = 0; tail < 2; tail++) {
        open_stream();
        close(fds[0]);
        fds[0] = dup(fds[1]);
        assert_int_equal(tail ? xf_records_write_tail(xch, fds[1], DOMID)
                              : xf_records_write_static(xch, fds[1], DOMID),
                         -EPIPE);
        assert_true(standin_said("to the target's xl"));
        close_stream();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_static_part), cmocka_unit_test(the_tail),
        cmocka_unit_test(the_early_part),  cmocka_unit_test(every_call_fails_once),
        cmocka_unit_test(nobody_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
