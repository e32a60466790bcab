/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clock: the one place that reads time. Sessions get it passed in, so tests can own it. */
#ifndef XF_TRANSPORT_BASE_CLOCK_H
#define XF_TRANSPORT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#ifdef XF_FAULTS
/* What a fault has added to the clock (fault.c, test builds only). */
extern _Atomic int64_t xf_clock_skew_us;
#endif

/* Microseconds of CLOCK_MONOTONIC. */
static inline uint64_t xf_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    uint64_t now_us = (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
#ifdef XF_FAULTS
    now_us += (uint64_t)xf_clock_skew_us;
#endif
    return now_us;
}

/* The same in nanoseconds and without faults: to measure what the CPU takes, and nothing else. */
static inline uint64_t xf_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
