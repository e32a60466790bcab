/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host: what kind of machine this is, which decides how DPDK can be started on it. Threads: any. */
#ifndef XF_DPDK_HOST_H
#define XF_DPDK_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct xf_dpdk_host {
    bool pv_dom0; /* physical addresses are not the machine's: IOVA must be VA, no PCI ports */
    bool xen;     /* running on Xen at all */
    uint64_t hugepages_free; /* 2 MiB pages free; what larger ones hold counts */
    uint64_t hugepages;      /* vm.nr_hugepages: 2 MiB pages, free or not */
    bool root;
};

/* What this host is, from /sys and /proc. */
void xf_dpdk_probe_host(struct xf_dpdk_host *host);
void xf_dpdk_probe_host_at(const char *sysfs, struct xf_dpdk_host *host);

#endif
