/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Idle: what a session's loop does after a step that found nothing to do. For a moment it goes on
 * polling, because the answer to a burst is only a round trip away; then it sleeps, longer each
 * time, because on a dom0 with one CPU the network and the guests run while we sleep. When nothing
 * has come for long, as while the other end looks for its guest's pages, a few milliseconds more
 * are no loss; nor are they before there is memory to move. But never at once: where others flood
 * the port, its ring holds what comes in a fraction of a millisecond. One thread.
 */
#ifndef XF_TRANSPORT_BASE_IDLE_H
#define XF_TRANSPORT_BASE_IDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define XF_IDLE_POLL_US 20u
#define XF_IDLE_MIN_US  50u
#define XF_IDLE_MAX_US  400u

#define XF_IDLE_LONG_US     50000u
#define XF_IDLE_LONG_MAX_US 4000u

struct xf_idle {
    uint64_t since_us; /* 0 = the last step did something */
    uint32_t sleep_us; /* the last sleep; 0 = none yet */
};

static inline void xf_idle_busy(struct xf_idle *i)
{
    *i = (struct xf_idle){0};
}

static inline void xf_idle_sleep(struct xf_idle *i, uint32_t most_us)
{
    i->sleep_us = i->sleep_us ? i->sleep_us * 2 : XF_IDLE_MIN_US;
    if (i->sleep_us > most_us)
        i->sleep_us = most_us;
    nanosleep(&(struct timespec){.tv_nsec = i->sleep_us * 1000}, NULL);
}

/* hurry: memory is on its way. */
static inline void xf_idle_wait(struct xf_idle *i, uint64_t now_us, bool hurry)
{
    if (!i->since_us)
        i->since_us = now_us;
    if (hurry && now_us - i->since_us < XF_IDLE_POLL_US)
        return;
    xf_idle_sleep(i, hurry && now_us - i->since_us < XF_IDLE_LONG_US ? XF_IDLE_MAX_US
                                                                     : XF_IDLE_LONG_MAX_US);
}

/* The same for one of several threads: while memory is on its way it never sleeps for long, however
   little of it is its own. */
static inline void xf_idle_wait_among(struct xf_idle *i, uint64_t now_us, bool hurry)
{
    if (!i->since_us)
        i->since_us = now_us;
    if (!hurry || now_us - i->since_us >= XF_IDLE_POLL_US)
        xf_idle_sleep(i, hurry ? XF_IDLE_MAX_US : XF_IDLE_LONG_MAX_US);
}

#endif
