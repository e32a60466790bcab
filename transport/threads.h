/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads: on how many an end's lanes run, and what is to be done in each (source_config.h,
   target_config.h). */
#ifndef XF_TRANSPORT_THREADS_H
#define XF_TRANSPORT_THREADS_H

struct xf_threads {
    unsigned count; /* 0: none of their own; the lanes run in the steps of the session */
    /* Called in each as it begins, with its number from 0 on, and as it ends, as to pin it to a CPU
       or to make it known to DPDK. NULL: nothing is to be done. */
    void (*begin)(void *arg, unsigned thread);
    void (*end)(void *arg, unsigned thread);
    void *arg;
};

#endif
