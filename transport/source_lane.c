/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source, lane: what control has ordered, and what it is told. */
#include "source_lane.h"

#include <errno.h>
#include <string.h>

#include "source_receive.h"
#include "source_send.h"

/* Before a first sample. */
#define RTT_START_US 5000u

int xf_source_lane_init(struct xf_source_lane *l, struct xf_source_shared *shared,
                        const struct xf_guest_source *guest, enum xf_compress_mode compress,
                        uint64_t features, uint64_t (*cpu_ns)(void))
{
    l->shared = shared;
    xf_count_set(&l->rtt_us, RTT_START_US);
    int rc = xf_inflight_init(&l->inflight);

    rc = rc ?: xf_encoder_init(&l->encoder, guest, &l->lane, compress, features, cpu_ns);
    l->encoder.known = &shared->known;
    return rc;
}

void xf_source_lane_fini(struct xf_source_lane *l)
{
    struct xf_link *link = l->lane.session ? l->lane.session->link : NULL;

    if (l->pending_n)
        link->ops->tx_free(link, l->lane.queue, l->pending, l->pending_n);
    l->pending_n = 0;
    xf_encoder_fini(&l->encoder);
    xf_inflight_fini(&l->inflight);
    xf_lane_fini(&l->lane);
}

static void fail(struct xf_source_lane *l, int rc)
{
    l->failed = l->has_news = true;
    l->news.failed = rc;
}

void xf_source_lane_receive(struct xf_source_lane *l, const struct xf_worker *w,
                            const struct xf_buf *buf, uint64_t now_us)
{
    if (l->failed)
        return;
    int rc = xf_source_receive(l, w, buf, now_us);

    if (rc)
        fail(l, rc);
}

static void obey(struct xf_source_lane *l, const struct xf_source_order *o, uint64_t now_us)
{
    if (l->failed)
        return;
    switch (o->what) {
    case XF_SOURCE_DO_ROUND:
        l->round = o->round;
        l->sends = true;
        l->counted = false;
        xf_encoder_round(&l->encoder, o->todo, o->kind, o->populated, o->deferred);
        if (o->held)
            xf_encoder_hold(&l->encoder, o->held);
        break;
    case XF_SOURCE_DO_BARRIER:
        xf_source_send_barrier(l, o, now_us);
        break;
    case XF_SOURCE_DO_PAUSE:
    case XF_SOURCE_DO_GO_ON:
        l->sends = o->what == XF_SOURCE_DO_GO_ON;
        break;
    case XF_SOURCE_DO_HALT:
        l->sends = false;
        xf_inflight_settle(&l->inflight);
        break;
    }
}

static void set_drained(struct xf_source_lane *l, struct xf_worker *w)
{
    /* What is not sent yet is no loss that a barrier may find. */
    bool drained = l->sends && xf_encoder_empty(&l->encoder);

    if (atomic_load_explicit(&l->drained, memory_order_relaxed) == drained)
        return;
    atomic_store_explicit(&l->drained, drained, memory_order_release);
    w->calls |= drained;
}

void xf_source_lane_tell(struct xf_source_lane *l)
{
    if (!l->has_news || !xf_ring_put(&l->lane.news, &l->news))
        return;
    l->has_news = false;
    memset(&l->news, 0, sizeof(l->news));
}

void xf_source_lane_obey(struct xf_source_lane *l, struct xf_worker *w, uint64_t now_us)
{
    struct xf_source_order order;

    l->lane.laps = &w->laps;
    while (xf_lane_order(&l->lane, &order)) {
        w->busy = true;
        obey(l, &order, now_us);
        set_drained(l, w);
        xf_lane_obeyed(&l->lane);
        w->calls = true;
    }
}

/* What is known of the path says whether compressing pays. A lane has its share of it. */
static void take_path(struct xf_source_lane *l, uint64_t now_us)
{
    const struct xf_source_shared *shared = l->shared;

    if (!l->heard_path)
        return;
    l->heard_path = false;
    xf_compress_link(&l->encoder.compress,
                     atomic_load_explicit(&shared->path_bytes_per_s, memory_order_relaxed) /
                         l->lane.stripe.lanes,
                     atomic_load_explicit(&shared->path_waits, memory_order_relaxed), now_us);
}

void xf_source_lane_work(struct xf_source_lane *l, struct xf_worker *w, uint64_t now_us)
{
    xf_source_lane_obey(l, w, now_us);
    if (!l->failed) {
        take_path(l, now_us);

        int rc = l->sends ? xf_source_send_pages(l, w, now_us) : 0;

        if (!l->sends && l->round)
            xf_count_add(&l->lane.counts.waits[XF_WAIT_pages], 1);

        if (rc)
            fail(l, rc);
        else
            xf_source_send_due_ping(l, now_us);
    }
    set_drained(l, w);
    /* Of what only pace takes, and of what it may grant, it finds out by itself. */
    w->calls |= l->news.failed || l->news.answer_bytes || l->news.counted;
    xf_source_lane_tell(l);
}

void xf_source_lane_abort(struct xf_source_lane *l, int code, const char *text)
{
    xf_lane_send_reason(&l->lane, &l->inflight.next, code, text);
}
