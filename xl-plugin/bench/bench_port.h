/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, port: that of an end of `xl-fast bench link`, as its order or xl-fast.conf says. */
#ifndef XF_BENCH_BENCH_PORT_H
#define XF_BENCH_BENCH_PORT_H

#include "bench_talk.h"
#include "xl-plugin/demo/memif.h"

struct xf_bench_port {
    struct xf_memif memif; /* to be opened by xf_memif_open() */
    char name[256];
};

/* Starts DPDK for it, in its namespace. server: it is the target's. 0 or -errno, with a line in
   why. */
int xf_bench_port_start(struct xf_bench_port *p, const struct xf_bench_order *order, bool server,
                        char why[BENCH_WHY_BYTES]);

#endif
