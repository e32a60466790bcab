/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source, packets: the target's answers and feedback in, sealed packets out. What has come is told
 * as news; what follows from it is source.c's to do. Private to source.c.
 */
#ifndef XF_TRANSPORT_SOURCE_PACKETS_H
#define XF_TRANSPORT_SOURCE_PACKETS_H

#include "source_state.h"

enum xf_source_news {
    XF_SOURCE_NOTHING,       /* that changes what is to be done */
    XF_SOURCE_ANSWERED,      /* the target's ANSWER fits, and long packets pass */
    XF_SOURCE_READY,         /* the target can take memory */
    XF_SOURCE_ROUND_COUNTED, /* the target has counted every page of the round */
};

/* The news of a packet; or -errno, and the session's error says why: a target that refuses, too. */
int xf_source_receive(struct xf_source *s, const struct xf_buf *buf, uint64_t now_us);

/* Sends pages as far as window and bandwidth allow. 0, or -errno with the session's error. */
int xf_source_send_pages(struct xf_source *s, uint64_t now_us);
/* Whether all of the round has been sent, and its barrier is to be, once more. */
bool xf_source_barrier_due(const struct xf_source *s, uint64_t now_us);
void xf_source_send_barrier(struct xf_source *s, uint64_t now_us);
void xf_source_send_pings(struct xf_source *s, uint64_t now_us);

#endif
