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
                     uint16_t bytes, uint64_t now_us)
{
    struct xf_sent *s = &f->ring[f->next & MASK];

    for (unsigned i = 0; i < n; i++)
        s->records[i] = records[i];
    s->count = (uint8_t)n;
    s->bytes = bytes;
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
static void ack(struct xf_inflight *f, uint64_t from, uint64_t to, struct xf_pace_news *news)
{
    if (from < f->una)
        from = f->una;
    for (uint64_t s = from; s < to; s++) {
        struct xf_sent *sent = &f->ring[s & MASK];

        if (sent->settled)
            continue;
        settle(f, sent);
        news->acked += sent->bytes != 0;
        news->acked_bytes += sent->bytes;
        news->newest_sent_us = sent->sent_us; /* in their order, so the last is the newest */
    }
}

int xf_inflight_feedback(struct xf_inflight *f, const struct xf_wire_feedback *fb,
                         const struct xf_wire_range *ranges, uint64_t now_us, uint64_t reorder_us,
                         xf_inflight_lost_fn lost_fn, void *arg, struct xf_pace_news *news)
{
    uint64_t upto = fb->base;
    int rc = 0;

    *news = (struct xf_pace_news){0};
    if (fb->horizon > f->next)
        return -EBADMSG;
    ack(f, f->una, fb->base, news);
    for (unsigned i = 0; i < fb->ranges && !rc; i++) {
        uint64_t start = fb->base + ranges[i].start;
        uint64_t end = start + ranges[i].length;

        ack(f, upto, start, news);
        upto = end;
        for (uint64_t s = start < f->una ? f->una : start; s < end; s++) {
            struct xf_sent *sent = &f->ring[s & MASK];

            if (sent->settled)
                continue;
            if (fb->horizon - s <= XF_REORDER_PACKETS && now_us - sent->sent_us < reorder_us)
                continue;
            settle(f, sent);
            news->lost += sent->bytes != 0;
            news->lost_bytes += sent->bytes;
            rc = lost_fn(arg, sent);
            if (rc)
                break;
        }
    }
    if (!rc)
        ack(f, upto, fb->horizon, news);
    advance(f);
    return rc;
}

void xf_inflight_settle(struct xf_inflight *f)
{
    f->una = f->next;
    f->outstanding = 0;
}
