/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Spec: what the user's name for a port means. Pure text work, so that it can be tested on any
 * host:
 *
 *     0000:3b:00.1, 3b:00.1        a PCI address: DPDK's own driver, full kernel bypass
 *     eth1, af_packet:eth1         a kernel interface through net_af_packet
 *     af_xdp:eth1                  a kernel interface through net_af_xdp
 *     net_memif0,role=server,...   a vdev string, as DPDK takes it
 *
 * Threads: none.
 */
#ifndef XF_DPDK_SPEC_H
#define XF_DPDK_SPEC_H

#include "kind.h"

/* -EINVAL: not a port's name. */
int xf_spec_parse(struct xf_port_spec *spec, const char *port);

#endif
