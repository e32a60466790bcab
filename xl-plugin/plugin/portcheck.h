/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portcheck: whether a port can be used, by what sysfs shows, without starting DPDK. */
#ifndef XF_PLUGIN_PORTCHECK_H
#define XF_PLUGIN_PORTCHECK_H

#include "../../dpdk/probe.h"

/*
 * sysfs: "/sys", or a test's own. *mtu: the kernel interface's, 0 where only DPDK can tell.
 * -EINVAL, -ENODEV, -ENETDOWN, -EBUSY or -ENOMEM, and err has one line for the user (256 bytes).
 */
int xf_portcheck(const char *sysfs, const char *port, const struct xf_dpdk_host *host,
                 unsigned queues, unsigned *mtu, char *err);

#endif
