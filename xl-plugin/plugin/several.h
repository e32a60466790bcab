/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several: the source's part of a session with several targets at once (transport/group.h), of the
 * copies that xl-fast-clone makes. XL_FAST_TARGETS names them, in the order of its hub's ends; the
 * hub gives each target its part of the stream (xl-plugin/clone/hub.h):
 *
 *     io_fd  <- XF_OFFER, XF_GROUP      each target gets the offer, and is a member
 *     link   <> answers, rounds         by multicast, or by copies to whom that does not reach
 *     io_fd  <- XF_DROPPED ...          of each that does not keep up; its stream ends there
 *
 * Functions return 0 or -errno and have said why. One thread.
 */
#ifndef XF_PLUGIN_SEVERAL_H
#define XF_PLUGIN_SEVERAL_H

#include <stdbool.h>

#include "transport/link.h"
#include "transport/offer.h"

struct xf_several;

/*
 * *out is NULL where XL_FAST_TARGETS names nobody: the session has one target. port: the one that
 * xf_ports_open() gave; it stays the caller's. The offer becomes one to a group. limit_us: to a
 * target's answer, and as much until it can take memory.
 */
int xf_several_new(struct xf_several **out, struct xf_link *port, struct xf_offer *offer,
                   uint64_t limit_us);

/* What the source's session is to use in the port's place. */
struct xf_link *xf_several_link(const struct xf_several *s);

/* XF_GROUP, once: the members' secrets are wiped. */
int xf_several_write(struct xf_several *s, int fd);

/* XF_DROPPED for each that was dropped since. */
int xf_several_tell(struct xf_several *s, int fd);

/* That host is of no use any more: false: it is none of them, or none may be missing. */
bool xf_several_drop(struct xf_several *s, const char *host, const char *why);

/* The guest stands. */
void xf_several_stand(struct xf_several *s);

/* Before the port is closed. s may be NULL. */
void xf_several_free(struct xf_several *s);

#endif
