/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source: the sending end of a session (guest -> rounds -> encode -> seal -> link). It does no
 * waiting of its own: the caller steps it with the time, from one thread, until it is done or
 * fails. What is sent, lanes send: in the same steps, or in threads of their own (threads.h); then
 * a step while memory moves takes a nap.
 *
 *     offer over the control channel; xf_source_new(); then
 *     while ((rc = xf_source_step(s, xf_now_us())) == 0) { look after the control channel }
 *     rc == XF_SESSION_DONE: every page has landed and was counted by the target, guest suspended
 *     rc < 0: failed; nothing at the target may be started. The guest is the caller's to resume.
 */
#ifndef XF_TRANSPORT_SOURCE_H
#define XF_TRANSPORT_SOURCE_H

#include "guest.h"
#include "link.h"
#include "source_config.h"
#include "transport/base/stats.h"

#define XF_SESSION_DONE 1

struct xf_source;

/* A configuration with the defaults of the documents. */
void xf_source_config_init(struct xf_source_config *config);

/* The guest and the link stay the caller's and must outlive the source. */
int xf_source_new(struct xf_source **out, const struct xf_source_config *config,
                  const struct xf_guest_source *guest, struct xf_link *link, uint64_t now_us);

/* 0: call again; XF_SESSION_DONE; or -errno, after which xf_source_error() says why. */
int xf_source_step(struct xf_source *s, uint64_t now_us);

/* True if the last step neither sent nor received: a good moment to sleep a little. */
bool xf_source_idle(const struct xf_source *s);

/* New values for what is under way, between two steps. All of them are taken, or none: -EALREADY,
   because the guest is suspended: then only the bandwidth may still change; or it is over. */
int xf_source_steer(struct xf_source *s, const struct xf_steer *to);

/* Tells the peer (best effort) that we give up; the next step returns -ECANCELED. */
void xf_source_abort(struct xf_source *s, const char *reason);

/* One line for the user, valid until xf_source_free(). Empty if nothing failed. */
const char *xf_source_error(const struct xf_source *s);

/* What it and its lanes have counted; valid until the next call. */
const struct xf_stats *xf_source_stats(struct xf_source *s);

/* CPU time that its lanes' threads have taken so far; 0 where they have none of their own. */
uint64_t xf_source_cpu_ns(const struct xf_source *s);

void xf_source_free(struct xf_source *s);

#endif
