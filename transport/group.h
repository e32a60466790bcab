/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Group: one source, several targets. It is a link to the source, which sees one target there: the
 * one that lacks what any of them lacks (gather.h). The same sealed packets go to all of them, once
 * by a path that reaches all (multicast), or once for each by a path of its own; what they send
 * back each seals with its own key (member.h).
 *
 *      source
 *        |  a link (link.h)
 *      group ---- path 0 ---- target 0           paths: one for each target, or one for all
 *             \-- path 1 ---- target 1
 *
 * A target that does not keep up is dropped, with its reason, and the others go on: one that does
 * not answer, is silent, stands still, refuses, lies or floods. Nothing is sent to it alone any
 * more; its owner ends its control channel, and so it never starts. When none is left, or one was
 * dropped and all were wanted, the source is told that its target refuses.
 *
 * Threads: as a link's. new, close and stand while no other uses it, drop and receiver by any.
 * The paths stay the caller's; close the group first.
 */
#ifndef XF_TRANSPORT_GROUP_H
#define XF_TRANSPORT_GROUP_H

#include "group_config.h"

/* Sets limits that fit below those of the source (source.c). */
void xf_group_config_init(struct xf_group_config *config);

/* 0, -EINVAL, -ENOMEM, -ENOTSUP. */
int xf_group_new(struct xf_link **out, const struct xf_group_config *config);

/* The offer as that target is to get it: from its own path. */
void xf_group_offer(const struct xf_link *group, unsigned target, const struct xf_offer *offer,
                    struct xf_offer *own);

/* The guest stands from now on: last_us holds. */
void xf_group_stand(struct xf_link *group);

/* Its owner says that it is gone. why: for the user. */
void xf_group_drop(struct xf_link *group, unsigned target, int code, const char *why);

struct xf_group_target {
    bool dropped, answered, ready, complete;
    bool by_copy;    /* by a path of its own: multicast does not reach it */
    int code;        /* dropped: -errno, and ... */
    const char *why; /* ... the reason, with its name; valid until close */
};
void xf_group_target(struct xf_link *group, unsigned target, struct xf_group_target *out);

#endif
