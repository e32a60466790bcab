/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, far: the target of one run: opens its port, receives the memory, compares it or drops it,
 * reports.
 */
#include "bench_far.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "dpdk/thread.h"
#include "transport/base/clock.h"
#include "transport/target.h"
#include "bench_packets.h"
#include "bench_port.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/demo/ends.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/number.h"

#define CHUNK_BYTES (XF_CHUNK_PAGES * XF_PAGE_BYTES)

struct far {
    struct xf_bench_channel channel;
    struct xf_bench_order order;
    struct xf_bench_port port;
    struct xf_link *link;
    struct xf_simguest *guest;       /* NULL of a null sink, */
    void *chunk;                     /* which has this instead */
    uint64_t begun_us, begun_cpu_us; /* receiving */
    uint64_t us, cpu_us;             /* of it, until all had landed */
};

static int __attribute__((format(printf, 3, 4)))
fail(const struct far *f, int rc, const char *fmt, ...)
{
    struct xf_bench_failed m = {.reason = ""};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m.reason, sizeof(m.reason), fmt, ap);
    va_end(ap);
    xf_bench_send(&f->channel, BENCH_FAILED, &m, sizeof(m));
    return rc;
}

/* ---- a sink that drops all pages: each chunk is the same one ------------------------------- */

static int null_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    (void)lane;
    (void)chunk;
    *base = ctx;
    return 0;
}

static void null_unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)ctx;
    (void)lane;
    (void)chunk;
    (void)base;
}

static const struct xf_guest_sink_ops null_ops = {
    .lanes = xf_guest_lanes,
    .populate = xf_sink_populate,
    .map_chunk = null_map_chunk,
    .unmap_chunk = null_unmap_chunk,
    .map_part = xf_sink_map_part,
    .unmap_part = xf_sink_unmap_part,
    .wrote = xf_sink_wrote,
    .end_round = xf_sink_end_round,
};

/* ---- the life of the end -------------------------------------------------------------------- */

static int make_sink(struct far *f, struct xf_guest_sink *sink)
{
    uint64_t pages = f->order.memory_bytes / XF_PAGE_BYTES, kib = xf_memory_available_kib();
    char have[32];
    int rc;

    if (f->order.sink == BENCH_SINK_NULL) {
        f->chunk = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);
        *sink = (struct xf_guest_sink){.ops = &null_ops, .ctx = f->chunk, .page_count = pages};
        return f->chunk ? 0 : fail(f, -ENOMEM, "%s", strerror(ENOMEM));
    }
    if (kib && f->order.memory_bytes / 1024 >= kib)
        return fail(f, -ENOMEM, "this machine has only %s of free memory; see --memory",
                    xf_number_show_size(have, sizeof(have), kib * 1024));
    rc = xf_simguest_new_empty(&f->guest, pages);
    if (rc)
        return fail(f, rc, "no memory for the guest: %s", strerror(-rc));
    xf_simguest_prefault(f->guest);
    *sink = xf_simguest_sink(f->guest);
    return 0;
}

static int bring_up(struct far *f)
{
    struct xf_bench_up up;
    char why[BENCH_WHY_BYTES], err[XF_DPDK_ERR_BYTES];
    int rc = xf_bench_port_start(&f->port, &f->order, true, why);

    if (rc)
        return fail(f, rc, "%s", why);
    rc = xf_memif_open(&f->port.memif, &f->link, err);
    if (rc)
        return fail(f, rc, "%s", err);
    up.payload_bytes = f->link->payload_bytes;
    return xf_bench_send(&f->channel, BENCH_UP, &up, sizeof(up));
}

static int receive_offer(struct far *f, struct xf_offer *offer)
{
    uint8_t wire[XF_OFFER_BYTES];
    char why[BENCH_WHY_BYTES];
    int rc = xf_bench_receive(&f->channel, BENCH_OFFER, wire, sizeof(wire),
                              xf_ends_patience_us(f->order.memory_bytes), why);

    if (!rc)
        rc = f->order.multicast ? xf_offer_decode_group(offer, wire, sizeof(wire), why)
                                : xf_offer_decode(offer, wire, sizeof(wire), why);
    explicit_bzero(wire, sizeof(wire));
    /* The sink has room for what was ordered, and for no more. */
    if (!rc && (offer->page_count != f->order.memory_bytes / XF_PAGE_BYTES ||
                offer->queues != f->order.queues)) {
        snprintf(why, sizeof(why), "the offer is for another memory than the order");
        rc = -EBADMSG;
    }
    return rc ? fail(f, rc, "%s", why) : 0;
}

/* Which target of which group it is: joins that, before the source can hear an answer. */
static int join_group(struct far *f, struct xf_member *member)
{
    uint8_t wire[XF_MEMBER_BYTES];
    char why[BENCH_WHY_BYTES], said[XF_LINK_SAID_BYTES];
    int rc = xf_bench_receive(&f->channel, BENCH_MEMBER, wire, sizeof(wire),
                              xf_ends_patience_us(f->order.memory_bytes), why);

    rc = rc ?: xf_member_decode(member, wire, sizeof(wire), why);
    explicit_bzero(wire, sizeof(wire));
    if (rc)
        return fail(f, rc, "%s", why);
    rc = xf_link_join(f->link, &member->group, said);
    return rc ? fail(f, rc, "%s", said) : 0;
}

static void say_tick(const struct far *f, uint64_t now_us, uint64_t *last_us)
{
    struct xf_bench_tick tick = {.now_us = now_us};

    if (!f->order.tick_us || now_us - *last_us < f->order.tick_us)
        return;
    *last_us = now_us;
    tick.cpu_us = xf_bench_cpu_us();
    xf_bench_send(&f->channel, BENCH_TICK, &tick, sizeof(tick));
}

/* Until the source has seen that all has landed: its copy of our word may be lost, and it asks. */
static int receive_memory(struct far *f, struct xf_target *target)
{
    char why[BENCH_WHY_BYTES];
    unsigned idle_steps = 0;
    bool landed = false;
    uint64_t now_us, looked_us = 0, tick_us = 0;
    int rc;

    f->begun_us = xf_now_us();
    f->begun_cpu_us = xf_bench_cpu_us();
    while ((rc = xf_target_step(target, now_us = xf_now_us())) >= 0) {
        if (!landed)
            say_tick(f, now_us, &tick_us);
        if (!landed && rc == XF_SESSION_DONE) {
            f->us = now_us - f->begun_us;
            f->cpu_us = xf_bench_cpu_us() - f->begun_cpu_us;
        }
        landed = landed || rc == XF_SESSION_DONE;
        if (xf_ends_is_time(now_us, &looked_us) && xf_bench_pending(&f->channel))
            return xf_bench_receive(&f->channel, BENCH_SEEN, NULL, 0, 0, why)
                       ?: landed ? 0
                                 : fail(f, -EPROTO, "the source has seen what has not landed");
        xf_ends_idle(&idle_steps, xf_target_idle(target));
    }
    return fail(f, rc, "%s", xf_target_error(target));
}

static void tell_result(struct far *f, const struct xf_stats *stats)
{
    struct xf_bench_end *end = calloc(1, sizeof(*end));

    if (!end) {
        fail(f, -ENOMEM, "%s", strerror(ENOMEM));
        return;
    }
    end->stats = *stats;
    end->us = f->us;
    end->cpu_us = f->cpu_us;
    f->link->ops->stats(f->link, &end->link);
    if (f->guest)
        xf_simguest_hash(f->guest, end->hash);
    xf_bench_send(&f->channel, BENCH_RESULT, end, sizeof(*end));
    free(end);
}

static int run(struct far *f)
{
    struct xf_target_config config;
    struct xf_target *target = NULL;
    struct xf_guest_sink sink;
    char why[BENCH_WHY_BYTES];
    int rc = xf_bench_receive(&f->channel, BENCH_ORDER, &f->order, sizeof(f->order),
                              xf_ends_patience_us(0), why);

    if (rc)
        return fail(f, rc, "%s", why);
    if (xf_bench_order_check(&f->order))
        return fail(f, -EBADMSG, "the order has impossible values");
    rc = f->order.packets ? 0 : make_sink(f, &sink);
    rc = rc ?: bring_up(f);
    if (rc)
        return rc;
    if (f->order.packets) {
        rc = xf_bench_packets_serve(&f->channel, f->link, f->order.queues, why);
        return rc ? fail(f, rc, "%s", why) : 0;
    }
    xf_target_config_init(&config);
    rc = receive_offer(f, &config.offer);
    if (!rc && f->order.multicast)
        rc = join_group(f, &config.member);
    if (!rc) {
        config.threads = xf_dpdk_threads(f->order.queues, NULL);
        rc = xf_target_new(&target, &config, &sink, f->link, xf_now_us());
        if (rc)
            fail(f, rc, "no session: %s", strerror(-rc));
    }
    xf_offer_wipe(&config.offer);
    xf_member_wipe(&config.member);
    if (rc)
        return rc;
    xf_target_ready(target);
    rc = receive_memory(f, target);
    if (!rc) {
        tell_result(f, xf_target_stats(target));
        /* The source closes its port first (memif.h), and then its end of the talk. */
        xf_bench_receive(&f->channel, BENCH_NONE, NULL, 0,
                         xf_ends_patience_us(f->order.memory_bytes), why);
    }
    xf_target_free(target);
    return rc;
}

int xf_bench_far_main(int in, int out)
{
    struct far f = {.channel = {.in = in, .out = out, .peer = "the source"}};

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    /* Nothing but the talk goes to the other end. */
    if (out == STDOUT_FILENO)
        f.channel.out = dup(out);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    int rc = run(&f);

    if (f.link)
        f.link->ops->close(f.link);
    xf_dpdk_stop();
    xf_simguest_free(f.guest);
    free(f.chunk);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
