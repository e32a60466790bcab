/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel interface: what the kernel says about the interface under an af_packet or AF_XDP port. */
#ifndef XF_DPDK_KERNELIF_H
#define XF_DPDK_KERNELIF_H

#include <stdbool.h>
#include <stdint.h>

/* 0, or -errno (-ENODEV: there is none of that name). */
int xf_kernel_if_mtu(const char *name, uint32_t *mtu);

/* 0 if it is up and has a carrier, -ENETDOWN if not, or another -errno. */
int xf_kernel_if_health(const char *name);

/* Makes the kernel a member of an IPv4 group (host order) on the interface, so that the interface's
   filter lets the group's frames in, and the kernel answers switches that ask for members; as long
   as what it returns is open: a descriptor, for the caller to close, or -errno. */
int xf_kernel_if_join(const char *name, uint32_t group);

/* How what an interface receives is spread over its queues; see ethtool(8), -l, -x and -n. */
struct xf_kernel_if_queues {
    unsigned receive;     /* queues that it receives by */
    unsigned spread;      /* the first ones, over which it spreads what no rule sends elsewhere */
    bool combined;        /* they send, too: `ethtool -L` knows them by that name, else as rx */
    unsigned receive_max; /* that it can have */
    bool steered;         /* there are rules, of which we do not know what they do */
};

/* -EOPNOTSUPP: an interface that does not say, which has one queue as a rule. */
int xf_kernel_if_queues(const char *name, struct xf_kernel_if_queues *queues);

/* What would be cut off if the kernel no longer received from the interface: words for it, or NULL.
   (The default route; the ssh session that this process is in.) */
const char *xf_kernel_if_carries(const char *name);

#endif
