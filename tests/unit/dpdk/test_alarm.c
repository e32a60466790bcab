/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Alarm: a poll without a limit, as net_af_packet's transmit makes one, ends; in a thread that has
   every signal blocked, as the plug-in's are while a port opens. */
#include "tests/unit/common/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "dpdk/alarm.h"

static int silent[2]; /* a pipe that nobody writes to */

static int poll_ms(int ms)
{
    struct pollfd fd = {.fd = silent[0], .events = POLLIN};

    return poll(&fd, 1, ms) < 0 ? -errno : 0;
}

static unsigned settings; /* system calls that an alarm has made, once it has its timer */

int timer_settime(timer_t timer, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    int (*next)(timer_t, int, const struct itimerspec *, struct itimerspec *);

    *(void **)&next = dlsym(RTLD_NEXT, "timer_settime");
    settings++;
    return next(timer, flags, value, old);
}

static void *wait_twice(void *arg)
{
    static int rc[2];

    (void)arg;
    xf_alarm_set();
    rc[0] = poll_ms(-1);
    /* The first signal may come before the wait that it should end. */
    rc[1] = poll_ms(-1);
    xf_alarm_clear();
    return rc;
}

static void a_wait_without_a_limit_ends(void **state)
{
    sigset_t all, before;
    pthread_t thread;
    void *rc;

    (void)state;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    assert_int_equal(pthread_create(&thread, NULL, wait_twice, NULL), 0);
    assert_int_equal(pthread_join(thread, &rc), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(((int *)rc)[0], -EINTR);
    assert_int_equal(((int *)rc)[1], -EINTR);
}

/* Two ticks after the last burst at the most, and then for good. */
static void a_cleared_one_stops_by_itself(void **state)
{
    unsigned ticks = 0;

    (void)state;
    for (unsigned times = 0; times < 2; times++) {
        xf_alarm_set();
        xf_alarm_clear();
        while (poll_ms(5 * XF_ALARM_MS) == -EINTR)
            ticks++;
        assert_in_range(ticks, 1, 2 + 2 * times);
        assert_int_equal(poll_ms(3 * XF_ALARM_MS), 0);
        xf_alarm_set();
        assert_int_equal(poll_ms(-1), -EINTR);
        assert_int_equal(poll_ms(-1), -EINTR);
        xf_alarm_clear();
    }
}

/* Bursts that follow each other cost a system call together; each cost two. */
static void bursts_cost_nothing(void **state)
{
    (void)state;
    while (poll_ms(5 * XF_ALARM_MS) == -EINTR)
        ;
    settings = 0;
    for (unsigned i = 0; i < 100000; i++) {
        xf_alarm_set();
        xf_alarm_clear();
    }
    assert_in_range(settings, 1, 10); /* the test may stand still for some ticks */
    /* Nor does it end while there are some now and then. */
    settings = 0;
    for (unsigned i = 0; i < 10; i++) {
        xf_alarm_set();
        assert_int_equal(poll_ms(-1), -EINTR);
        xf_alarm_clear();
    }
    assert_in_range(settings, 0, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_without_a_limit_ends),
        cmocka_unit_test(a_cleared_one_stops_by_itself),
        cmocka_unit_test(bursts_cost_nothing),
    };

    return pipe(silent) || cmocka_run_group_tests(tests, NULL, NULL);
}
