/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry.c over stand-ins for Xen and libxenguest: which calls of the save helper become ours, which
 * go to Xen's own functions untouched, which are refused; and whole moves through these doors.
 */
#include "tests/unit/common/xen_move.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define PAGES (9 * 512u)

int xf_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb,
                      unsigned int mode);

static unsigned stock_saves, stock_restores;
static struct xen_move *stock_move;

static int stock_save(xc_interface *xch, int fd, uint32_t dom, uint32_t flags,
                      struct save_callbacks *callbacks, xc_stream_type_t type, int recv_fd)
{
    (void)xch;
    (void)fd;
    (void)dom;
    (void)flags;
    (void)callbacks;
    (void)type;
    (void)recv_fd;
    stock_saves++;
    return 7;
}

/* The parameters after the callbacks do not matter to it, nor one more (Xen 4.22). */
static int stock_restore(xc_interface *xch, int fd, uint32_t dom, unsigned int store_evtchn,
                         unsigned long *store_mfn, uint32_t store_domid,
                         unsigned int console_evtchn, unsigned long *console_mfn,
                         uint32_t console_domid, xc_stream_type_t type,
                         struct restore_callbacks *callbacks, int back_fd)
{
    (void)xch;
    (void)dom;
    (void)store_evtchn;
    (void)store_mfn;
    (void)store_domid;
    (void)console_evtchn;
    (void)console_mfn;
    (void)console_domid;
    (void)type;
    (void)back_fd;
    stock_restores++;
    return stock_move ? xen_move_stock_restore(stock_move, fd, callbacks) : 7;
}

static xc_interface *const xch = (xc_interface *)&standin;

static int save_to(int fd, uint32_t dom, uint32_t flags, xc_stream_type_t type,
                   struct save_callbacks *callbacks)
{
    errno = 0;
    return xc_domain_save(xch, fd, dom, flags, callbacks, type, -1);
}

static int restore_from(int fd, uint32_t dom, xc_stream_type_t type,
                        struct restore_callbacks *callbacks)
{
    unsigned long mfn[2] = {0};

    errno = 0;
#if XEN_DOMCTL_INTERFACE_VERSION >= 0x18
    return xc_domain_restore(xch, fd, dom, 1, &mfn[0], 0, 2, &mfn[1], 0, type, callbacks, -1, 0);
#else
    return xc_domain_restore(xch, fd, dom, 1, &mfn[0], 0, 2, &mfn[1], 0, type, callbacks, -1);
#endif
}

static void set_stock(void)
{
    int (*save)(xc_interface *, int, uint32_t, uint32_t, struct save_callbacks *, xc_stream_type_t,
                int) = stock_save;
    int (*restore)(xc_interface *, int, uint32_t, unsigned int, unsigned long *, uint32_t,
                   unsigned int, unsigned long *, uint32_t, xc_stream_type_t,
                   struct restore_callbacks *, int) = stock_restore;

    memcpy(&standin_plugin.stock_save, &save, sizeof(save));
    memcpy(&standin_plugin.stock_restore, &restore, sizeof(restore));
    stock_saves = stock_restores = 0;
    stock_move = NULL;
}

static void fresh(const char *asked)
{
    standin_reset();
    standin_plugin_reset();
    set_stock();
    if (asked)
        setenv("XL_FAST", asked, 1);
    else
        unsetenv("XL_FAST");
}

/* What is not a plain migration that was asked for is Xen's. */
static void all_else_is_stocks(void **state)
{
    struct save_callbacks save = {0};
    struct restore_callbacks restore = {0};
    int fds[2], file = open("/tmp", O_TMPFILE | O_RDWR, 0600);

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    for (unsigned row = 0; row < 3; row++) {
        fresh(row == 2 ? NULL : "1");
        int fd = row == 0 ? file : fds[1];
        xc_stream_type_t type = row == 1 ? XC_STREAM_COLO : XC_STREAM_PLAIN;

        standin_plugin.config_error = row == 2 ? -ENOENT : 0;
        assert_int_equal(save_to(fd, 1, XCFLAGS_LIVE, type, &save), 7);
        assert_int_equal(restore_from(fd, 1, type, &restore), 7);
        assert_int_equal(stock_saves, 1);
        assert_int_equal(stock_restores, 1);
    }
    close(file);
    close(fds[0]);
    close(fds[1]);
}

/* Refused, with errno as libxc has it: -1. Nothing of the guest was touched. */
static void what_cannot_be_is_refused(void **state)
{
    struct save_callbacks save = {0};
    struct restore_callbacks restore = {0};
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);

    fresh("1"); /* no such domain */
    assert_int_equal(save_to(fds[1], 1, XCFLAGS_LIVE, XC_STREAM_PLAIN, &save), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(restore_from(fds[0], 2, XC_STREAM_PLAIN, &restore), -1);
    assert_int_equal(errno, ESRCH);

    fresh("1"); /* the call itself */
    standin_domain_new(1, 64);
    standin.fail_call = "xc_domain_getinfolist";
    standin.fail_at = 1;
    standin.fail_errno = EACCES;
    assert_int_equal(save_to(fds[1], 1, XCFLAGS_LIVE, XC_STREAM_PLAIN, &save), -1);
    assert_int_equal(errno, EACCES);

    fresh("1"); /* not live */
    standin_domain_new(1, 64);
    assert_int_equal(save_to(fds[1], 1, 0, XC_STREAM_PLAIN, &save), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    assert_true(standin_said("moves running guests only"));

    fresh(NULL); /* not asked for, with a configuration that cannot be read */
    standin_plugin.config_error = -EINVAL;
    assert_int_equal(save_to(fds[1], 1, XCFLAGS_LIVE, XC_STREAM_PLAIN, &save), -1);
    assert_int_equal(errno, EPERM);
    assert_true(standin_said("no such key"));

    fresh("1"); /* no port */
    standin_domain_new(1, 64);
    standin_plugin.port_error = -ENODEV;
    assert_int_equal(save_to(fds[1], 1, XCFLAGS_LIVE, XC_STREAM_PLAIN, &save), -1);
    assert_true(standin_said("no such port"));

    fresh("1"); /* not preloaded into what has them */
    standin_plugin.stock_save = standin_plugin.stock_restore = NULL;
    assert_int_equal(save_to(fds[1], 1, XCFLAGS_LIVE, XC_STREAM_PLAIN, &save), -1);
    assert_int_equal(errno, ENOSYS);
    assert_int_equal(restore_from(fds[0], 2, XC_STREAM_PLAIN, &restore), -1);
    assert_int_equal(errno, ENOSYS);

    assert_int_equal(stock_saves + stock_restores, 0);
    close(fds[0]);
    close(fds[1]);
}

/* ---- whole moves ---------------------------------------------------------------------------- */

static int save_by_entry(struct xen_move *m, int fd, struct save_callbacks *callbacks)
{
    return save_to(fd, SOURCE_DOMID, XCFLAGS_LIVE | (m->verify ? XCFLAGS_DEBUG : 0),
                   XC_STREAM_PLAIN, callbacks);
}

static int restore_by_entry(struct xen_move *m, int fd, struct restore_callbacks *callbacks)
{
    (void)m;
    return restore_from(fd, TARGET_DOMID, XC_STREAM_PLAIN, callbacks);
}

static void set_up(struct xen_move *m)
{
    m->save = save_by_entry;
    m->restore = restore_by_entry;
    xen_move_new(m);
    set_stock();
    stock_move = m;
    setenv("XL_FAST", "1", 1);
}

static void a_guest_moves_through_the_doors(void **state)
{
    (void)state;
    for (unsigned verify = 0; verify < 2; verify++) {
        struct xen_move m = {.pages = PAGES, .writes = 20, .verify = verify};

        set_up(&m);
        xen_move_run(&m);
        xen_move_assert_moved(&m);
        assert_int_equal(stock_restores, 1);
        assert_int_equal(standin_said("source: verified"), verify);
    }
}

static void what_fails_is_minus_one_at_both(void **state)
{
    struct xen_move m = {.pages = PAGES, .suspend_fails = true};

    (void)state;
    set_up(&m);
    xen_move_run(&m);
    xen_move_assert_stayed(&m, "a guest that does not suspend");
    assert_int_equal(m.save_rc, -1);
    assert_int_equal(m.restore_rc, -1);
}

/* Xen's own save ends by turning the log off, which is not ours if another has begun. */
static void a_log_that_is_left_stays_on(void **state)
{
    int (*next)(xc_interface *, uint32_t, unsigned int, unsigned int *, unsigned int) =
        xc_shadow_control;

    (void)state;
    for (unsigned left = 0; left < 2; left++) {
        fresh("1");
        struct standin_domain *d = standin_domain_new(1, 64);

        memcpy(&standin_plugin.shadow_control, &next, sizeof(next));
        assert_int_equal(xf_shadow_control(xch, 1, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0),
                         0);
        assert_true(d->logdirty);
        xf_reader_leave_log(left);
        assert_int_equal(xf_shadow_control(xch, 1, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0), 0);
        assert_int_equal(d->logdirty, left);
        xf_reader_leave_log(false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_else_is_stocks),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_guest_moves_through_the_doors),
        cmocka_unit_test(what_fails_is_minus_one_at_both),
        cmocka_unit_test(a_log_that_is_left_stays_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
