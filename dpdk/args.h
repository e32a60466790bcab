/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments: DPDK's command line for a port on a host. A pure function, so that each kind of host
 * can be tested on any.
 */
#ifndef XF_DPDK_ARGS_H
#define XF_DPDK_ARGS_H

#include "kind.h"

#define XF_ARGS_MAX 24

struct xf_eal_args {
    int argc;
    char *argv[XF_ARGS_MAX];  /* as rte_eal_init() wants it: it may reorder them */
    char *owned[XF_ARGS_MAX]; /* the same strings, for xf_eal_args_free() */
    bool no_huge;
};

struct xf_eal_wish {
    const struct xf_port_spec *spec;
    unsigned queues;
    unsigned ports;        /* like this one, that the process opens */
    uint32_t if_mtu;       /* of spec->kernel_if */
    unsigned cpu;          /* one that this process may run on */
    const char *log_level; /* DPDK's */
};

/* Hugepages of 2 MiB that DPDK takes for a port with so many queues, where it has any. */
unsigned xf_eal_hugepages(unsigned queues);

int xf_eal_args_build(struct xf_eal_args *args, const struct xf_dpdk_host *host,
                      const struct xf_eal_wish *wish);
void xf_eal_args_free(struct xf_eal_args *args);

#endif
