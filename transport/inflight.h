/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In flight: what the source remembers of the packets that it has sent on a queue and that are not
 * yet acknowledged: not their bytes, only which pages they named (guest memory is the retransmit
 * buffer). A number reported missing counts as lost once enough later ones have arrived, or enough
 * time has passed, that reordering no longer explains it (RFC 9002, section 6.1).
 *
 * Threads: one queue, one thread.
 */
#ifndef XF_TRANSPORT_INFLIGHT_H
#define XF_TRANSPORT_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "pace.h"
#include "wire.h"

#define XF_INFLIGHT_PACKETS 8192u /* a power of two, at most a quarter of XF_WINDOW_PACKETS */
/* Kept free of data, so that a ping can always be sent. */
#define XF_INFLIGHT_RESERVE 64u
/* Later packets that must have arrived before a missing one is called lost. */
#define XF_REORDER_PACKETS 64u

struct xf_sent {
    struct xf_wire_record records[XF_RECORDS_MAX];
    uint64_t sent_us;
    uint16_t bytes; /* as paced; 0: not paced (barrier, ping) */
    uint8_t count;  /* of records; 0: nothing to repair (barrier, ping) */
    bool settled;   /* acknowledged or lost */
};

struct xf_inflight {
    uint64_t una;  /* lowest number not settled: the queue's floor */
    uint64_t next; /* the next number to use */
    uint32_t outstanding;
    struct xf_sent *ring; /* XF_INFLIGHT_PACKETS of them */
};

int xf_inflight_init(struct xf_inflight *f);
void xf_inflight_fini(struct xf_inflight *f);

/* How many more packets can be remembered. */
uint32_t xf_inflight_room(const struct xf_inflight *f);

/* Remembers the packet with number f->next, and uses the number up. */
void xf_inflight_add(struct xf_inflight *f, const struct xf_wire_record *records, unsigned n,
                     uint16_t bytes, uint64_t now_us);

/* Called for each packet found lost. */
typedef int (*xf_inflight_lost_fn)(void *arg, const struct xf_sent *sent);

/*
 * Takes a checked FEEDBACK with its ranges. *news is set to what is newly acknowledged and newly
 * lost of the paced packets. Returns 0, -EBADMSG if it acknowledges what was never sent, or
 * lost()'s error.
 */
int xf_inflight_feedback(struct xf_inflight *f, const struct xf_wire_feedback *fb,
                         const struct xf_wire_range *ranges, uint64_t now_us, uint64_t reorder_us,
                         xf_inflight_lost_fn lost_fn, void *arg, struct xf_pace_news *news);

/* The round is over: whatever is outstanding needs no acknowledgement any more. */
void xf_inflight_settle(struct xf_inflight *f);

#endif
