/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a target is told when it begins (target.h). Times are microseconds. */
#ifndef XF_TRANSPORT_TARGET_CONFIG_H
#define XF_TRANSPORT_TARGET_CONFIG_H

#include <stdint.h>

#include "member.h"
#include "threads.h"
#include "transport/base/stats.h"

struct xf_target_config {
    struct xf_offer offer;     /* copied; wipe yours */
    struct xf_member member;   /* likewise; its count is 0 if the offer is not to a group */
    uint64_t hello_timeout_us; /* our first answer -> the source's first packet */
    uint64_t peer_timeout_us;  /* longest silence of the peer afterwards */
    struct xf_threads threads; /* of the lanes: one for each of the offer's queues */
    /* Called at each event (a phase or round begins or ends); may be NULL. Same thread. */
    void (*progress)(void *arg, const struct xf_progress *progress);
    void *progress_arg;
};

#endif
