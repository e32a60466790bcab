/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Restoring: the target's session of an HVM or PVH guest, from OFFER to XF_PAGES: the port, the
 * memory, the counts. What Xen does beside it is its owner's: restore.c's, inside of Xen's save
 * helper, or the pump's (xl-plugin/handover/pump.c), before which it is done already.
 *
 * Functions return 0 or -errno, and have said why. One thread at a time but for
 * xf_restoring_fail().
 */
#ifndef XF_PLUGIN_RESTORING_H
#define XF_PLUGIN_RESTORING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport/target.h"
#include "config.h"
#include "guest_sink.h"
#include "report.h"
#include "stream.h"

#define XF_RESTORING_WAIT_MS 60000 /* for the next bytes of what the source writes in one go */

struct xf_restoring {
    /* The owner's to set. */
    struct xf_stream in;  /* from the source; what it watches ends the session, too */
    const char *given_up; /* what is said when that has ended */
    uint32_t domid;

    uint8_t headers[XF_HEADERS_BYTES];
    struct xf_offer offer;
    struct xf_member member; /* of a group; count 0: the source sends to this target alone */
    struct xf_config config;
    struct xf_report report;
    struct xf_link *link;
    struct xf_xen_sink *sink;
    struct xf_target *target;
    struct xf_stats stats; /* of a session that has ended */

    pthread_mutex_t lock;
    char error[256]; /* under lock: the first reason */
};

/* Says the first reason, and returns rc. Any thread. */
__attribute__((format(printf, 3, 4))) int xf_restoring_fail(struct xf_restoring *a, int rc,
                                                            const char *format, ...);
/* The same, of a call that reads from the source. */
int xf_restoring_stream_failed(struct xf_restoring *a, int rc);

/* Headers and OFFER, which must hand over so. */
int xf_restoring_read_offer(struct xf_restoring *a, bool early);

/* The configuration, too. */
int xf_restoring_open_port(struct xf_restoring *a);

/* The session, once there are an offer and a port; its secret is wiped. gfns: those that the source
   must not send (guest_sink.h). */
int xf_restoring_begin(struct xf_restoring *a, const uint64_t *gfns, unsigned n);

/* Records of that part to `out`, to the first of type `last`. */
int xf_restoring_forward(struct xf_restoring *a, enum xf_stream_part part, uint32_t last, int out);

/* The next record, which must be of that type and at most max bytes long. *body is to be freed. */
int xf_restoring_take_record(struct xf_restoring *a, uint32_t type, uint32_t max, void **body,
                             uint32_t *length);

/* XF_PAGES, whose counts must be ours. */
int xf_restoring_take_pages(struct xf_restoring *a);

/* All of the memory, and XF_PAGES. It may come once ready() says 1; -errno ends it. */
int xf_restoring_take_memory(struct xf_restoring *a, int (*ready)(void *arg), void *arg);

/* The session is over, but for the port; of one that is complete, the memory may stay mapped
   (linger.h). */
void xf_restoring_end(struct xf_restoring *a, bool complete);

/* What the in-stream watches has ended; waits for that, as long as it says. */
bool xf_restoring_given_up(const struct xf_restoring *a, int wait_ms);

#endif
