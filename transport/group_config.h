/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a group is told when it begins (group.h). */
#ifndef XF_TRANSPORT_GROUP_CONFIG_H
#define XF_TRANSPORT_GROUP_CONFIG_H

#include "member.h"

/* Limits are microseconds; 0: none. */
struct xf_group_config {
    struct xf_offer offer;           /* copied, as are the members' secrets; wipe yours */
    const struct xf_member *members; /* members[0].count of them */
    const char *const *names;        /* of the targets, for reasons; copied */
    struct xf_link *const *paths;    /* members[0].count of them, or one */
    unsigned paths_n;
    /* With one path for all: a link to each target alone, for those whom it turns out not to reach
       (REACH_US in group_check.c). They receive nothing. NULL: none, and those are dropped. */
    struct xf_link *const *copies;
    bool by_copies;                /* all targets so, from the start */
    bool all_or_none;              /* one that is dropped ends the session */
    uint64_t answer_us;            /* to a target's first answer */
    uint64_t ready_us;             /* from all answers on, until it can take memory */
    uint64_t silence_us;           /* of a target that has answered */
    uint64_t still_us;             /* without progress, while others make some */
    uint64_t lag_us;               /* in a round that another has ended */
    uint64_t last_us;              /* once the guest stands: behind the first that has all of it */
    uint64_t min_bytes_per_s;      /* that the slowest must take while it holds up the others */
    uint64_t (*now_us)(void *arg); /* NULL: xf_now_us() */
    void *now_arg;
};

#endif
