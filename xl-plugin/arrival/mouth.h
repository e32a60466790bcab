/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mouth: lets a frame enter this host as if the guest's card had just sent it. So the bridge learns
 * the guest's MAC on the guest's own port, and carries the frame to all that the guest's frames
 * reach, with the bridge's VLANs, filters and spanning tree; Open vSwitch does, too.
 *
 * (A frame that dom0 sends on the guest's interface goes into the guest. One that it sends on the
 * bridge, or on the bridge's other ports, teaches the switches beyond but not the bridge, which
 * goes on to drop what comes for the guest if it has learnt the guest on the port it comes from.)
 *
 * It is a tap interface of this process, with a filter of tc(8) that turns what comes in there into
 * what comes in from the guest (mirred, ingress redirect). The kernel removes both when the process
 * ends, however it ends. One thread. Needs CAP_NET_ADMIN, and the kernel's tun, sch_ingress,
 * cls_u32 and act_mirred.
 */
#ifndef XF_ARRIVAL_MOUTH_H
#define XF_ARRIVAL_MOUTH_H

#include "frames.h"

/* Of the guest's interface with that number. A file, to be closed; or -errno. */
int xf_mouth_open(unsigned ifindex);

/* 0 or -errno. */
int xf_mouth_say(int fd, const struct xf_frame *frame);

#endif
