/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fault link: a link that lies between the transport and another link and loses, reorders,
 * duplicates and corrupts the packets that are sent through it, by a seeded random sequence. Both
 * ends wrap their link, so both directions suffer. Used by the demo, the tests and the lab.
 *
 * Threads: as the link below.
 */
#ifndef XF_TRANSPORT_SIM_FAULTLINK_H
#define XF_TRANSPORT_SIM_FAULTLINK_H

#include "transport/link.h"

struct xf_fault_config {
    double loss_pct, reorder_pct, duplicate_pct, corrupt_pct; /* of packets sent, 0..100 */
    uint64_t seed;
    /*
     * May be NULL: asked at each burst what has become of the link. 0: it works; 1: it carries
     * nothing, silently; -errno: so says its port too.
     */
    int (*state)(void *arg);
    void *state_arg;
};

struct xf_fault_stats {
    uint64_t lost, reordered, duplicated, corrupted; /* packets */
};

/* Wraps `below`, which stays the caller's; close the wrapper first. */
int xf_faultlink_new(struct xf_link **out, struct xf_link *below,
                     const struct xf_fault_config *config);
/* What it wraps. */
struct xf_link *xf_faultlink_below(struct xf_link *link);
void xf_faultlink_stats(const struct xf_link *link, struct xf_fault_stats *out);

#endif
