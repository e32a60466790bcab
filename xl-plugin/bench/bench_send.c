/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast bench send: what the source does by itself: it reads a guest's memory, seals it and keeps
 * account of it, by lanes, over a link that acknowledges everything at once (bench_reflector.h).
 * Without a port, its copies and the other end: an upper bound of a core.
 *
 * Threads: the one that steps the source, and its lanes'.
 */
#include "bench_commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "transport/base/clock.h"
#include "transport/source.h"
#include "bench_alone.h"
#include "bench_reflector.h"
#include "plan_passes.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/demo/ends.h"

const struct xf_command xf_bench_send_command = {
    .name = "bench send",
    .summary = "what the source of a migration can send at most, by itself",
    .about =
        "What the source of a migration can send at most, by itself: it reads, encrypts and keeps\n"
        "account of a guest's memory again and again; what would be the target acknowledges at\n"
        "once, in the same threads, and opens nothing. No port, no copy. The figure is the\n"
        "median of the passes. To be read against xl-fast bench seal.\n",
    .options = xf_alone_option_rows,
    .done = "measured",
    .run = xf_bench_send_alone,
};

struct bench {
    struct xf_alone_options options;
    struct xf_simguest *guest;
    struct xf_reflector *reflector;
    struct xf_plan_passes passes;
    struct xf_source *source;
    struct xf_alone found;
    uint64_t pass_us;            /* when the newest ended */
    uint64_t cpu_ns, control_ns; /* when what counts began */
    struct xf_laps laps;
    bool warm, over;
};

static void read_cpu(const struct bench *b, uint64_t *cpu_ns, uint64_t *control_ns)
{
    *control_ns = xf_alone_thread_ns();
    *cpu_ns = *control_ns + xf_source_cpu_ns(b->source);
}

/* After each step: a pass that has ended, the first of them or the last. */
static int watch(struct bench *b)
{
    const struct xf_plan_passes *p = &b->passes;

    if (p->is_warm && !b->warm) {
        b->warm = true;
        b->pass_us = p->warm_us;
        b->laps = p->warm.laps;
        read_cpu(b, &b->cpu_ns, &b->control_ns);
    }
    if (p->passes > b->found.passes) {
        int rc = xf_alone_add(&b->found, b->options.memory_bytes, p->end_us - b->pass_us);

        if (rc)
            return rc;
        b->pass_us = p->end_us;
    }
    if (p->ended && !b->over) {
        uint64_t cpu_ns, control_ns;

        b->over = true;
        read_cpu(b, &cpu_ns, &control_ns);
        b->found.cpu_ns = cpu_ns - b->cpu_ns;
        b->found.control_ns = control_ns - b->control_ns;
        xf_alone_add_laps(&b->found.laps, &xf_source_stats(b->source)->laps, &b->laps);
    }
    return 0;
}

static int start(struct bench *b)
{
    const struct xf_alone_options *o = &b->options;
    const uint64_t pages = o->memory_bytes / XF_PAGE_BYTES;
    struct xf_source_config config;
    int rc = xf_simguest_new(&b->guest, pages, o->fill, 1, 0);

    if (rc)
        return rc;
    const struct xf_guest_source guest = xf_simguest_source(b->guest);

    xf_source_config_init(&config);
    rc = xf_reflector_new(&b->reflector, o->lanes, XF_ALONE_PAYLOAD_BYTES, pages, &config.offer);
    if (rc)
        return rc;
    xf_plan_passes_init(&b->passes, o->passes, o->seconds * 1000000, 0);
    config.plan = &b->passes.plan;
    config.compress = XF_COMPRESS_NONE;
    config.threads.count = o->lanes > 1 ? o->lanes : 0;
    rc = xf_source_new(&b->source, &config, &guest, xf_reflector_link(b->reflector), xf_now_us());
    xf_offer_wipe(&config.offer);
    return rc;
}

static int measure(struct bench *b)
{
    unsigned idle_steps = 0;
    int rc = start(b);

    if (rc) {
        fprintf(stderr, "xl-fast bench send: %s\n", strerror(-rc));
        return rc;
    }
    while ((rc = xf_source_step(b->source, xf_now_us())) == 0) {
        rc = watch(b);
        if (rc)
            break;
        xf_ends_idle(&idle_steps, xf_source_idle(b->source));
    }
    if (rc == XF_SESSION_DONE)
        return 0;
    fprintf(stderr, "xl-fast bench send: %s\n",
            xf_source_error(b->source)[0] ? xf_source_error(b->source) : strerror(-rc));
    return rc;
}

int xf_bench_send_alone(int argc, char **argv)
{
    struct bench b = {0};
    int status = xf_alone_options_parse(&xf_bench_send_command, &b.options, 1, argc, argv), rc;

    if (status != XF_GO_ON)
        return status;
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    rc = measure(&b);
    if (!rc)
        xf_alone_report(&b.options, &b.found, "send");
    xf_source_free(b.source);
    xf_reflector_free(b.reflector);
    xf_simguest_free(b.guest);
    free(b.found.gbps);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
