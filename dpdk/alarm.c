/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alarm.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void on_alarm(int sig)
{
    (void)sig; /* the interruption is all that it is for */
}

static bool make(struct xf_alarm *a)
{
    /* poll(2) is never restarted; what else the thread may be in, is. */
    const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = SIGRTMAX,
        .sigev_notify_thread_id = gettid(),
    };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMAX);
    return !sigaction(SIGRTMAX, &action, NULL) && !pthread_sigmask(SIG_UNBLOCK, &set, NULL) &&
           !timer_create(CLOCK_MONOTONIC, &event, &a->timer);
}

static void set_ms(struct xf_alarm *a, long ms)
{
    const struct timespec every = {.tv_nsec = ms * 1000000};

    if (a->made)
        timer_settime(a->timer, 0, &(struct itimerspec){every, every}, NULL);
}

void xf_alarm_set(struct xf_alarm *a)
{
    if (!a->made && !a->failed) {
        a->made = make(a);
        a->failed = !a->made;
    }
    set_ms(a, XF_ALARM_MS);
}

void xf_alarm_clear(struct xf_alarm *a)
{
    set_ms(a, 0);
}

void xf_alarm_free(struct xf_alarm *a)
{
    if (a->made)
        timer_delete(a->timer);
    a->made = false;
}
