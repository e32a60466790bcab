/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Thread: what each thread beside the one that started DPDK does before it sends or receives, and
 * before it ends: it gets a cache of the packet pool, if it can.
 */
#ifndef XF_DPDK_THREAD_H
#define XF_DPDK_THREAD_H

#include "transport/base/cpu_list.h"
#include "transport/threads.h"

void xf_dpdk_thread_begin(void);
void xf_dpdk_thread_end(void);

/* The threads of a session's lanes (transport/threads.h): none for one lane that may run anywhere,
   else one for each. Thread i is kept on cpus[i % n], as far as that CPU is there; NULL or empty:
   where the scheduler puts it. cpus must outlive them. */
struct xf_threads xf_dpdk_threads(unsigned lanes, const struct xf_cpu_list *cpus);

#endif
