/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Found: what sysfs shows of a port, whether it can be used, and the command that fixes it where it
 * cannot. Filled by the kinds of port (kind.h). Threads: any.
 */
#ifndef XF_DPDK_FOUND_H
#define XF_DPDK_FOUND_H

#include <stdbool.h>
#include <stdint.h>

#define XF_FOUND_WHY_BYTES 200
#define XF_FOUND_FIX_BYTES 320

struct xf_found {
    bool pci;        /* a PCI device; else a kernel interface */
    char name[64];   /* eth1, 0000:3b:00.0 */
    char driver[32]; /* the kernel's, "" = none, or not a device */
    char other[64];  /* an interface's PCI device, or a PCI device's interface; "" = none */
    bool up, link;   /* an interface's */
    uint32_t mtu;    /* an interface's; 0 = only DPDK can tell */
    unsigned queues; /* receive queues of the interface, a PCI device's too; 0 = not known */
    int speed_mbps;  /* likewise; 0 = it does not say */
    bool usable;     /* as it is, under `name` */
    char why[XF_FOUND_WHY_BYTES]; /* if not */
    /* The shell command that fixes it, as root; "": there is none. Safe: it
       brings up, loads or reserves, and unbinds nothing. */
    char fix[XF_FOUND_FIX_BYTES];
    bool fix_is_safe;
};

/* It cannot be used: why. Returns rc. */
__attribute__((format(printf, 3, 4))) int xf_found_refuse(struct xf_found *p, int rc,
                                                          const char *format, ...);

/* The command that fixes it. Before xf_found_refuse(). */
__attribute__((format(printf, 3, 4))) void xf_found_fix(struct xf_found *p, bool safe,
                                                        const char *format, ...);

/* The kernel allows more in an interface's name than a shell's command line should hold. */
bool xf_found_is_plain(const char *name);

#endif
