/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Group, receiving: what targets say, checked, and what the source is told of it. */
#include "group_receive.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* FEEDBACK and ANSWERs of one target on one lane in a second: all of a group together send 50,000
   (target_lane.c), and some at once when asked. */
#define FLOOD_SHARED 200000u
#define FLOOD_LEAST  2000u
#define SECOND_US    1000000u
/* A target that takes fewer packets at once would hold up all. */
#define CREDIT_MIN 32u
/* Between two packets to a source that has not heard the first. */
#define REPEAT_US 50000u

void xf_group_drop_for(struct xf_group *g, unsigned target, int code, const char *format, ...)
{
    struct xf_group_one *one = &g->ones[target];
    const uint64_t bit = UINT64_C(1) << target;
    va_list args;

    pthread_mutex_lock(&g->drops);
    if (atomic_load_explicit(&g->alive, memory_order_relaxed) & bit) {
        int n = snprintf(one->why, sizeof(one->why), "%s ", one->name);

        va_start(args, format);
        vsnprintf(one->why + n, sizeof(one->why) - (size_t)n, format, args);
        va_end(args);
        one->code = code;
        atomic_fetch_and_explicit(&g->alive, ~bit, memory_order_release);
        atomic_store_explicit(&g->renewed, true, memory_order_relaxed);
        if (g->config.all_or_none || !atomic_load_explicit(&g->alive, memory_order_relaxed)) {
            snprintf(g->failure, sizeof(g->failure), "%s", one->why);
            atomic_store_explicit(&g->failed, true, memory_order_release);
        }
    }
    pthread_mutex_unlock(&g->drops);
    /* The others may have said already what it was waited for. */
    for (unsigned i = 0; i < g->link.queues; i++) {
        pthread_mutex_lock(&g->lanes[i].lock);
        g->lanes[i].due = true;
        pthread_mutex_unlock(&g->lanes[i].lock);
    }
}

/* ---- in ------------------------------------------------------------------------------------ */

/* What a packet is, from its header alone. */
struct named {
    struct xf_wire_header h;
    unsigned lane, target;
};

/* The cheap checks first, as of any end (lane.c). */
static bool name(const struct xf_group *g, unsigned path, const struct xf_buf *buf,
                 struct named *out)
{
    const struct xf_packet_kind *kind;

    if (buf->len < sizeof(out->h) + XF_TAG_BYTES || buf->len > XF_PAYLOAD_MAX)
        return false;
    memcpy(&out->h, buf->data, sizeof(out->h));
    kind = xf_wire_packet_kind(out->h.type);
    out->lane = out->h.queue & ((1u << XF_RECEIVER_SHIFT) - 1);
    out->target = out->h.queue >> XF_RECEIVER_SHIFT;
    return out->h.version == XF_WIRE_VERSION && kind->name && !kind->to_target &&
           out->h.session_tag == g->tag && out->lane < g->config.offer.queues &&
           out->target < g->count && g->ones[out->target].path == g->paths[path] &&
           xf_group_is_alive(g, out->target);
}

static bool is_flood(struct xf_group_told *t, unsigned targets, uint64_t now_us)
{
    if (now_us - t->second_us >= SECOND_US) {
        t->second_us = now_us;
        t->packets = 0;
    }
    return ++t->packets > FLOOD_SHARED / targets + FLOOD_LEAST;
}

/* Why a packet that is its own cannot be, or NULL. */
static const char *take_answer(struct xf_group *g, unsigned target, const uint8_t *body, size_t len,
                               uint64_t now_us)
{
    const struct xf_offer *offer = &g->config.offer;
    struct xf_group_one *one = &g->ones[target];
    struct xf_link *copy = xf_group_copy(g, target);
    struct xf_wire_answer a;

    if (atomic_load_explicit(&g->connected, memory_order_relaxed) || one->answered)
        return NULL;
    memcpy(&a, body, sizeof(a));
    if (a.version != XF_PROTOCOL_VERSION || a.queues != offer->queues ||
        a.page_count != offer->page_count || a.credit < CREDIT_MIN || a.credit > UINT16_MAX)
        return "answers another offer";
    if (a.payload_bytes != offer->payload_bytes)
        return "does not take packets as long as the others do: set the same MTU on all ports";
    if (len < offer->payload_bytes - sizeof(struct xf_wire_header) - XF_TAG_BYTES) {
        one->short_us = one->short_us ? one->short_us : now_us;
        return NULL;
    }
    one->at = (struct xf_link_addr){.udp_port = a.udp_port, .ipv4 = a.ipv4};
    memcpy(one->at.mac, a.mac, sizeof(one->at.mac));
    if (g->by_address)
        one->path->ops->set_peer(one->path, &one->at);
    else if (copy && atomic_load_explicit(&g->by_copy, memory_order_relaxed) >> target & 1)
        copy->ops->set_peer(copy, &one->at);
    one->credit = a.credit;
    one->answered = true;
    return NULL;
}

/* A target ends a round when all others have ended the one before. */
static bool is_ahead(const struct xf_group *g, uint32_t round)
{
    for (unsigned i = 0; i < g->count; i++)
        if (xf_group_is_alive(g, i) &&
            round > atomic_load_explicit(&g->ones[i].round, memory_order_relaxed) + 1)
            return true;
    return false;
}

static const char *take_feedback(struct xf_group *g, unsigned target, struct xf_group_lane *l,
                                 uint64_t sequence, size_t len)
{
    struct xf_group_one *one = &g->ones[target];
    struct xf_group_told *t = &l->of[target];
    struct xf_wire_feedback fb;

    if (xf_wire_check_feedback(l->plain, len, target))
        return "sends malformed FEEDBACK";
    memcpy(&fb, l->plain, sizeof(fb));
    if (fb.ranges > XF_RANGES_MAX)
        return "sends malformed FEEDBACK";
    if (fb.horizon > xf_count_of(&l->next))
        return "acknowledges what was never sent";
    if (sequence <= t->sequence && t->sequence)
        return NULL; /* it was overtaken by a newer one */
    if (fb.round < t->told.fb.round || fb.base < t->told.fb.base || fb.credit != one->credit)
        return "takes back what it has said";
    if (is_ahead(g, fb.round))
        return "counts rounds that were not sent";
    t->told.fb = fb;
    memcpy(t->told.ranges, l->plain + sizeof(fb), fb.ranges * sizeof(t->told.ranges[0]));
    t->sequence = sequence;
    if (fb.late > l->late)
        l->late = fb.late;
    l->due = true;
    atomic_store_explicit(&g->heard, true, memory_order_relaxed);
    atomic_store_explicit(&one->heard, true, memory_order_relaxed);
    if (fb.round > atomic_load_explicit(&one->round, memory_order_relaxed))
        atomic_store_explicit(&one->round, fb.round, memory_order_relaxed);
    if (fb.flags & XF_FEEDBACK_READY)
        atomic_store_explicit(&one->ready, true, memory_order_relaxed);
    if (fb.flags & XF_FEEDBACK_COMPLETE)
        atomic_store_explicit(&one->complete, true, memory_order_relaxed);
    return NULL;
}

static const char *take(struct xf_group *g, const struct named *p, struct xf_group_lane *l,
                        size_t len, uint64_t now_us)
{
    const struct xf_packet_kind *kind = xf_wire_packet_kind(p->h.type);

    if (is_flood(&l->of[p->target], g->count, now_us))
        return "sends more than it may";
    if (p->h.type == XF_PACKET_REFUSE)
        return NULL;
    if (len < kind->body_least || len > kind->body_most)
        return "sends a packet of an impossible length";
    if (p->h.type == XF_PACKET_ANSWER)
        return take_answer(g, p->target, l->plain, len, now_us);
    return take_feedback(g, p->target, l, p->h.sequence, len);
}

static bool open_packet(struct xf_group *g, const struct named *p, const struct xf_buf *buf,
                        struct xf_group_lane *l, size_t len)
{
    struct xf_window *window = &l->of[p->target].window;
    const uint8_t *body = buf->data + sizeof(p->h);

    if (xf_window_look(window, p->h.sequence) != XF_WINDOW_NEW ||
        xf_seal_open(g->ones[p->target].seal, &p->h, body, len, body + len, l->plain))
        return false;
    xf_window_mark_sliding(window, p->h.sequence);
    return true;
}

void xf_group_receive(struct xf_group *g, unsigned path, const struct xf_buf *buf, uint64_t now_us)
{
    char refusal[XF_REASON_BYTES + 1] = "";
    const char *why = NULL;
    struct named p;

    if (!name(g, path, buf, &p))
        return;
    struct xf_group_lane *l = &g->lanes[p.lane];
    const size_t len = buf->len - sizeof(p.h) - XF_TAG_BYTES;

    pthread_mutex_lock(&l->lock);
    bool opened = open_packet(g, &p, buf, l, len);

    if (opened) {
        xf_count_set(&g->ones[p.target].heard_us, now_us);
        why = take(g, &p, l, len, now_us);
        if (p.h.type == XF_PACKET_REFUSE && len == sizeof(struct xf_wire_reason))
            xf_wire_reason_text(refusal, (const struct xf_wire_reason *)l->plain);
    }
    pthread_mutex_unlock(&l->lock);
    if (why)
        xf_group_drop_for(g, p.target, -EPROTO, "%s", why);
    else if (opened && p.h.type == XF_PACKET_REFUSE)
        xf_group_drop_for(g, p.target, -ECONNABORTED, "refuses: %s", refusal);
}

/* ---- to the source ------------------------------------------------------------------------- */

/* Seals a body that stands in l->out already. */
static uint32_t seal(struct xf_group *g, unsigned lane, enum xf_packet_type type, size_t len)
{
    struct xf_group_lane *l = &g->lanes[lane];
    struct xf_seal_run run;
    const struct xf_wire_header h = {
        .version = XF_WIRE_VERSION,
        .type = (uint8_t)type,
        .queue = (uint16_t)lane,
        .session_tag = g->tag,
        .sequence = l->sequence++,
    };
    uint8_t *body = l->out + sizeof(h);

    memcpy(l->out, &h, sizeof(h));
    xf_seal_begin(g->seal, &run, &h);
    xf_seal_update(g->seal, &run, body, body, len);
    xf_seal_end(g->seal, &run, body + len);
    l->held = true;
    return (uint32_t)(sizeof(h) + len + XF_TAG_BYTES);
}

static uint32_t tell_failed(struct xf_group *g, unsigned lane)
{
    struct xf_wire_reason reason = {.code = ECONNABORTED};

    memcpy(reason.text, g->failure, strnlen(g->failure, sizeof(reason.text)));
    memcpy(g->lanes[lane].out + sizeof(struct xf_wire_header), &reason, sizeof(reason));
    return seal(g, lane, XF_PACKET_REFUSE, sizeof(reason));
}

/* One long ANSWER for all, once all have given theirs. */
static uint32_t tell_answer(struct xf_group *g, unsigned lane, uint64_t now_us)
{
    const struct xf_offer *offer = &g->config.offer;
    const size_t len = offer->payload_bytes - sizeof(struct xf_wire_header) - XF_TAG_BYTES;
    struct xf_wire_answer a = {
        .version = XF_PROTOCOL_VERSION,
        .queues = offer->queues,
        .payload_bytes = offer->payload_bytes,
        .page_count = offer->page_count,
        .udp_port = g->link.self.udp_port,
        .ipv4 = g->link.self.ipv4,
        .credit = UINT16_MAX,
    };
    uint8_t *body = g->lanes[lane].out + sizeof(struct xf_wire_header);

    for (unsigned i = 0; i < g->count; i++) {
        if (!xf_group_is_alive(g, i))
            continue;
        if (!g->ones[i].answered)
            return 0;
        if (g->ones[i].credit < a.credit)
            a.credit = g->ones[i].credit;
    }
    if (!atomic_load_explicit(&g->connected, memory_order_relaxed)) {
        g->connected_us = now_us;
        atomic_store_explicit(&g->connected, true, memory_order_release);
    }
    memcpy(a.mac, g->link.self.mac, sizeof(a.mac));
    memset(body, 0, len);
    memcpy(body, &a, sizeof(a));
    return seal(g, lane, XF_PACKET_ANSWER, len);
}

static uint32_t tell_feedback(struct xf_group *g, unsigned lane)
{
    struct xf_group_lane *l = &g->lanes[lane];
    const struct xf_told *of[XF_MEMBERS_MAX];
    struct xf_told all;
    unsigned n = 0;

    for (unsigned i = 0; i < g->count; i++) {
        if (!xf_group_is_alive(g, i))
            continue;
        if (!l->of[i].told.fb.round)
            return 0; /* it has said nothing of this lane yet */
        of[n++] = &l->of[i].told;
    }
    if (!n)
        return 0;
    xf_gather(&all, of, n);
    for (unsigned i = 0; i < g->count; i++)
        if (xf_group_is_alive(g, i))
            xf_worst_loss_add(&l->worst_loss, i, &l->of[i].told, all.fb.horizon);
    xf_worst_loss_add(&l->worst_loss, XF_MEMBERS_MAX, &all, all.fb.horizon);
    /* What others said before was told before; by which all have it, comes now. */
    all.fb.late = l->late;
    l->late = 0;
    const size_t len = sizeof(all.fb) + all.fb.ranges * sizeof(all.ranges[0]);

    memcpy(l->out + sizeof(struct xf_wire_header), &all, len);
    l->due = false;
    return seal(g, lane, XF_PACKET_FEEDBACK, len);
}

uint32_t xf_group_tell(struct xf_group *g, unsigned lane, uint64_t now_us)
{
    struct xf_group_lane *l = &g->lanes[lane];
    const bool again = now_us - l->told_us >= REPEAT_US;
    uint32_t len = 0;

    if (l->held)
        return 0;
    if (atomic_load_explicit(&g->failed, memory_order_acquire)) {
        len = lane == 0 && (l->due || again) ? tell_failed(g, lane) : 0;
        l->due = false;
    } else if (atomic_load_explicit(&g->connected, memory_order_acquire) && l->due) {
        len = tell_feedback(g, lane);
    }
    /* Until a target has heard the source, the source may not have heard this. */
    if (!len && lane == 0 && again && !atomic_load_explicit(&g->heard, memory_order_relaxed) &&
        !atomic_load_explicit(&g->failed, memory_order_relaxed))
        len = tell_answer(g, lane, now_us);
    if (len)
        l->told_us = now_us;
    return len;
}
