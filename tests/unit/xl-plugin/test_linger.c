/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that lingers: it outlives the helper, has nothing but its memory, and ends by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "xl-plugin/plugin/linger.h"

#define MAPPED "xl-fast-left" /* what the helper leaves mapped, as /proc/PID/maps calls it */

/* A helper that has begun, and waits to be told to end. */
struct helper {
    pid_t pid;
    pid_t lingerer;
    int go_on;  /* closed: it exits */
    int output; /* ends when nobody has its other end any more */
};

/* The process that lingers for one of that number: /proc knows its name and its parent. */
static pid_t lingerer_of(pid_t parent)
{
    DIR *dir = opendir("/proc");
    struct dirent *e;
    pid_t found = 0;

    assert_non_null(dir);
    while (!found && (e = readdir(dir))) {
        char path[300], name[32];
        int pid, ppid;

        snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        if (fscanf(f, "%d (%31[^)]) %*c %d", &pid, name, &ppid) == 3 && ppid == parent &&
            !strcmp(name, "xl-fast-linger"))
            found = pid;
        fclose(f);
    }
    closedir(dir);
    return found;
}

static void run_helper(int go_on, int output)
{
    char byte;

    xf_linger_start();
    int fd = memfd_create(MAPPED, 0);
    void *base = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    byte = xf_lingers() && fd >= 0 && base != MAP_FAILED && xf_linger_unmap(base, 4096) ? 'y' : 'n';
    if (write(output, &byte, 1) != 1 || read(go_on, &byte, 1) < 0)
        _exit(1);
    _exit(0);
}

static void begin(struct helper *h)
{
    int go_on[2], output[2];
    char byte;

    assert_int_equal(pipe(go_on), 0);
    assert_int_equal(pipe(output), 0);
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (!h->pid) {
        close(go_on[1]);
        close(output[0]);
        run_helper(go_on[0], output[1]);
    }
    close(go_on[0]);
    close(output[1]);
    h->go_on = go_on[1];
    h->output = output[0];
    assert_int_equal(read(h->output, &byte, 1), 1);
    assert_int_equal(byte, 'y');
    h->lingerer = lingerer_of(h->pid);
    assert_true(h->lingerer > 0);
}

static bool has_mapped(pid_t pid)
{
    char path[64], line[512];
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        found = found || strstr(line, MAPPED);
    fclose(f);
    return found;
}

/* It has taken the signals that were sent to it. */
static void wait_heeded(pid_t pid)
{
    char path[64], line[512];
    unsigned long long pending = 1;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    for (unsigned i = 0; pending; i++) {
        FILE *f = fopen(path, "r");

        assert_non_null(f);
        assert_true(i < 10000);
        pending = 0;
        while (fgets(line, sizeof(line), f))
            sscanf(line, "ShdPnd: %llx", &pending);
        fclose(f);
        usleep(1000);
    }
}

/* The helper has ended, and the other process was stopped before: it alone has the memory still. */
static void expect_outlives(struct helper *h)
{
    char byte;
    int status;

    assert_int_equal(read(h->output, &byte, 1), 0);
    assert_true(has_mapped(h->lingerer));
    assert_int_equal(kill(h->lingerer, SIGCONT), 0);
    /* It has become ours. */
    assert_int_equal(waitpid(h->lingerer, &status, 0), h->lingerer);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(h->output);
}

static void test_outlives_exit(void **state)
{
    struct helper h;
    int status;

    (void)state;
    begin(&h);
    assert_int_equal(kill(h.lingerer, SIGSTOP), 0);
    close(h.go_on);
    assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    expect_outlives(&h);
}

static void test_outlives_kill(void **state)
{
    struct helper h;
    int status;

    (void)state;
    begin(&h);
    /* What a terminal or libxl sends to all of them is not for it: it would be gone too soon. */
    assert_int_equal(kill(h.lingerer, SIGTERM), 0);
    assert_int_equal(kill(h.lingerer, SIGINT), 0);
    wait_heeded(h.lingerer);
    assert_int_equal(kill(h.lingerer, SIGSTOP), 0);
    assert_int_equal(kill(h.pid, SIGKILL), 0);
    assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
    expect_outlives(&h);
    close(h.go_on);
}

static void test_has_no_file(void **state)
{
    struct helper h;
    char path[64];
    unsigned files = 0;
    int status;

    (void)state;
    begin(&h);
    snprintf(path, sizeof(path), "/proc/%d/fd", h.lingerer);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        files += e->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(files, 0);
    close(h.go_on);
    assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
    assert_int_equal(waitpid(h.lingerer, &status, 0), h.lingerer);
    close(h.output);
}

/* Without it all is the caller's. */
static void test_not_started(void **state)
{
    (void)state;
    assert_false(xf_lingers());
    assert_false(xf_linger_unmap(state, 4096));
}

static void what_has_failed_leaves_nothing(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    assert_true(pid >= 0);
    if (!pid) {
        xf_linger_start();
        xf_linger_wait(60);
        int fd = memfd_create(MAPPED, 0);
        void *base = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

        if (!xf_linger_unmap(base, 4096) || !has_mapped(getpid()))
            _exit(1);
        xf_linger_give_back();
        kill(lingerer_of(getpid()), SIGKILL); /* in a minute it would end by itself */
        _exit(has_mapped(getpid()) ? 2 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlives_exit),
        cmocka_unit_test(test_outlives_kill),
        cmocka_unit_test(test_has_no_file),
        cmocka_unit_test(test_not_started),
        cmocka_unit_test(what_has_failed_leaves_nothing),
    };

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
