/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded: who sleeps for a moment sleeps 4 ms, as xl-fast's own ends may, and as any does on a
   host whose kernel ticks 250 times a second. */
#include <time.h>
#include <unistd.h>

#define LEAST_US 4000

int usleep(useconds_t us)
{
    us = us < LEAST_US ? LEAST_US : us;
    return nanosleep(
        &(struct timespec){.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000}, NULL);
}
