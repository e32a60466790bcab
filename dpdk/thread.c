/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Thread: makes a thread known to DPDK, and keeps it on its CPU. */
#include "thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include <rte_lcore.h>

#include "alarm.h"

/* Best effort: a thread that DPDK has no number left for shares the pool without a cache. */
void xf_dpdk_thread_begin(void)
{
    (void)rte_thread_register();
}

void xf_dpdk_thread_end(void)
{
    xf_alarm_end();
    rte_thread_unregister();
}

/* One that cannot be kept on a CPU runs on any. */
static void begin(void *arg, unsigned thread)
{
    const struct xf_cpu_list *cpus = arg;
    char name[16];

    snprintf(name, sizeof(name), "xl-fast lane %u", thread);
    pthread_setname_np(pthread_self(), name);
    xf_dpdk_thread_begin();
    if (cpus && cpus->n) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpus->cpus[thread % cpus->n], &set);
        (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
}

static void end(void *arg, unsigned thread)
{
    (void)arg;
    (void)thread;
    xf_dpdk_thread_end();
}

struct xf_threads xf_dpdk_threads(unsigned lanes, const struct xf_cpu_list *cpus)
{
    return (struct xf_threads){.count = lanes > 1 || (cpus && cpus->n) ? lanes : 0,
                               .begin = begin,
                               .end = end,
                               .arg = (void *)cpus};
}
