/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Probe: the ports that a host has, by what sysfs shows, without starting DPDK: kernel interfaces
 * and PCI network devices, whether each can be a port here, and by which name. What says so is what
 * the preflight asks too (xl-plugin/plugin/portcheck.h).
 *
 * Pure reading: needs no root and no DPDK. sysfs is "/sys", or a test's own. Threads: any.
 */
#ifndef XF_DPDK_PROBE_H
#define XF_DPDK_PROBE_H

#include "found.h"
#include "host.h"

/* All that there are, up to max, interfaces first and each kind by name, PCI devices
   for one queue. How many. */
unsigned xf_probe_ports(const char *sysfs, const struct xf_dpdk_host *host, struct xf_found *out,
                        unsigned max);

#endif
