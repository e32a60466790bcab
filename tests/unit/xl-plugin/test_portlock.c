/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One process has a port at a time; the next has it when that one ends, however it does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "xl-plugin/plugin/portlock.h"

static char dir[] = "/tmp/xl-fast-portlock.XXXXXX";

/* A process that takes the port, says so, and stays. */
static pid_t holder_of(const char *port)
{
    int said[2];
    char byte;

    assert_int_equal(pipe(said), 0);
    pid_t pid = fork();

    if (!pid) {
        pid_t other;

        if (xf_portlock_take(port, 0, &other) >= 0 && write(said[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(said[1]);
    assert_int_equal(read(said[0], &byte, 1), 1);
    close(said[0]);
    return pid;
}

static void one_at_a_time(void **state)
{
    pid_t holder = 0, child = holder_of("eth1");

    (void)state;
    assert_int_equal(xf_portlock_take("eth1", 0, &holder), -EBUSY);
    assert_int_equal(holder, child);
    holder = 0;
    assert_int_equal(xf_portlock_look("eth1", &holder), -EBUSY);
    assert_int_equal(holder, child);

    /* Another port, also one whose name is no file's. */
    int fd = xf_portlock_take("net_af_packet0,iface=../eth2", 0, &holder);
    assert_true(fd >= 0);
    assert_int_equal(xf_portlock_look("net_af_packet0,iface=../eth2", &holder), -EBUSY);
    assert_int_equal(holder, getpid());
    close(fd);
    assert_int_equal(xf_portlock_look("net_af_packet0,iface=../eth2", &holder), 0);

    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(xf_portlock_look("eth1", &holder), 0);
    fd = xf_portlock_take("eth1", 0, &holder);
    assert_true(fd >= 0);
    close(fd);
}

static void waits_for_it(void **state)
{
    pid_t holder, child = holder_of("eth3"), killer = fork();

    (void)state;
    if (!killer) {
        usleep(100000);
        kill(child, SIGKILL);
        _exit(0);
    }
    int fd = xf_portlock_take("eth3", 60000, &holder);

    assert_true(fd >= 0);
    close(fd);
    waitpid(killer, NULL, 0);
    waitpid(child, NULL, 0);
}

static void nothing_is_made_by_looking(void **state)
{
    char path[200];
    pid_t holder;
    struct stat st;

    (void)state;
    assert_int_equal(xf_portlock_look("eth9", &holder), 0);
    snprintf(path, sizeof(path), "%s/xl-fast/port-eth9.lock", dir);
    assert_int_equal(stat(path, &st), -1);
    setenv("XL_FAST_RUNDIR", "/nowhere", 1);
    assert_int_equal(xf_portlock_take("eth9", 0, &holder), -ENOENT);
    assert_int_equal(xf_portlock_look("eth9", &holder), 0);
}

static bool there_is(const char *name)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof(path), "%s/xl-fast/%s", dir, name);
    return !stat(path, &st);
}

/* Who has asked first goes first, as long as it goes on asking. */
static void turns(void **state)
{
    const uint64_t fresh = XF_TURN_FRESH_MS;

    (void)state;
    setenv("XL_FAST_RUNDIR", dir, 1);
    assert_int_equal(xf_turn_ask("eth1", "b", 1000), 0);
    assert_int_equal(xf_turn_ask("eth1", "a", 2000), 1);
    assert_int_equal(xf_turn_ask("eth1", "c", 3000), 2);
    assert_int_equal(xf_turn_ask("eth2", "d", 3000), 0); /* another port */
    assert_int_equal(xf_turn_ask("eth1", "b", 4000), 0);
    /* It has its turn: xl-fast-receive removes its ticket. */
    char path[300];
    snprintf(path, sizeof(path), "%s/xl-fast/turn-b", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(xf_turn_ask("eth1", "c", 5000), 1);
    assert_int_equal(xf_turn_ask("eth1", "a", 5000), 0);
    /* It does not ask any more: the next one's turn, when its time is over. */
    assert_int_equal(xf_turn_ask("eth1", "c", 5000 + fresh), 1);
    assert_int_equal(xf_turn_ask("eth1", "c", 5001 + fresh), 0);
    assert_false(there_is("turn-a"));
    /* Back again, it is the last. */
    assert_int_equal(xf_turn_ask("eth1", "a", 5002 + fresh), 1);
    /* At once: in some order. */
    assert_int_equal(xf_turn_ask("eth3", "y", 7000), 0);
    assert_int_equal(xf_turn_ask("eth3", "x", 7000), 0);
    assert_int_equal(xf_turn_ask("eth3", "y", 7000), 1);
    /* What is no ticket counts for nothing. */
    snprintf(path, sizeof(path), "%s/xl-fast/turn-z", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("1 junk", f);
    fclose(f);
    assert_int_equal(xf_turn_ask("eth3", "x", 7001), 0);

    setenv("XL_FAST_RUNDIR", "/nowhere", 1);
    assert_int_equal(xf_turn_ask("eth1", "e", 1000000), 0);
    setenv("XL_FAST_RUNDIR", dir, 1);
}

static void the_queue(void **state)
{
    char path[300], want[300];

    (void)state;
    assert_int_equal(xf_queue_path("net_x,iface=a/b", path, sizeof(path)), 0);
    snprintf(want, sizeof(want), "%s/xl-fast/queue-net_x,iface=a_b", dir);
    assert_string_equal(path, want);
    assert_int_equal(xf_queue_path("eth1", path, 10), -ENAMETOOLONG);
    assert_int_equal(xf_queue_path("eth1", path, sizeof(path)), 0);
    assert_false(xf_queue_is_taken("eth1"));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_false(xf_queue_is_taken("eth1"));
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_true(xf_queue_is_taken("eth1"));
    close(fd);
    assert_false(xf_queue_is_taken("eth1"));
}

static int tidy(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    return setenv("XL_FAST_RUNDIR", dir, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(waits_for_it),
        cmocka_unit_test(nothing_is_made_by_looking),
        cmocka_unit_test(turns),
        cmocka_unit_test(the_queue),
    };

    return cmocka_run_group_tests(tests, make_dir, tidy);
}
