/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A SIGTERM while a port comes up ends the helper then, and not when the port is up; later it goes
   its usual way. The port that is open has the lanes and CPUs of its configuration. */
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/common/unit.h"

#include "xl-plugin/plugin/ports.h"

#define OPENED 7 /* it came back from xf_ports_open() */

static char dir[] = "/tmp/xl-fast-ports.XXXXXX";

static volatile sig_atomic_t handled;

static void handle(int sig)
{
    handled = sig;
}

/* In a process of its own, which says when it begins. The port is no device, so that it opens or
   not at once; that it takes time is the lock's doing. */
static pid_t open_port(void)
{
    int said[2];
    char byte;

    assert_int_equal(pipe(said), 0);
    pid_t pid = fork();
    if (!pid) {
        struct xf_config config = {.port = "nothing0", .prefix = 24};
        struct xf_link *link;
        char err[256];

        signal(SIGTERM, handle);
        if (write(said[1], "x", 1) != 1)
            _exit(1);
        close(said[1]);
        xf_ports_open(&link, &config, err);
        raise(SIGTERM);
        _exit(handled ? OPENED : 1);
    }
    close(said[1]);
    assert_int_equal(read(said[0], &byte, 1), 1);
    close(said[0]);
    return pid;
}

static int status_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Whether its SIGTERM is blocked, as while the port comes up. */
static bool is_in_it(pid_t pid)
{
    char path[64], line[128];
    unsigned long long blocked = 0;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        sscanf(line, "SigBlk: %llx", &blocked);
    fclose(f);
    return blocked >> (SIGTERM - 1) & 1;
}

static void test_cancelled_while_it_waits(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/xl-fast/port-nothing0.lock", dir);
    int held = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(held >= 0 && !flock(held, LOCK_EX));
    pid_t pid = open_port();
    for (unsigned i = 0; i < 1000 && !is_in_it(pid); i++)
        usleep(1000);
    assert_true(is_in_it(pid));
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(status_of(pid), 1); /* else it comes back when it gives up the lock */
    close(held);
}

static void test_not_cancelled(void **state)
{
    (void)state;
    assert_int_equal(status_of(open_port()), OPENED);
}

/* In a process of its own, since DPDK starts once: 0, or which of it is wrong. */
static int look_at_lanes(unsigned lanes)
{
    struct xf_config config = {.port = "net_ring0", .prefix = 24, .lanes = lanes};
    struct xf_link *link;
    char err[256];

    if (xf_cpu_list_parse("0,2", &config.cpus))
        return 1;
    if (xf_ports_open(&link, &config, err))
        return 2;
    if (link->queues != (lanes ? lanes : 1))
        return 3;
    memset(&config, 0, sizeof(config)); /* it need not stay */
    struct xf_threads threads = xf_ports_threads();
    const struct xf_cpu_list *cpus = threads.arg;
    if (threads.count != link->queues)
        return 4;
    if (cpus->n != 2 || cpus->cpus[1] != 2)
        return 5;
    xf_ports_close(link);
    return 0;
}

static void test_lanes_of_the_open_port(void **state)
{
    (void)state;
    for (unsigned lanes = 0; lanes <= 2; lanes += 2) {
        pid_t pid = fork();

        if (!pid)
            _exit(look_at_lanes(lanes));
        assert_int_equal(status_of(pid), 0);
    }
}

static int begin(void **state)
{
    char path[128];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/xl-fast", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    setenv("XL_FAST_RUNDIR", dir, 1);
    return 0;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancelled_while_it_waits),
        cmocka_unit_test(test_not_cancelled),
        cmocka_unit_test(test_lanes_of_the_open_port),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
