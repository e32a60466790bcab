/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lanes: how many suit a port for which nobody has set a number, and the CPUs for their threads, by
 * what sysfs shows. Nothing here calls DPDK. Threads: any.
 */
#ifndef XF_DPDK_LANES_H
#define XF_DPDK_LANES_H

#include "found.h"
#include "transport/base/cpu_list.h"

#define XF_LANES_MAX 64u

struct xf_lanes {
    unsigned n;      /* 1 .. XF_LANES_MAX */
    const char *why; /* in few words */
};

/*
 * Pure. One for each 25 Gbit/s begun, but one CPU is left to the thread that decides, and a lane
 * has a queue of its own. One up to 25 Gbit/s, if the speed is not known (0), and with fewer than 4
 * CPUs. queues 0: not known, no limit.
 */
struct xf_lanes xf_lanes_suggest(unsigned queues, unsigned cpus, unsigned speed_mbps);

/* For a port as it was found (found.h; without a name: a vdev): one if it is a kernel's interface
   or a vdev; a PCI device's by the CPUs of its NUMA node. */
struct xf_lanes xf_lanes_of(const char *sysfs, const struct xf_found *port);

/* The CPUs that this host has in use, in the order of their numbers; empty if sysfs does not say.
 */
void xf_cpus_online(const char *sysfs, struct xf_cpu_list *out);

#endif
