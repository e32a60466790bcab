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

#include <stdbool.h>
#include <stdint.h>

#include "eal.h"

#define XF_PROBE_WHY_BYTES  200
#define XF_PROBE_MEND_BYTES 320

struct xf_probe_port {
    bool pci;        /* a PCI device; else a kernel interface */
    char name[64];   /* eth1, 0000:3b:00.0 */
    char driver[32]; /* the kernel's, "" = none, or not a device */
    char other[64];  /* an interface's PCI device, or a PCI device's interface; "" = none */
    bool up, link;   /* an interface's */
    uint32_t mtu;    /* an interface's; 0 = only DPDK can tell */
    unsigned queues; /* an interface's receive queues */
    int speed_mbps;  /* an interface's; 0 = it does not say */
    bool usable;     /* as it is, under `name` */
    char why[XF_PROBE_WHY_BYTES]; /* if not */
    /* The shell command that mends it, as root; "": there is none. Safe: it
       brings up, loads or reserves, and unbinds nothing. */
    char mend[XF_PROBE_MEND_BYTES];
    bool mend_is_safe;
};

/* One port. -ENODEV, -ENETDOWN, -EBUSY or -ENOMEM where it is not usable (*out, its why and its
   mend say more). What the host is decides whether DPDK can drive a PCI device with so many queues.
 */
int xf_probe_interface(const char *sysfs, const char *name, struct xf_probe_port *out);
/* The same for AF_XDP with so many queues. It takes all that the interface receives by them, and
   nothing of its other queues. -ENODEV, -ENETDOWN, -EBUSY as above; -EINVAL: another set-up of the
   interface is needed. */
int xf_probe_af_xdp(const char *sysfs, const char *name, unsigned queues,
                    struct xf_probe_port *out);
/* The same of an interface of that MTU which is there and up, in the network namespace of this
   process, which sysfs need not show. */
int xf_probe_af_xdp_start(const char *name, uint32_t mtu, unsigned queues,
                          struct xf_probe_port *out);
int xf_probe_pci(const char *sysfs, const char *address, const struct xf_dpdk_host *host,
                 unsigned queues, struct xf_probe_port *out);

/* All that there are, up to max, interfaces first and each kind by name, PCI devices
   for one queue. How many. */
unsigned xf_probe_ports(const char *sysfs, const struct xf_dpdk_host *host,
                        struct xf_probe_port *out, unsigned max);

#endif
