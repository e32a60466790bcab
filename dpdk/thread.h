/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Thread: what each thread beside the one that started DPDK does before it sends or receives, and
 * before it ends: it gets a cache of the packet pool, if it can.
 */
#ifndef XF_DPDK_THREAD_H
#define XF_DPDK_THREAD_H

#include "transport/threads.h"

void xf_dpdk_thread_begin(void);
void xf_dpdk_thread_end(void);

/* Where the threads of a session's lanes run. */
struct xf_dpdk_threads {
    unsigned cpus[64]; /* thread i is kept on cpus[i % cpus_n] */
    unsigned cpus_n;   /* 0: where the scheduler puts it */
};

/* Those threads (transport/threads.h): none for one lane, else one for each. where: NULL, or it
   must outlive them. */
struct xf_threads xf_dpdk_threads(unsigned lanes, struct xf_dpdk_threads *where);

#endif
