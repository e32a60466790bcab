/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A second reader of the dirty log, which is Xen's own save of the same guest, over the stand-in
 * for Xen: whatever it does while the guest moves, the move fails, and the second is left its log.
 */
/* One test has a save helper of it, which others that run beside this must not see as theirs. */
#define OWN_DOMID 3u

#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/common/xen_move.h"

#define PAGES (9 * 512u)

static unsigned maps; /* of the source, while the guest runs */

/* ---- what the second does ------------------------------------------------------------------- */

static void begins(void)
{
    standin_second_begins(OWN_DOMID);
}

static void reads(void)
{
    standin_second_reads(OWN_DOMID);
}

static void begins_and_ends(void)
{
    standin_second_begins(OWN_DOMID);
    standin_second_ends(OWN_DOMID);
}

static void (*second)(void);
static unsigned at_map; /* 0: when the guest is to stop */

static int hook(const char *call, unsigned number)
{
    if (standin_is_source && !strcmp(call, "xenforeignmemory_map") &&
        !xen_move_now->from->shutdown && ++maps == at_map)
        second();
    return xen_move_hook(call, number);
}

static void at_suspend(struct xen_move *m)
{
    (void)m;
    second();
}

static void try(void (*what)(void), unsigned map, bool log_stays)
{
    struct xen_move m = {.source_domid = OWN_DOMID, .pages = PAGES, .writes = 60};

    maps = 0;
    second = what;
    at_map = map;
    m.before_suspend = map ? NULL : at_suspend;
    xen_move_new(&m);
    standin.hook = hook;
    xen_move_run(&m);
    if (!m.save_rc || !m.restore_rc || m.got_end)
        fail_msg("map %u: save %d, restore %d:\n%s", map, m.save_rc, m.restore_rc,
                 standin_plugin.said);
    assert_true(standin_said("another save or migration of it reads its dirty log"));
    assert_int_equal(m.from->logdirty, log_stays);
    assert_int_equal(m.qemu_off, 0);
}

static void a_second_that_begins_is_noticed(void **state)
{
    (void)state;
    for (unsigned map = 0; map < 6; map++)
        try(begins, map, true);
}

static void a_second_that_reads_is_noticed(void **state)
{
    (void)state;
    for (unsigned map = 0; map < 6; map++)
        try(reads, map, true);
}

static void a_second_that_has_come_and_gone_is_noticed(void **state)
{
    (void)state;
    for (unsigned map = 0; map < 6; map++)
        try(begins_and_ends, map, false);
}

/* What it would read is still there: ours looked before it read. */
static void the_second_loses_nothing(void **state)
{
    struct xen_move m = {.source_domid = OWN_DOMID, .pages = PAGES, .writes = 60};

    (void)state;
    maps = 0;
    second = begins;
    at_map = 2;
    xen_move_new(&m);
    standin.hook = hook;
    xen_move_run(&m);
    assert_int_not_equal(m.save_rc, 0);
    assert_true(xf_bitmap_count(m.from->dirty, PAGES) > 20);
}

/* The move fails for another reason, and has not read the log since the second began. */
static void a_move_that_fails_leaves_the_second_its_log(void **state)
{
    (void)state;
    for (unsigned with = 0; with < 2; with++) {
        struct xen_move m = {
            .source_domid = OWN_DOMID, .pages = PAGES, .writes = 20, .suspend_fails = true};

        second = begins;
        m.before_suspend = with ? at_suspend : NULL;
        xen_move_new(&m);
        xen_move_run(&m);
        assert_int_not_equal(m.save_rc, 0);
        assert_true(standin_said("did not suspend"));
        assert_int_equal(m.from->logdirty, with);
        assert_int_equal(m.qemu_off, !with);
    }
}

/* A guest without a page to mark: that the log is off is seen all the same. */
static void without_a_canary(void **state)
{
    (void)state;
    for (unsigned off = 0; off < 2; off++) {
        struct xen_move m = {.source_domid = OWN_DOMID, .pages = PAGES, .writes = 60};

        maps = 0;
        second = begins_and_ends;
        at_map = off ? 2 : 1000000;
        xen_move_new(&m);
        standin.no_canary = true;
        standin.hook = hook;
        xen_move_run(&m);
        if (!off) {
            xen_move_assert_moved(&m);
            continue;
        }
        xen_move_assert_stayed(&m, "a log that was turned off");
        assert_true(standin_said("has turned its dirty log off meanwhile"));
    }
}

/* ---- other helpers, by /proc ---------------------------------------------------------------- */

static char proc[] = "/tmp/test_xen_readers.XXXXXX";

static void put(const char *pid, const char *name, const char *text, size_t bytes)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", proc, pid);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/%s/%s", proc, pid, name);
    FILE *to = fopen(path, "w");

    assert_non_null(to);
    fwrite(text, 1, bytes, to);
    fclose(to);
}

#define WORDS(text) text, sizeof(text)

static void helpers_of_others_are_found(void **state)
{
    char command[64];

    (void)state;
    assert_non_null(mkdtemp(proc));
    put("1", "comm", "init\n", 5);
    put("20", "comm", "libxl-save-help\n", 16);
    put("20", "cmdline",
        WORDS("libxl-save-helper\0--save-domain\0"
              "13\0-1\0"
              "15\0"
              "1\0"
              "12\0"
              "0"));
    put("30", "comm", "libxl-save-help\n", 16);
    put("30", "cmdline",
        WORDS("libxl-save-helper\0--restore-domain\0"
              "13\0-1\0"
              "7\0"
              "1"));
    put("40", "comm", "xl-fast-linger\n", 15);
    put("40", "cmdline",
        WORDS("libxl-save-helper\0--save-domain\0"
              "13\0-1\0"
              "8\0"
              "1"));
    put("50", "comm", "libxl-save-help\n", 16);
    put("50", "cmdline", "", 0); /* ends just now */
    assert_int_equal(xf_reader_find(proc, 15), 20);
    assert_int_equal(xf_reader_find(proc, 1), 0);
    assert_int_equal(xf_reader_find(proc, 7), 0);
    assert_int_equal(xf_reader_find(proc, 8), 0);
    assert_int_equal(xf_reader_find(proc, 0), 0);
    assert_int_equal(xf_reader_find("/tmp/no such folder", 1), -ENOENT);
    snprintf(command, sizeof(command), "rm -r %s", proc);
    assert_int_equal(system(command), 0);
}

/* While another helper saves the domain, none begins. This program is that helper too. */
static void a_move_beside_another_does_not_begin(void **state)
{
    struct xen_move m = {.source_domid = OWN_DOMID, .pages = PAGES};
    char dir[] = "/tmp/test_xen_readers.XXXXXX", self[PATH_MAX], path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    pid_t helper;

    (void)state;
    assert_true(n > 0);
    self[n] = 0;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/libxl-save-helper", dir);
    assert_int_equal(symlink(self, path), 0);
    helper = fork();
    if (!helper) {
        execl(path, path, "--save-domain", "13", "-1", "3", "1", "12", "0", NULL);
        _exit(1);
    }
    for (unsigned i = 0; xf_reader_find("/proc", OWN_DOMID) != helper; i++) {
        assert_true(i < 10000);
        usleep(1000);
    }
    assert_int_equal(xf_reader_find("/proc", OWN_DOMID + 1), 0);
    xen_move_new(&m);
    m.from->logdirty = true;
    xen_move_run(&m);
    kill(helper, SIGKILL);
    waitpid(helper, NULL, 0);
    unlink(path);
    rmdir(dir);
    xen_move_assert_stayed(&m, "a move beside another");
    assert_true(standin_said("another save or migration of it is under way"));
    assert_true(m.from->logdirty);
    assert_int_equal(m.suspends, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--save-domain"))
        return pause();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_that_begins_is_noticed),
        cmocka_unit_test(a_second_that_reads_is_noticed),
        cmocka_unit_test(a_second_that_has_come_and_gone_is_noticed),
        cmocka_unit_test(the_second_loses_nothing),
        cmocka_unit_test(a_move_that_fails_leaves_the_second_its_log),
        cmocka_unit_test(without_a_canary),
        cmocka_unit_test(helpers_of_others_are_found),
        cmocka_unit_test(a_move_beside_another_does_not_begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
