/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timed: waiting for a condition by the monotonic clock, which nobody sets. Any thread. */
#ifndef XF_PLUGIN_TIMED_H
#define XF_PLUGIN_TIMED_H

#include <pthread.h>
#include <time.h>

/* A condition whose waits go by CLOCK_MONOTONIC. The caller destroys it. */
void xf_timed_init(pthread_cond_t *cond);

/* When so many milliseconds from now will have passed: for pthread_cond_timedwait(). */
struct timespec xf_timed_deadline(unsigned timeout_ms);

#endif
