/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Alarm: a timer per thread that sends a signal to that thread, so that a driver's endless poll(2)
 * returns.
 */
#include "alarm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Each thread's own, as the signal is; what the handler shares with what it interrupts is volatile.
 */
static _Thread_local struct {
    bool made, failed;
    timer_t timer;
    volatile sig_atomic_t running; /* the timer */
    volatile sig_atomic_t within;  /* a wait that is to end */
    volatile sig_atomic_t unused;  /* ticks since the last of them */
} mine;

static void set_ms(long ms)
{
    const struct timespec every = {.tv_nsec = ms * 1000000};

    timer_settime(mine.timer, 0, &(struct itimerspec){every, every}, NULL);
}

/* The interruption is what it is for. A timer that nobody has needed for a whole tick stops. */
static void on_alarm(int sig)
{
    int saved = errno;

    (void)sig;
    if (!mine.within && mine.unused++) {
        mine.running = 0;
        set_ms(0);
    }
    errno = saved;
}

static bool make(void)
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
           !timer_create(CLOCK_MONOTONIC, &event, &mine.timer);
}

void xf_alarm_set(void)
{
    if (!mine.made && !mine.failed) {
        mine.made = make();
        mine.failed = !mine.made;
    }
    mine.within = 1; /* from here on the handler lets the timer run */
    mine.unused = 0;
    if (!mine.running && mine.made) {
        mine.running = 1;
        set_ms(XF_ALARM_MS);
    }
}

void xf_alarm_clear(void)
{
    mine.within = 0;
}

void xf_alarm_end(void)
{
    if (mine.made)
        timer_delete(mine.timer);
    mine.made = false;
    mine.running = 0;
}
