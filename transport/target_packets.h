/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target, packets: what the source sends is checked and goes into the guest; answers and feedback
 * come out. What has come is told as news; what follows from it is target.c's to do. Private to
 * target.c.
 */
#ifndef XF_TRANSPORT_TARGET_PACKETS_H
#define XF_TRANSPORT_TARGET_PACKETS_H

#include "target_state.h"

enum xf_target_news {
    XF_TARGET_NOTHING, /* that changes what is to be done */
    XF_TARGET_PAGES,   /* of this round have landed */
    XF_TARGET_BARRIER, /* of this round: how many pages it has is known */
};

/* The news of a packet; or -errno, and the session's error says why: a source that gives up, too.
 */
int xf_target_receive(struct xf_target *t, const struct xf_buf *buf, uint64_t now_us);
/* Answers and feedback. */
void xf_target_send_due(struct xf_target *t, uint64_t now_us);

#endif
