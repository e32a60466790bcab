/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interface: a kernel's network interface as a port; what the kinds over one have in common. */
#ifndef XF_DPDK_INTERFACE_H
#define XF_DPDK_INTERFACE_H

#include "kind.h"

/* Sets kernel_if, and device for DPDK's driver of that name. -EINVAL: no interface's name. */
int xf_interface_parse(struct xf_port_spec *spec, const char *name, const char *driver);

/* Whether it is there, up, and not taken. -ENODEV, -ENETDOWN or -EBUSY. */
int xf_interface_probe(const char *sysfs, const char *name, struct xf_found *found);

/* Its speed and receive queues, as far as sysfs tells. */
void xf_interface_measure(const char *sysfs, const char *name, struct xf_found *found);

/* A kind's link_state(): the drivers call themselves up whatever the interface under them does. */
int xf_interface_link_state(const struct xf_port_spec *spec);

#endif
