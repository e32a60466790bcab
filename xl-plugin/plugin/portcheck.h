/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portcheck: whether a port can be used, by what sysfs shows, without starting DPDK. */
#ifndef XF_PLUGIN_PORTCHECK_H
#define XF_PLUGIN_PORTCHECK_H

#include "dpdk/found.h"
#include "dpdk/host.h"
#include "dpdk/lanes.h"

/*
 * sysfs: "/sys", or a test's own. *found is what is there, as far as sysfs tells: nothing of a
 * vdev. -EINVAL, -ENODEV, -ENETDOWN, -EBUSY or -ENOMEM, and err has one line for the user (256
 * bytes), found->fix the command that fixes it, where there is one.
 */
int xf_portcheck(const char *sysfs, const char *port, const struct xf_dpdk_host *host,
                 unsigned queues, struct xf_found *found, char *err);

/* The lanes that move a guest over the port: as many as are set, or if that is 0 as suit it. */
struct xf_lanes xf_portcheck_lanes(const char *sysfs, const char *port,
                                   const struct xf_dpdk_host *host, unsigned set);

#endif
