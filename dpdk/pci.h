/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCI devices as ports, by what sysfs shows. Threads: any. */
#ifndef XF_DPDK_PCI_H
#define XF_DPDK_PCI_H

#include "kind.h"

/* What the host is decides whether DPDK can drive the device with so many queues. -ENODEV, -EBUSY
   or -ENOMEM; *out says more. */
int xf_pci_probe(const char *sysfs, const char *address, const struct xf_dpdk_host *host,
                 unsigned queues, struct xf_found *out);

#endif
