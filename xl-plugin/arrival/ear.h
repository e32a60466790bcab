/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ear: a packet socket on one interface of a guest in dom0, which hears what comes from the guest,
 * and not what goes to it. One thread.
 */
#ifndef XF_ARRIVAL_EAR_H
#define XF_ARRIVAL_EAR_H

#include "frames.h"

/* Of the interface with that number, which may be down yet. A file to poll for POLLIN, or -errno.
 */
int xf_ear_open(unsigned ifindex);

/* 1: a frame of the guest has come, *age_us ago; 0: none yet; -errno: the interface is gone.
   frames: what dom0 itself says (xf_frames_make()), which does not count. */
int xf_ear_take(int fd, const struct xf_frame *frames, unsigned n, uint64_t *age_us);

#endif
