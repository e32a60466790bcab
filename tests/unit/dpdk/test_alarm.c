/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Alarm: a poll without a limit, as net_af_packet's transmit makes one, ends; in a thread that has
   every signal blocked, as the plug-in's are while a port opens. */
#include "../transport/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "../../../dpdk/alarm.h"

static int silent[2]; /* a pipe that nobody writes to */

static int poll_ms(int ms)
{
    struct pollfd fd = {.fd = silent[0], .events = POLLIN};

    return poll(&fd, 1, ms) < 0 ? -errno : 0;
}

static void *wait_twice(void *alarm)
{
    static int rc[2];

    xf_alarm_set(alarm);
    rc[0] = poll_ms(-1);
    /* The first signal may come before the wait that it should end. */
    rc[1] = poll_ms(-1);
    xf_alarm_clear(alarm);
    return rc;
}

static void a_wait_without_a_limit_ends(void **state)
{
    struct xf_alarm alarm = {0};
    sigset_t all, before;
    pthread_t thread;
    void *rc;

    (void)state;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    assert_int_equal(pthread_create(&thread, NULL, wait_twice, &alarm), 0);
    assert_int_equal(pthread_join(thread, &rc), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(((int *)rc)[0], -EINTR);
    assert_int_equal(((int *)rc)[1], -EINTR);
    xf_alarm_free(&alarm);
}

static void a_cleared_one_disturbs_nothing(void **state)
{
    struct xf_alarm alarm = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        xf_alarm_set(&alarm);
        xf_alarm_clear(&alarm);
    }
    assert_int_equal(poll_ms(3 * XF_ALARM_MS), 0);
    xf_alarm_set(&alarm);
    assert_int_equal(poll_ms(-1), -EINTR);
    xf_alarm_clear(&alarm);
    xf_alarm_free(&alarm);
    xf_alarm_free(&alarm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_without_a_limit_ends),
        cmocka_unit_test(a_cleared_one_disturbs_nothing),
    };

    return pipe(silent) || cmocka_run_group_tests(tests, NULL, NULL);
}
