/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, near: the source of one run: sends the whole memory again and again, as batches of the
 * transport.
 */
#include "bench_near.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk/multicast.h"
#include "dpdk/thread.h"
#include "transport/base/clock.h"
#include "transport/group.h"
#include "transport/source.h"
#include "transport/wire.h"
#include "bench_port.h"
#include "plan_passes.h"
#include "xl-plugin/cli/cli.h"

/* It has broken off over the link; by the talk it says why. */
#define REASON_US 1000000u

/* ---- the life of the end -------------------------------------------------------------------- */

struct end {
    const struct xf_bench_near *near;
    struct xf_bench_port port;
    struct xf_link *link;
    struct xf_link *group; /* over the link; NULL: straight to the target */
    struct xf_simguest *guest;
    struct xf_bench_news news; /* its run */
    struct xf_plan_passes passes;
    struct {
        struct xf_bench_sample last;
        uint64_t zero_us;
        bool begun, warm; /* that what counts has begun was seen */
    } intervals;
};

static void tell(const struct xf_bench_near *near, const struct xf_bench_news *news, int flags)
{
    if (send(near->parent, news, sizeof(*news), MSG_NOSIGNAL | flags) < 0) {
        /* Without a parent we are about to be killed; progress may be lost. */
    }
}

static int __attribute__((format(printf, 3, 4)))
fail(const struct xf_bench_near *near, int rc, const char *fmt, ...)
{
    struct xf_bench_news news = {.kind = BENCH_NEWS_FAILED};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(news.reason, sizeof(news.reason), fmt, ap);
    va_end(ap);
    tell(near, &news, 0);
    return rc;
}

static int fail_figures(const struct xf_bench_near *near)
{
    return fail(near, -EBADMSG,
                "%s reports impossible figures: install the same xl-fast at both ends",
                near->far.peer);
}

static void on_progress(void *arg, const struct xf_progress *progress)
{
    struct xf_bench_news news = {.kind = BENCH_NEWS_PROGRESS};

    news.progress = (struct xf_bench_progress){.now_us = progress->now_us,
                                               .bytes_wire = progress->stats->bytes_wire};
    tell(arg, &news, MSG_DONTWAIT);
}

/* The other end fills no memory and waits for ours. */
static int bring_up(struct end *e)
{
    const struct xf_bench_near *near = e->near;
    uint64_t patience_us = xf_ends_patience_us(near->here.memory_bytes);
    char why[BENCH_WHY_BYTES], err[XF_DPDK_ERR_BYTES];
    struct xf_bench_up up;
    int rc = xf_bench_send(&near->far, BENCH_ORDER, &near->there, sizeof(near->there));

    if (rc) {
        /* It has gone; before that it may have said why. */
        xf_bench_receive(&near->far, BENCH_NONE, NULL, 0, patience_us, why);
        return fail(near, rc, "%s", why);
    }
    rc = near->options->packets
             ? 0
             : xf_simguest_new(&e->guest, near->here.memory_bytes / XF_PAGE_BYTES,
                               near->setup->fill, near->options->seed, 0);
    if (rc)
        return fail(near, rc, "no memory for the guest: %s", strerror(-rc));
    rc = xf_bench_port_start(&e->port, &near->here, false, why);
    if (rc)
        return fail(near, rc, "source: %s", why);
    rc = xf_bench_receive(&near->far, BENCH_UP, &up, sizeof(up), patience_us, why);
    if (rc)
        return fail(near, rc, "%s", why);
    if (up.payload_bytes < XF_PAYLOAD_MIN)
        return fail_figures(near);
    rc = xf_memif_open(&e->port.memif, &e->link, err);
    if (rc)
        return fail(near, rc, "source: %s", err);
    struct xf_bench_run *r = &e->news.run;

    r->frame_bytes = e->link->frame_bytes;
    r->payload_bytes =
        up.payload_bytes < e->link->payload_bytes ? up.payload_bytes : e->link->payload_bytes;
    return 0;
}

/* The target is its one member. No copies: whether multicast passes is what is to be seen. */
static int open_group(struct end *e, struct xf_offer *offer, struct xf_member *member)
{
    struct xf_link_addr group;
    struct xf_group_config gc;

    xf_multicast_of_session(&group, offer->session_id, e->link->self.udp_port);
    int rc = xf_members_new(member, 1, &group);

    offer->features |= XF_FEATURE_GROUP;
    xf_group_config_init(&gc);
    gc.offer = *offer;
    gc.members = member;
    gc.names = &e->near->far.peer;
    gc.paths = &e->link;
    gc.paths_n = 1;
    rc = rc ?: xf_group_new(&e->group, &gc);
    xf_offer_wipe(&gc.offer);
    return rc;
}

static int send_wire(const struct end *e, const struct xf_offer *offer,
                     const struct xf_member *member)
{
    uint8_t wire[XF_OFFER_BYTES], own[XF_MEMBER_BYTES];

    xf_offer_encode(offer, wire);
    int rc = xf_bench_send(&e->near->far, BENCH_OFFER, wire, sizeof(wire));

    if (!rc && e->group) {
        xf_member_encode(member, own);
        rc = xf_bench_send(&e->near->far, BENCH_MEMBER, own, sizeof(own));
    }
    explicit_bzero(wire, sizeof(wire));
    explicit_bzero(own, sizeof(own));
    return rc ? fail(e->near, rc, "%s does not take the offer", e->near->far.peer) : 0;
}

static int send_offer(struct end *e, struct xf_offer *offer)
{
    struct xf_member member = {0};
    int rc = xf_offer_new(offer, e->link, e->near->here.memory_bytes / XF_PAGE_BYTES);

    if (!rc) {
        offer->features = xf_offer_features(false, e->near->setup->compress);
        rc = e->near->options->multicast ? open_group(e, offer, &member) : 0;
    }
    rc = rc ? fail(e->near, rc, "no offer: %s", strerror(-rc)) : send_wire(e, offer, &member);
    xf_member_wipe(&member);
    return rc;
}

static void sample(const struct end *e, const struct xf_stats *stats, uint64_t now_us,
                   struct xf_bench_sample *to)
{
    const struct xf_bench_tick *tick = e->near->far.tick;

    *to = (struct xf_bench_sample){
        .now_us = now_us,
        .bytes = stats->bytes_wire + stats->packets_sent * e->link->frame_bytes,
        .packets = stats->packets_sent,
        .lost = stats->packets_lost,
        .source_cpu_us = xf_bench_cpu_us(),
        .target_us = tick->now_us,
        .target_cpu_us = tick->cpu_us,
    };
}

/* An interval ends when it is long enough, when the warm-up is over, and with the last pass. */
static void tell_interval(struct end *e, const struct xf_stats *stats, uint64_t now_us, bool last)
{
    const struct xf_bench_near *near = e->near;
    struct xf_bench_news news = {.kind = BENCH_NEWS_INTERVAL};
    struct xf_bench_sample now;
    bool warmed = e->passes.is_warm && !e->intervals.warm;

    if (!near->options->interval_us || !e->passes.sending)
        return;
    if (!e->intervals.last.target_us) { /* the target had not been heard when it began */
        e->intervals.last.target_us = near->far.tick->now_us;
        e->intervals.last.target_cpu_us = near->far.tick->cpu_us;
    }
    if (e->intervals.begun && !warmed && !last &&
        now_us - e->intervals.last.now_us < near->options->interval_us)
        return;
    sample(e, stats, now_us, &now);
    if (e->intervals.begun) {
        news.interval = xf_bench_interval_of(&e->intervals.last, &now, e->intervals.zero_us,
                                             !e->intervals.warm);
        tell(near, &news, 0);
    }
    if (!e->intervals.begun || warmed)
        e->intervals.zero_us = now_us;
    e->intervals.begun = true;
    e->intervals.warm = e->passes.is_warm;
    e->intervals.last = now;
}

/* Why the session failed: the group's own words, which the source gets cut short. */
static const char *reason(const struct end *e, const struct xf_source *source)
{
    struct xf_group_target t = {0};

    if (e->group)
        xf_group_target(e->group, 0, &t);
    return t.dropped ? t.why : xf_source_error(source);
}

static int send_memory(struct end *e, struct xf_source *source)
{
    const struct xf_bench_near *near = e->near;
    const struct xf_stats *stats = xf_source_stats(source);
    char why[BENCH_WHY_BYTES];
    unsigned idle_steps = 0;
    uint64_t looked_us = 0, now_us, begun_us = xf_now_us(), begun_cpu_us = xf_bench_cpu_us();
    int rc;

    while ((rc = xf_source_step(source, now_us = xf_now_us())) == 0) {
        /* It has nothing else to say before the end but that it cannot go on. */
        if (xf_ends_is_time(now_us, &looked_us) && xf_bench_pending(&near->far)) {
            rc = xf_bench_receive(&near->far, BENCH_TICK, near->far.tick, sizeof(*near->far.tick),
                                  xf_ends_patience_us(0), why);
            if (rc)
                return fail(near, rc, "%s", why);
        }
        tell_interval(e, stats, now_us, false);
        xf_ends_idle(&idle_steps, xf_source_idle(source));
    }
    if (rc == XF_SESSION_DONE)
        tell_interval(e, stats, now_us, true);
    e->news.run.source.us = now_us - begun_us;
    e->news.run.source.cpu_us = xf_bench_cpu_us() - begun_cpu_us;
    if (rc == -ECONNABORTED &&
        xf_bench_receive(&near->far, BENCH_NONE, NULL, 0, REASON_US, why) != -ETIMEDOUT)
        return fail(near, rc, "%s", why);
    return rc < 0 ? fail(near, rc, "%s", reason(e, source)) : 0;
}

static int take_result(struct end *e, const struct xf_stats *stats)
{
    const struct xf_bench_near *near = e->near;
    struct xf_bench_run *r = &e->news.run;
    char why[BENCH_WHY_BYTES];
    int rc = xf_bench_send(&near->far, BENCH_SEEN, NULL, 0);

    r->source.stats = *stats;
    e->link->ops->stats(e->link, &r->source.link);
    xf_simguest_hash(e->guest, r->source.hash);
    rc = rc
             ?: xf_bench_receive(&near->far, BENCH_RESULT, &r->target, sizeof(r->target),
                                 xf_ends_patience_us(near->here.memory_bytes), why);
    if (rc)
        return fail(near, rc, "%s", why);
    return xf_bench_end_check(&r->target) ? fail_figures(near) : 0;
}

static uint64_t packet_bytes(const struct end *e)
{
    return e->news.run.packets.size + e->link->frame_bytes;
}

static void on_packets(void *arg, uint64_t packets)
{
    struct end *e = arg;
    struct xf_bench_news news = {.kind = BENCH_NEWS_PROGRESS};

    news.progress =
        (struct xf_bench_progress){.now_us = xf_now_us(), .bytes_wire = packets * packet_bytes(e)};
    tell(e->near, &news, MSG_DONTWAIT);
}

static void on_trial(void *arg, unsigned number, const struct xf_bench_trial *trial)
{
    struct end *e = arg;
    struct xf_bench_news news = {.kind = BENCH_NEWS_TRIAL};

    news.trial.number = number;
    news.trial.packet_bytes = packet_bytes(e);
    news.trial.trial = *trial;
    tell(e->near, &news, 0);
}

static int run_packets(struct end *e)
{
    const struct xf_bench_options *o = e->near->options;
    const struct xf_bench_packets_news news = {on_packets, on_trial, e};
    const struct xf_bench_packets_wish wish = {
        .search = o->search,
        .bidir = o->bidir,
        .sealed = o->seal == BENCH_SEAL_AES,
        .size = e->near->setup->size,
        .burst = o->burst,
        .rate_Bps = o->rate_Bps,
        .omit_us = o->omit * 1000000,
        .duration_us = o->seconds * 1000000,
    };
    struct xf_bench_run *r = &e->news.run;
    char why[BENCH_WHY_BYTES];
    int rc = bring_up(e);

    if (rc)
        return rc;
    rc = xf_bench_packets_run(&e->near->far, e->link, e->near->setup->queues, r->payload_bytes,
                              &wish, &news, &r->packets, why);
    return rc ? fail(e->near, rc, "%s", why) : 0;
}

static int run(struct end *e)
{
    struct xf_plan_passes *passes = &e->passes;
    struct xf_guest_source guest;
    struct xf_source_config config;
    struct xf_source *source = NULL;
    struct xf_bench_run *r = &e->news.run;
    int rc = bring_up(e);

    if (rc)
        return rc;
    guest = xf_simguest_source(e->guest);
    xf_plan_passes_init(passes, e->near->options->passes, e->near->options->seconds * 1000000,
                        e->near->options->omit * 1000000);
    xf_source_config_init(&config);
    config.plan = &passes->plan;
    config.compress = e->near->setup->compress;
    config.threads = xf_dpdk_threads(e->near->setup->queues, NULL);
    config.progress = on_progress;
    config.progress_arg = (void *)(uintptr_t)e->near;
    rc = send_offer(e, &config.offer);
    if (!rc) {
        rc = xf_source_new(&source, &config, &guest, e->group ? e->group : e->link, xf_now_us());
        if (rc)
            fail(e->near, rc, "no session: %s", strerror(-rc));
    }
    xf_offer_wipe(&config.offer);
    if (rc)
        return rc;
    rc = send_memory(e, source);
    r->warm = passes->warm;
    r->warm_us = passes->warm_us;
    r->end_us = passes->end_us;
    r->passes = passes->passes;
    rc = rc ?: take_result(e, xf_source_stats(source));
    xf_source_free(source);
    return rc;
}

int xf_bench_near_main(const struct xf_bench_near *near)
{
    struct end *e = calloc(1, sizeof(*e));

    if (!e)
        return fail(near, XF_EXIT_FAILED, "%s", strerror(ENOMEM));
    e->near = near;
    e->news.kind = BENCH_NEWS_RUN;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is the report's alone */
    int rc = near->options->packets ? run_packets(e) : run(e);

    if (e->group)
        e->group->ops->close(e->group);
    if (e->link)
        e->link->ops->close(e->link);
    if (!rc)
        tell(near, &e->news, 0);
    xf_dpdk_stop();
    xf_simguest_free(e->guest);
    free(e);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
