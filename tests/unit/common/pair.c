/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pair: makes both ends, and steps them. */
#include "pair.h"

uint64_t pair_quick_cpu(void)
{
    return 0;
}

struct pair_config pair_defaults(uint64_t seed)
{
    struct pair_config c = {
        .pages = 3000,
        .fill = XF_FILL_MIXED,
        .hole_every = 4,
        .writes_per_ms = 2,
        .net = {.queues = 1, .payload_bytes = 8972, .delay_us = 100, .bytes_per_s = 1000000000},
        .ready_after_us = 2000,
        .step_us = 20,
        .cpu_ns = pair_quick_cpu,
        .seed = seed,
    };

    xf_policy_init(&c.policy);
    c.policy.max_downtime_us = 200;
    return c;
}

struct xf_guest_source pair_tables(void)
{
    struct xf_simguest *any;

    assert_int_equal(xf_simguest_new_empty(&any, 1), 0);
    struct xf_guest_source tables = xf_simguest_source(any);

    xf_simguest_free(any);
    tables.ctx = NULL;
    return tables;
}

void pair_open(struct pair *p, const struct pair_config *config)
{
    struct xf_source_config sc;
    struct xf_target_config tc;
    struct xf_fault_config faults = config->faults;
    struct xf_simlink_config net = config->net;

    const uint64_t pages = config->ends.from ? 1 : config->pages;

    memset(p, 0, sizeof(*p));
    p->config = *config;
    p->now_us = 1000;
    net.seed = config->seed;
    assert_int_equal(
        xf_simguest_new(&p->from, pages, config->fill, config->seed, config->hole_every), 0);
    assert_int_equal(xf_simguest_new_empty(&p->to, pages), 0);
    assert_int_equal(xf_simlink_new(&p->net, &net), 0);
    for (unsigned i = 0; i < 2; i++) {
        faults.seed = config->seed * 2 + i;
        assert_int_equal(xf_faultlink_new(&p->fault[i], xf_simlink_end(p->net, i), &faults), 0);
        p->link[i] = p->fault[i];
    }
    struct xf_guest_source gs = xf_simguest_source(p->from);
    struct xf_guest_sink gt = xf_simguest_sink(p->to);

    if (config->from_ops)
        gs.ops = config->from_ops;
    if (config->from_control)
        gs.control = config->from_control;
    if (config->ends.from) {
        gs = *config->ends.from;
        gt = *config->ends.to;
    }

    xf_source_config_init(&sc);
    xf_plan_live_init(&p->live, &config->policy, config->features & XF_FEATURE_VERIFY);
    xf_plan_batches_init(&p->batches);
    sc.plan = config->plan ?: config->batches ? &p->batches.plan : &p->live.plan;
    sc.bandwidth_bytes_per_s = config->bandwidth_bytes_per_s;
    sc.compress = config->compress;
    sc.cpu_ns = config->cpu_ns;
    sc.begun = config->begun;
    sc.begun_arg = config->begun_arg;
    sc.progress = config->progress;
    sc.progress_arg = config->progress_arg;
    assert_int_equal(xf_offer_new(&sc.offer, p->link[0], config->pages), 0);
    sc.offer.features = config->features;
    xf_target_config_init(&tc);
    tc.offer = sc.offer;
    assert_int_equal(xf_source_new(&p->source, &sc, &gs, p->link[0], p->now_us), 0);
    assert_int_equal(xf_target_new(&p->target, &tc, &gt, p->link[1],
                                   config->target_begins_us ? config->target_begins_us : p->now_us),
                     0);
}

int pair_no_throttle(void *ctx, unsigned percent)
{
    (void)ctx;
    (void)percent;
    return 0;
}

void pair_step(struct pair *p)
{
    pair_step_busy(p, 0, 0);
}

void pair_step_busy(struct pair *p, uint64_t source_until_us, uint64_t target_until_us)
{
    p->now_us += p->config.step_us;
    xf_simlink_advance(p->net, p->now_us);
    if (p->now_us % 1000 < p->config.step_us)
        xf_simguest_write(p->from, p->config.writes_per_ms);
    if (p->now_us >= p->config.ready_after_us)
        xf_target_ready(p->target);
    if (p->source_rc == 0 && p->now_us >= source_until_us)
        p->source_rc = xf_source_step(p->source, p->now_us);
    if (p->target_rc >= 0 && p->now_us >= target_until_us)
        p->target_rc = xf_target_step(p->target, p->now_us);
}

void pair_run(struct pair *p, uint64_t limit_us)
{
    while (p->now_us < limit_us && (p->source_rc == 0 || p->target_rc == 0))
        pair_step(p);
}

void pair_leaves_out(struct pair *p, uint64_t gfn, uint64_t limit_us)
{
    xf_simguest_flip_bit(p->to, gfn);
    pair_run(p, limit_us);
    assert_int_equal(p->source_rc, XF_SESSION_DONE);
    assert_int_equal(p->target_rc, XF_SESSION_DONE);
    assert_int_equal(xf_target_stats(p->target)->pages_verified,
                     xf_source_stats(p->source)->pages_total - 1);
}

void pair_assert_same(struct pair *p)
{
    uint64_t a[2], b[2];

    if (p->source_rc != XF_SESSION_DONE || p->target_rc != XF_SESSION_DONE)
        fail_msg("seed %llu: source %d (%s), target %d (%s)", (unsigned long long)p->config.seed,
                 p->source_rc, xf_source_error(p->source), p->target_rc,
                 xf_target_error(p->target));
    if (xf_source_stats(p->source)->rounds != xf_target_stats(p->target)->rounds)
        fail_msg("seed %llu: %u rounds sent, %u received", (unsigned long long)p->config.seed,
                 xf_source_stats(p->source)->rounds, xf_target_stats(p->target)->rounds);
    assert_int_equal(xf_source_stats(p->source)->pages_total,
                     xf_target_stats(p->target)->pages_total);
    xf_simguest_hash(p->from, a);
    xf_simguest_hash(p->to, b);
    if (a[0] != b[0] || a[1] != b[1])
        fail_msg("seed %llu: memory differs", (unsigned long long)p->config.seed);
}

void pair_close(struct pair *p)
{
    xf_source_free(p->source);
    xf_target_free(p->target);
    for (unsigned i = 0; i < 2; i++)
        p->fault[i]->ops->close(p->fault[i]);
    xf_simlink_free(p->net);
    xf_simguest_free(p->from);
    xf_simguest_free(p->to);
}
