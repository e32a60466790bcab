/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cap: slows a guest down (--throttle) by the cap of Xen's credit or credit2 scheduler, whichever
 * its cpupool has. The thread that uses xch. Sources: xen/common/sched/credit.c, credit2.c (0 is no
 * cap; else percent of one CPU, and no more than the domain has CPUs).
 *
 * A process that is killed cannot take a cap back: while there is one, what to put in its place
 * stands in the file that XL_FAST_CAP names, for xl-fast migrate, as words of an xl command line:
 *
 *     sched-credit2 -d 5 -c 0
 */
#ifndef XF_PLUGIN_CAP_H
#define XF_PLUGIN_CAP_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

struct xf_cap {
    xc_interface *xch;
    uint32_t domid;
    bool set;           /* a cap is ours */
    uint32_t scheduler; /* XEN_SCHEDULER_... */
    uint32_t before;    /* the cap that was there; 0 = none */
    uint32_t full;      /* percent of a CPU that the guest has at the most without ours */
};

/* As throttle() of transport/guest.h; what fails is said. -EOPNOTSUPP: the scheduler has no cap. */
int xf_cap_throttle(struct xf_cap *cap, unsigned percent);

#endif
