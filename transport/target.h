/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target: the receiving end of a session (link -> open -> decode -> guest). Stepped with the time
 * from one thread, as the source is. What comes, lanes take: in the same steps, or in threads of
 * their own (threads.h).
 *
 *     offer from the control channel; xf_target_new(); then
 *     while ((rc = xf_target_step(t, xf_now_us())) == 0) { look after the control channel }
 *     xf_target_ready() once the sink can populate memory
 *     rc == XF_SESSION_DONE: every page of every round has landed, authenticated and counted. Keep
 *     stepping (it goes on answering) until the control channel says that the source has seen it.
 */
#ifndef XF_TRANSPORT_TARGET_H
#define XF_TRANSPORT_TARGET_H

#include "guest.h"
#include "link.h"
#include "target_config.h"
#include "transport/base/stats.h"

#define XF_SESSION_DONE 1

struct xf_target;

void xf_target_config_init(struct xf_target_config *config);

/*
 * -EPROTONOSUPPORT if the offer does not fit this link (packets smaller than the protocol's least).
 * The guest sink and the link stay the caller's and must outlive the target.
 */
int xf_target_new(struct xf_target **out, const struct xf_target_config *config,
                  const struct xf_guest_sink *guest, struct xf_link *link, uint64_t now_us);

int xf_target_step(struct xf_target *t, uint64_t now_us);
bool xf_target_idle(const struct xf_target *t);

/* The sink can populate now; until then the source waits. */
void xf_target_ready(struct xf_target *t);

void xf_target_abort(struct xf_target *t, const char *reason);
const char *xf_target_error(const struct xf_target *t);
/* What it and its lanes have counted; valid until the next call. */
const struct xf_stats *xf_target_stats(struct xf_target *t);

/* CPU time that its lanes' threads have taken so far; 0 where they have none of their own. */
uint64_t xf_target_cpu_ns(const struct xf_target *t);

void xf_target_free(struct xf_target *t);

#endif
