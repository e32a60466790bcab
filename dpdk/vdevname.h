/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vdev string: a port's name that is DPDK's own, "net_DRIVER0,key=value,...". Threads: any. */
#ifndef XF_DPDK_VDEVNAME_H
#define XF_DPDK_VDEVNAME_H

#include "kind.h"

/* Sets device and vdev. 0 or -EINVAL: too long. */
int xf_vdevname_parse(struct xf_port_spec *spec, const char *port);

/* The number after ",key=", or `otherwise`. */
uint32_t xf_vdevname_number(const char *vdev, const char *key, uint32_t otherwise);

/* A kind's vdev(): the string as it is. */
int xf_vdevname_vdev(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                     char out[XF_SPEC_VDEV_BYTES]);

#endif
