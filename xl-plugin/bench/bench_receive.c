/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast bench receive: what the target does by itself: it opens packets, checks them and writes
 * their pages to a guest's memory, by lanes. The packets were made before, by a source over a
 * reflector (bench_reflector.h), and lie in memory (bench_feed.h). Each pass is a new target.
 * Without a port, its copies and the other end: an upper bound of a core.
 *
 * Threads: the one that steps the target, and its lanes'.
 */
#include "bench_commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "transport/base/clock.h"
#include "transport/source.h"
#include "transport/target.h"
#include "bench_alone.h"
#include "bench_feed.h"
#include "bench_reflector.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/demo/ends.h"

const struct xf_command xf_bench_receive_command = {
    .name = "bench receive",
    .summary = "what the target of a migration can receive at most, by itself",
    .about =
        "What the target of a migration can receive at most, by itself: packets of a guest's\n"
        "memory, encrypted before, which it opens, checks and writes to another guest's memory,\n"
        "again and again. No port, no copy. The figure is the median of the passes. At the end\n"
        "both guests' memory is compared. Needs three times --memory.\n",
    .options = xf_alone_option_rows,
    .done = "measured",
    .run = xf_bench_receive_alone,
};

struct bench {
    struct xf_alone_options options;
    struct xf_simguest *guest;
    struct xf_offer offer;
    struct xf_feed *feed;
    uint64_t hash[2]; /* of what was sent */
    struct xf_alone found;
};

static int complain(int rc, const char *why)
{
    fprintf(stderr, "xl-fast bench receive: %s\n", why[0] ? why : strerror(-rc));
    return rc;
}

/* ---- the packets, before -------------------------------------------------------------------- */

/* Plan: the pages, once. */
struct once {
    struct xf_plan plan; /* first */
    bool final;
};

static struct xf_plan_order next(struct xf_plan *plan, const struct xf_plan_ended *ended)
{
    struct once *once = (struct once *)plan;

    (void)ended;
    if (once->final)
        return xf_order_just(XF_ORDER_DONE);
    once->final = true;
    return xf_order_send(XF_SEND_PAGES, true);
}

static int send_all(struct bench *b, struct xf_reflector *reflector, struct xf_simguest *guest)
{
    const struct xf_guest_source from = xf_simguest_source(guest);
    struct once once = {.plan = {.next = next}};
    struct xf_source_config config;
    struct xf_source *source;
    int rc;

    xf_source_config_init(&config);
    config.offer = b->offer;
    config.plan = &once.plan;
    config.compress = XF_COMPRESS_NONE;
    rc = xf_source_new(&source, &config, &from, xf_reflector_link(reflector), xf_now_us());
    xf_offer_wipe(&config.offer);
    if (rc)
        return complain(rc, "");
    while ((rc = xf_source_step(source, xf_now_us())) == 0)
        ;
    if (rc == XF_SESSION_DONE)
        rc = 0;
    else
        complain(rc, xf_source_error(source));
    xf_source_free(source);
    return rc;
}

/* The guest that is sent goes again: its packets are enough. */
static int make_packets(struct bench *b)
{
    const struct xf_alone_options *o = &b->options;
    const uint64_t pages = o->memory_bytes / XF_PAGE_BYTES;
    struct xf_reflector *reflector = NULL;
    struct xf_simguest *guest = NULL;
    int rc = xf_simguest_new(&guest, pages, o->fill, 1, 0);

    rc = rc ?: xf_reflector_new(&reflector, o->lanes, XF_ALONE_PAYLOAD_BYTES, pages, &b->offer);
    rc = rc ?: xf_feed_new(&b->feed, o->lanes, XF_ALONE_PAYLOAD_BYTES, pages);
    if (rc) {
        complain(rc, "");
    } else {
        xf_reflector_keep_with(reflector, xf_feed_keep, b->feed);
        rc = send_all(b, reflector, guest);
        if (!rc) {
            rc = xf_feed_kept(b->feed, &b->offer);
            if (rc)
                complain(rc, "");
        }
        xf_simguest_hash(guest, b->hash);
    }
    xf_reflector_free(reflector);
    xf_simguest_free(guest);
    return rc;
}

/* ---- a pass --------------------------------------------------------------------------------- */

/* So that no page is what the pass before has left. */
static void spoil(struct xf_simguest *guest)
{
    size_t bytes;
    uint8_t *memory = (uint8_t *)(uintptr_t)xf_simguest_memory(guest, &bytes);

    for (size_t at = 0; at < bytes; at += XF_PAGE_BYTES)
        memory[at] ^= 0xff;
}

static void on_progress(void *arg, const struct xf_progress *progress)
{
    enum xf_phase *phase = arg;

    *phase = progress->phase;
}

/* counts: the pass is none to warm up. */
static int receive(struct bench *b, struct xf_target *target, const enum xf_phase *phase,
                   bool counts)
{
    static const struct xf_laps none;
    uint64_t began_us = 0, cpu_ns = 0, control_ns = 0;
    unsigned idle_steps = 0;
    struct xf_laps laps = none;
    int rc;

    while ((rc = xf_target_step(target, xf_now_us())) == 0) {
        /* It has heard of the source, and its lanes' threads are there. */
        if (!began_us && *phase >= XF_PHASE_READY) {
            laps = xf_target_stats(target)->laps;
            control_ns = xf_alone_thread_ns();
            cpu_ns = control_ns + xf_target_cpu_ns(target);
            began_us = xf_now_us();
            xf_feed_go(b->feed);
        }
        xf_ends_idle(&idle_steps, xf_target_idle(target));
    }
    if (rc != XF_SESSION_DONE)
        return complain(rc, xf_target_error(target));
    if (!counts)
        return 0;
    const uint64_t us = xf_now_us() - began_us, now_ns = xf_alone_thread_ns();

    b->found.control_ns += now_ns - control_ns;
    b->found.cpu_ns += now_ns + xf_target_cpu_ns(target) - cpu_ns;
    xf_alone_add_laps(&b->found.laps, &xf_target_stats(target)->laps, &laps);
    rc = xf_alone_add(&b->found, b->options.memory_bytes, us);
    return rc ? complain(rc, "") : 0;
}

static int one_pass(struct bench *b, bool counts)
{
    const struct xf_guest_sink sink = xf_simguest_sink(b->guest);
    enum xf_phase phase = XF_PHASE_CONNECT;
    struct xf_target_config config;
    struct xf_target *target;
    int rc;

    spoil(b->guest);
    xf_feed_rewind(b->feed);
    xf_target_config_init(&config);
    config.offer = b->offer;
    config.threads.count = b->options.lanes > 1 ? b->options.lanes : 0;
    config.progress = on_progress;
    config.progress_arg = &phase;
    rc = xf_target_new(&target, &config, &sink, xf_feed_link(b->feed), xf_now_us());
    xf_offer_wipe(&config.offer);
    if (rc)
        return complain(rc, "");
    xf_target_ready(target);
    rc = receive(b, target, &phase, counts);
    xf_target_free(target);
    return rc;
}

static int measure(struct bench *b)
{
    const struct xf_alone_options *o = &b->options;
    uint64_t hash[2], end_us;
    int rc = make_packets(b);

    if (rc)
        return rc;
    rc = xf_simguest_new_empty(&b->guest, o->memory_bytes / XF_PAGE_BYTES);
    if (rc)
        return complain(rc, "");
    xf_simguest_prefault(b->guest);
    rc = one_pass(b, false);
    end_us = xf_now_us() + o->seconds * 1000000;
    while (!rc && b->found.passes < XF_ALONE_PASSES_MAX &&
           (!b->found.passes || (o->passes ? b->found.passes < o->passes : xf_now_us() < end_us)))
        rc = one_pass(b, true);
    if (rc)
        return rc;
    xf_simguest_hash(b->guest, hash);
    if (memcmp(hash, b->hash, sizeof(hash)))
        return complain(-EILSEQ, "what was received is not what was sent");
    b->found.verified = true;
    return 0;
}

int xf_bench_receive_alone(int argc, char **argv)
{
    struct bench b = {0};
    int status = xf_alone_options_parse(&xf_bench_receive_command, &b.options, 3, argc, argv), rc;

    if (status != XF_GO_ON)
        return status;
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    rc = measure(&b);
    if (!rc)
        xf_alone_report(&b.options, &b.found, "receive");
    xf_feed_free(b.feed);
    xf_simguest_free(b.guest);
    xf_offer_wipe(&b.offer);
    free(b.found.gbps);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
