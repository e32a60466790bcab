/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EAL: starts DPDK for what this host is (a PV dom0, a PVH dom0 or a bare machine; hugepages or
 * not; root or not). The user names a port; the EAL's arguments follow from the host.
 *
 * One start per process (DPDK's own limit): after xf_dpdk_stop() or a failure there is no second.
 * Not thread-safe. The thread that starts is DPDK's lcore 0: it has the packet pool's cache, so let
 * it be the one that sends and receives. It stays on the CPUs where it was allowed to run.
 */
#ifndef XF_DPDK_EAL_H
#define XF_DPDK_EAL_H

#include <stdbool.h>

#define XF_DPDK_ERR_BYTES 256

/* "DPDK 22.11.7" */
const char *xf_dpdk_version(void);

/*
 * Starts the EAL for `port` (a PCI address, a kernel interface's name, or a vdev string such as
 * "net_memif0,role=server,socket=..."). err gets one line that says what to do.
 */
int xf_dpdk_start(const char *port, unsigned queues, char err[XF_DPDK_ERR_BYTES]);

/* The same for n vdevs of one kind, whose names differ. */
int xf_dpdk_start_vdevs(const char *const *ports, unsigned n, unsigned queues,
                        char err[XF_DPDK_ERR_BYTES]);

/* Does it on DPDK's interrupt thread, and waits: what takes down devices does not meet that thread
   doing the same, for a peer that has left. */
void xf_dpdk_alone(void (*what)(void *), void *arg);

/* Gives back all that xf_dpdk_start() took; close ports first. Safe if never started. */
void xf_dpdk_stop(void);

/* The same for a process that ends next, and whose memory may outlive it: gives back at once only
   what the next process could be waiting for, hugepages. */
void xf_dpdk_leave(void);

/* Whether the port may be left open for that: a packet socket goes when the memory goes that its
   rings are in, for which the kernel takes its time. */
bool xf_dpdk_port_goes_with_memory(void);

/*
 * Holds back DPDK's warnings (stderr) while something is tried that may fail. The environment's
 * XF_DPDK_LOG=LEVEL (debug, info, notice, warning, ...) overrides this and sets what DPDK logs.
 */
void xf_dpdk_quiet(bool quiet);

/* The first line of level error or worse that DPDK logged since they were forgotten; "" if none. */
const char *xf_dpdk_first_error(void);
void xf_dpdk_forget_errors(void);

#endif
