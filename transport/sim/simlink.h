/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Simulated link: two ends in one process on a virtual clock, with delay, jitter (which reorders)
 * and a bottleneck with a drop-tail buffer. Loss, duplication and corruption: wrap an end in a
 * faultlink.
 *
 * Threads: one for both ends.
 */
#ifndef XF_TRANSPORT_SIM_SIMLINK_H
#define XF_TRANSPORT_SIM_SIMLINK_H

#include "transport/link.h"

struct xf_simlink_config {
    unsigned queues;
    uint32_t payload_bytes;
    uint32_t path_bytes;   /* longer payloads get lost on the way; 0 = none */
    uint64_t delay_us;     /* one way */
    uint64_t jitter_us;    /* 0 .. this is added to each packet's delay */
    uint64_t bytes_per_s;  /* of each direction; 0 = no bottleneck */
    uint32_t buffer_bytes; /* that wait at the bottleneck; more are dropped; 0 = all wait */
    uint32_t rx_ring;      /* packets that wait at a receiver; more are dropped; 0 = all wait */
    uint64_t seed;
};

struct xf_simlink;

int xf_simlink_new(struct xf_simlink **out, const struct xf_simlink_config *config);
void xf_simlink_free(struct xf_simlink *net);

/* End 0 or 1; belongs to the simlink (its close() does nothing). */
struct xf_link *xf_simlink_end(struct xf_simlink *net, unsigned end);

/* Moves the virtual clock; it never goes back. */
void xf_simlink_advance(struct xf_simlink *net, uint64_t now_us);

/* From now on nothing arrives and health() returns -ENETDOWN; or all is well again. */
void xf_simlink_set_down(struct xf_simlink *net, int down);

/* Buffers that an end has taken and not given back. */
uint64_t xf_simlink_held(const struct xf_simlink *net);
/* From now on: of all packets so many percent are lost; or those with longer payloads (0: none). */
void xf_simlink_set_loss(struct xf_simlink *net, double pct);
void xf_simlink_set_path_bytes(struct xf_simlink *net, uint32_t bytes);

/* Packets dropped by the bottleneck or a full receiver. */
uint64_t xf_simlink_dropped(const struct xf_simlink *net);

#endif
