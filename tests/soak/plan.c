/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Soak, plans: what a seed means. */
#include "soak.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "transport/base/random.h"

#define FAULTS_DRAWN_MAX 3u
#define LANES_MAX        4u

/* Of the transport and of the handshake: those of the plug-in need Xen. */
#define POINT(name, when) XF_FAULT_##name,
static const unsigned points[] = {XF_FAULT_POINTS_TRANSPORT(POINT) XF_FAULT_POINTS_OWNER(POINT)};
#undef POINT

enum soak_end soak_end_of(unsigned point)
{
    return xf_fault_points[point].when[0] == 's' ? SOAK_SOURCE : SOAK_TARGET;
}

static uint64_t between(struct xf_random *r, uint64_t least, uint64_t most)
{
    return least + xf_random_below(r, most - least + 1);
}

static bool often(struct xf_random *r, unsigned pct)
{
    return xf_random_below(r, 100) < pct;
}

/* Small numbers are as likely as great ones. */
static uint64_t any_size(struct xf_random *r, unsigned bits)
{
    return xf_random_next(r) & ((UINT64_C(1) << xf_random_below(r, bits + 1)) - 1);
}

/* Points that are passed with every packet. */
static bool is_frequent(unsigned p)
{
    return p == XF_FAULT_source_feedback_seen || p == XF_FAULT_source_health ||
           p == XF_FAULT_source_data_send || p == XF_FAULT_source_ping_send ||
           p == XF_FAULT_target_data_seen || p == XF_FAULT_target_feedback_send ||
           p == XF_FAULT_target_health || p == XF_FAULT_target_ping_seen;
}

static bool is_sent(unsigned p)
{
    const char *name = xf_fault_points[p].name;
    const size_t len = strlen(name);

    return len > 5 && !strcmp(name + len - 5, "_send");
}

static int draw_errno(struct xf_random *r)
{
    static const int some[] = {EIO, ENOMEM, ENOSPC, EINVAL, ENODEV, EPERM};

    return some[xf_random_below(r, sizeof(some) / sizeof(some[0]))];
}

static void draw_fault(struct xf_fault *f, struct xf_random *r)
{
    const bool is_short = often(r, 50);
    uint64_t pick;

    f->point = points[xf_random_below(r, sizeof(points) / sizeof(points[0]))];
    f->nth = 1 + (uint32_t)any_size(r, is_frequent(f->point) ? 9 : 2);
    f->argument = 0;
    pick = xf_random_below(r, 100);
    if (pick < 35) {
        f->action = often(r, 80) ? XF_FAULT_KILL : XF_FAULT_EXIT;
    } else if (pick < 60) {
        f->action = XF_FAULT_ERROR;
        f->argument = draw_errno(r);
        /* Not of what is only sent: no link loses every BARRIER and nothing else. */
        if (often(r, 10) && !is_sent(f->point))
            f->nth = 0;
    } else if (pick < 75) {
        f->action = XF_FAULT_STALL;
        f->argument = (int64_t)(is_short ? between(r, 1, 300) : between(r, 1200, 4000));
    } else if (pick < 85) {
        f->action = XF_FAULT_CUT;
        f->argument = (int64_t)(is_short ? between(r, 1, 700) : 0);
    } else if (pick < 92) {
        f->action = XF_FAULT_DOWN;
        f->argument = (int64_t)(is_short ? between(r, 1, 100) : 0);
    } else {
        f->action = XF_FAULT_JUMP;
        f->argument = (int64_t)between(r, 1, is_short ? 500 : 100000) * (often(r, 50) ? 1 : -1);
    }
}

static void draw_link(struct soak_plan *p, struct xf_random *r)
{
    static const uint32_t payloads[] = {8972, 8972, 4300, 1472, 1232};

    p->payload_bytes = payloads[xf_random_below(r, sizeof(payloads) / sizeof(payloads[0]))];
    p->delay_us = 20 + any_size(r, 13);
    p->jitter_us = often(r, 30) ? any_size(r, 9) : 0;
    p->bytes_per_s = often(r, 70) ? between(r, 20, 2000) * 1000000 : 0;
    if (p->bytes_per_s && often(r, 50))
        p->buffer_bytes = (uint32_t)between(r, 50000, 1000000);
    if (often(r, 30))
        p->rx_ring = (uint32_t)between(r, 64, 1024);
    p->step_us = between(r, 20, 200);
}

void soak_plan_draw(struct soak_plan *p, uint64_t seed, bool real)
{
    struct xf_random r = {.state = seed};

    *p = (struct soak_plan){
        .seed = seed,
        .compress = seed % 2,
        .pages = real ? between(&r, 64, 8192) : between(&r, 8, often(&r, 10) ? 2000 : 120),
        .fill = (enum xf_simguest_fill)xf_random_below(&r, 3),
        .writes_per_ms = (unsigned)xf_random_below(&r, 4),
        .verify = often(&r, 30),
        .queues = 1 + (unsigned)xf_random_below(&r, LANES_MAX),
        .threads = 1,
        .max_downtime_us = between(&r, 100, 20000),
        .ready_after_us = any_size(&r, 15),
        .forgets = often(&r, 50),
    };
    /* On a virtual clock all lanes run in the ends' own steps. */
    if (real && often(&r, 70))
        p->threads = p->queues;
    if (p->pages > 2 * XF_CHUNK_PAGES && often(&r, 60)) {
        p->hole_every = 2;
        p->grows = true;
    }
    if (often(&r, 50))
        p->link = (struct xf_fault_config){.loss_pct = (double)any_size(&r, 4),
                                           .reorder_pct = (double)any_size(&r, 4),
                                           .duplicate_pct = (double)any_size(&r, 3),
                                           .corrupt_pct = (double)any_size(&r, 2)};
    draw_link(p, &r);
    for (unsigned i = 0; i < SOAK_ENDS; i++)
        p->log_full[i] = often(&r, 10);
    /* One in sixteen goes without. */
    if (xf_random_below(&r, 16))
        p->faults_n = 1 + (often(&r, 30) ? (unsigned)xf_random_below(&r, FAULTS_DRAWN_MAX) : 0);
    for (unsigned i = 0; i < p->faults_n; i++)
        draw_fault(&p->faults[i], &r);
}

uint64_t soak_plan_extra_us(const struct soak_plan *plan)
{
    uint64_t us = 0;

    for (unsigned i = 0; i < plan->faults_n; i++) {
        const struct xf_fault *f = &plan->faults[i];
        /* Each time: as often as it matters. */
        const uint64_t times = f->nth ? 1 : 1000;

        if (f->action == XF_FAULT_STALL || f->action == XF_FAULT_CUT)
            us += times * (uint64_t)f->argument * 1000;
    }
    /* What comes much too late counts as lost, and loss is taken for congestion: the source gives
       way, as far as a TCP would, on some of these links to a packet in a round trip; and the guest
       goes on writing. It ends, but not soon. */
    if (plan->link.loss_pct || plan->link.reorder_pct)
        us += 10 * SOAK_RUN_US;
    return us;
}

void soak_plan_print(const struct soak_plan *p, FILE *to)
{
    char text[XF_FAULT_TEXT_BYTES];

    fprintf(to,
            "  %" PRIu64 " pages, fill %d, holes %u, grows %d, %u written/ms, verify %d, compress "
            "%d, %u queues, %u threads, loss %g "
            "reorder %g duplicate %g corrupt %g, downtime %" PRIu64 " us, ready after %" PRIu64
            " us\n  virtual: payload %u, delay %" PRIu64 " jitter %" PRIu64 " us, %" PRIu64
            " bytes/s, buffer %u, ring %u, step %" PRIu64 " us, forgets %d; real: log full %d %d\n",
            p->pages, (int)p->fill, p->hole_every, p->grows, p->writes_per_ms, p->verify,
            p->compress, p->queues, p->threads, p->link.loss_pct, p->link.reorder_pct,
            p->link.duplicate_pct, p->link.corrupt_pct, p->max_downtime_us, p->ready_after_us,
            p->payload_bytes, p->delay_us, p->jitter_us, p->bytes_per_s, p->buffer_bytes,
            p->rx_ring, p->step_us, p->forgets, p->log_full[0], p->log_full[1]);
    for (unsigned i = 0; i < p->faults_n; i++) {
        xf_fault_format(&p->faults[i], text);
        fprintf(to, "  %s\n", text);
    }
}
