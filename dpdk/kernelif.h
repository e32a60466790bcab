/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel interface: what the kernel says about the interface under an af_packet or AF_XDP port. */
#ifndef XF_DPDK_KERNELIF_H
#define XF_DPDK_KERNELIF_H

#include <stdint.h>

/* 0, or -errno (-ENODEV: there is none of that name). */
int xf_kernel_if_mtu(const char *name, uint32_t *mtu);

/* 0 if it is up and has a carrier, -ENETDOWN if not, or another -errno. */
int xf_kernel_if_health(const char *name);

#endif
