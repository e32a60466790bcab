/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trial: whether a kernel interface takes frames of a length. net_af_packet's transmit hands its
 * ring's frames to the kernel in order, and one that the interface drops for its length (a veth
 * does, whose peer has a smaller MTU) stays the first for ever: the kernel tries it again at each
 * burst, and all behind it wait. So a frame that is longer than any before goes by a packet socket
 * of its own, which says at once what has become of it.
 *
 * Threads: one a trial. All zero before its first use. Private to dpdk/.
 */
#ifndef XF_DPDK_TRIAL_H
#define XF_DPDK_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

struct xf_trial {
    bool opened;
    int fd;
    uint32_t taken_bytes; /* the longest frame that the interface has taken */
};

/* Whether it is known that the interface takes a frame so long; true also where none can be tried.
 */
static inline bool xf_trial_knows(const struct xf_trial *t, uint32_t bytes)
{
    return bytes <= t->taken_bytes;
}

/* Sends the frame by itself. True: it has been taken. False: it has not; or it is known now, and to
   be sent as any other. */
bool xf_trial_send(struct xf_trial *t, const char *kernel_if, const void *frame, uint32_t bytes);

void xf_trial_close(struct xf_trial *t);

#endif
