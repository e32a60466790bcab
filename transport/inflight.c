/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In flight: sequence -> pages, acknowledgement and loss. */
#include "inflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MASK (XF_INFLIGHT_PACKETS - 1)

int xf_inflight_init(struct xf_inflight *f)
{
    memset(f, 0, sizeof(*f));
    f->ring = calloc(XF_INFLIGHT_PACKETS, sizeof(f->ring[0]));
    return f->ring ? 0 : -ENOMEM;
}

void xf_inflight_fini(struct xf_inflight *f)
{
    free(f->ring);
    f->ring = NULL;
}

uint32_t xf_inflight_room(const struct xf_inflight *f)
{
    return XF_INFLIGHT_PACKETS - (uint32_t)(f->next - f->una);
}

void xf_inflight_add(struct xf_inflight *f, const struct xf_wire_record *records, unsigned n,
                     uint64_t now_us)
{
    struct xf_sent *s = &f->ring[f->next & MASK];

    for (unsigned i = 0; i < n; i++)
        s->records[i] = records[i];
    s->count = (uint8_t)n;
    s->sent_us = now_us;
    s->settled = false;
    f->next++;
    f->outstanding++;
}

static void settle(struct xf_inflight *f, struct xf_sent *s)
{
    s->settled = true;
    f->outstanding--;
}

static void advance(struct xf_inflight *f)
{
    while (f->una < f->next && f->ring[f->una & MASK].settled)
        f->una++;
}

/* Acknowledges [from, to), as far as it is still of interest. */
static uint32_t ack(struct xf_inflight *f, uint64_t from, uint64_t to)
{
    uint32_t n = 0;

    if (from < f->una)
        from = f->una;
    for (uint64_t s = from; s < to; s++) {
        struct xf_sent *sent = &f->ring[s & MASK];

        if (!sent->settled) {
            settle(f, sent);
            n++;
        }
    }
    return n;
}

int xf_inflight_feedback(struct xf_inflight *f, const struct xf_wire_feedback *fb,
                         const struct xf_wire_range *ranges, uint64_t now_us, uint64_t reorder_us,
                         xf_inflight_lost_fn lost_fn, void *arg, uint32_t *acked, uint32_t *lost)
{
    uint64_t upto = fb->base;
    int rc = 0;

    *acked = *lost = 0;
    if (fb->horizon > f->next)
        return -EBADMSG;
    *acked += ack(f, f->una, fb->base);
    for (unsigned i = 0; i < fb->ranges && !rc; i++) {
        uint64_t start = fb->base + ranges[i].start;
        uint64_t end = start + ranges[i].length;

        *acked += ack(f, upto, start);
        upto = end;
        for (uint64_t s = start < f->una ? f->una : start; s < end; s++) {
            struct xf_sent *sent = &f->ring[s & MASK];

            if (sent->settled)
                continue;
            if (fb->horizon - s <= XF_REORDER_PACKETS && now_us - sent->sent_us < reorder_us)
                continue;
            settle(f, sent);
            ++*lost;
            rc = lost_fn(arg, sent);
            if (rc)
                break;
        }
    }
    if (!rc)
        *acked += ack(f, upto, fb->horizon);
    advance(f);
    return rc;
}

void xf_inflight_settle(struct xf_inflight *f)
{
    f->una = f->next;
    f->outstanding = 0;
}
