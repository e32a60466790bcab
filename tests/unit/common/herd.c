/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Herd: makes all ends, and steps them. */
#include "herd.h"

#define STEP_US 20u

/* ---- one path for all: what the source sends reaches every target ------------------------------
 */

struct spread {
    struct xf_link link; /* first */
    struct herd *herd;
    struct {
        struct xf_link *from;
        void *cookie;
    } taken[XF_BURST_MAX];
};

static struct spread *spread_of(struct xf_link *link)
{
    return (struct spread *)link;
}

static unsigned spread_alloc(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    (void)queue;
    for (unsigned i = 0; i < n; i++) {
        bufs[i] = (struct xf_buf){.data = malloc(link->payload_bytes), .cap = link->payload_bytes};
        assert_non_null(bufs[i].data);
    }
    return n;
}

static void spread_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    (void)link;
    (void)queue;
    for (unsigned i = 0; i < n; i++)
        free(bufs[i].data);
}

static unsigned spread_tx(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct herd *h = spread_of(link)->herd;

    for (unsigned t = 0; t < h->config.targets; t++) {
        struct xf_link *to = h->ones[t].fault[0];

        for (unsigned i = 0; i < n && !(h->config.deaf >> t & 1); i++) {
            struct xf_buf copy;

            if (to->ops->tx_alloc(to, queue, &copy, 1) != 1)
                continue;
            memcpy(copy.data, bufs[i].data, bufs[i].len);
            copy.len = bufs[i].len;
            if (to->ops->tx_burst(to, queue, &copy, 1) != 1)
                to->ops->tx_free(to, queue, &copy, 1);
        }
    }
    spread_free(link, queue, bufs, n);
    return n;
}

/* As a network does: whoever's comes. */
static unsigned spread_rx(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    struct herd *h = spread_of(link)->herd;
    unsigned got = 0;

    for (unsigned t = 0; t < h->config.targets && got < n; t++) {
        struct xf_link *from = h->ones[t].fault[0];
        unsigned k = from->ops->rx_burst(from, queue, bufs + got, n - got);

        for (unsigned i = 0; i < k; i++, got++) {
            spread_of(link)->taken[got].from = from;
            spread_of(link)->taken[got].cookie = bufs[got].cookie;
        }
    }
    return got;
}

static void spread_rx_free(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct xf_link *from = spread_of(link)->taken[i].from;

        from->ops->rx_free(from, queue, &bufs[i], 1);
    }
}

static void spread_peer(struct xf_link *link, const struct xf_link_addr *peer)
{
    (void)link;
    assert_int_equal(peer->ipv4 >> 28, 14);
}

static void spread_stats(const struct xf_link *link, struct xf_link_stats *out)
{
    (void)link;
    memset(out, 0, sizeof(*out));
}

static int spread_health(struct xf_link *link)
{
    (void)link;
    return 0;
}

static const struct xf_link_ops spread_ops = {
    .tx_alloc = spread_alloc,
    .tx_burst = spread_tx,
    .tx_free = spread_free,
    .rx_burst = spread_rx,
    .rx_free = spread_rx_free,
    .set_peer = spread_peer,
    .stats = spread_stats,
    .health = spread_health,
};

static struct xf_link *spread_new(struct herd *h)
{
    struct spread *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->link = *h->ones[0].fault[0];
    s->link.ops = &spread_ops;
    s->herd = h;
    return &s->link;
}

/* ---- the herd ----------------------------------------------------------------------------------
 */

static uint64_t now_of(void *arg)
{
    return ((struct herd *)arg)->now_us;
}

static uint64_t no_cpu(void)
{
    return 0;
}

struct herd_config herd_defaults(unsigned targets, uint64_t seed)
{
    struct herd_config c = {
        .targets = targets,
        .pages = 2000,
        .writes_per_ms = 2,
        .net = {.queues = 1, .payload_bytes = 8972, .delay_us = 100, .bytes_per_s = 1000000000},
        .max_downtime_us = 500,
        .seed = seed,
    };

    return c;
}

static void open_one(struct herd *h, unsigned i)
{
    const struct herd_config *c = &h->config;
    struct xf_simlink_config net = c->net;
    struct herd_one *one = &h->ones[i];

    net.seed = c->seed + i;
    assert_int_equal(xf_simlink_new(&one->net, &net), 0);
    assert_int_equal(xf_simguest_new_empty(&one->guest, c->pages), 0);
    for (unsigned end = 0; end < 2; end++) {
        struct xf_fault_config faults = c->faults;

        if (c->faulty_n && i >= c->faulty_n)
            faults = (struct xf_fault_config){0};
        faults.seed = (c->seed * 2 + end) * XF_MEMBERS_MAX + i;
        assert_int_equal(xf_faultlink_new(&one->fault[end], xf_simlink_end(one->net, end), &faults),
                         0);
    }
}

static void open_group(struct herd *h)
{
    static char text[XF_MEMBERS_MAX][16];
    struct xf_link *paths[XF_MEMBERS_MAX], *copies[XF_MEMBERS_MAX];
    const char *names[XF_MEMBERS_MAX];
    struct xf_group_config gc;
    const struct xf_group_config *limits = &h->config.limits;

    xf_group_config_init(&gc);
    for (unsigned i = 0; i < h->config.targets; i++) {
        snprintf(text[i], sizeof(text[i]), "host%u", i);
        names[i] = text[i];
        paths[i] = copies[i] = h->ones[i].fault[0];
    }
    if (h->config.shared)
        paths[0] = h->spread = spread_new(h);
    gc.offer = h->offer;
    gc.members = h->members;
    gc.names = names;
    gc.paths = paths;
    gc.paths_n = h->config.shared ? 1 : h->config.targets;
    gc.copies = h->config.deaf && !h->config.no_copies ? copies : NULL;
    gc.all_or_none = limits->all_or_none;
    gc.answer_us = limits->answer_us ? limits->answer_us : gc.answer_us;
    gc.silence_us = limits->silence_us ? limits->silence_us : gc.silence_us;
    gc.still_us = limits->still_us ? limits->still_us : gc.still_us;
    gc.last_us = limits->last_us ? limits->last_us : gc.last_us;
    gc.min_bytes_per_s = limits->min_bytes_per_s;
    gc.now_us = now_of;
    gc.now_arg = h;
    assert_int_equal(xf_group_new(&h->group, &gc), 0);
}

static void open_target(struct herd *h, unsigned i)
{
    struct xf_guest_sink sink = xf_simguest_sink(h->ones[i].guest);
    uint8_t wire[XF_MEMBER_BYTES];
    struct xf_target_config tc;

    xf_target_config_init(&tc);
    xf_group_offer(h->group, i, &h->offer, &tc.offer);
    xf_member_encode(&h->members[i], wire);
    assert_int_equal(xf_member_decode(&tc.member, wire, sizeof(wire), NULL), 0);
    assert_int_equal(xf_target_new(&h->ones[i].target, &tc, &sink, h->ones[i].fault[1], h->now_us),
                     0);
    xf_target_ready(h->ones[i].target);
}

static void on_progress(void *arg, const struct xf_progress *p)
{
    struct herd *h = arg;

    if (p->stats->suspend_us && !h->suspended++)
        xf_group_stand(h->group);
}

void herd_open(struct herd *h, const struct herd_config *config)
{
    const struct xf_link_addr everybody = {
        .mac = {0x01, 0x00, 0x5e, 7, 7, 7}, .udp_port = 4791, .ipv4 = 0xef070707};
    struct xf_guest_source from;
    struct xf_source_config sc;
    struct xf_policy policy;

    memset(h, 0, sizeof(*h));
    h->config = *config;
    h->now_us = 1000;
    assert_int_equal(xf_simguest_new(&h->from, config->pages, XF_FILL_MIXED, config->seed, 4), 0);
    for (unsigned i = 0; i < config->targets; i++)
        open_one(h, i);
    assert_int_equal(
        xf_members_new(h->members, config->targets, config->shared ? &everybody : NULL), 0);
    assert_int_equal(xf_offer_new(&h->offer, h->ones[0].fault[0], config->pages), 0);
    h->offer.features = config->features | XF_FEATURE_GROUP;
    open_group(h);
    for (unsigned i = 0; i < config->targets; i++)
        open_target(h, i);

    from = xf_simguest_source(h->from);
    xf_source_config_init(&sc);
    xf_policy_init(&policy);
    policy.max_downtime_us = config->max_downtime_us;
    xf_plan_live_init(&h->plan, &policy, config->features & XF_FEATURE_VERIFY);
    sc.plan = &h->plan.plan;
    sc.offer = h->offer;
    sc.cpu_ns = no_cpu;
    sc.progress = on_progress;
    sc.progress_arg = h;
    assert_int_equal(xf_source_new(&h->source, &sc, &from, h->group, h->now_us), 0);
}

void herd_step(struct herd *h)
{
    h->now_us += STEP_US;
    if (h->now_us % 1000 < STEP_US)
        xf_simguest_write(h->from, h->config.writes_per_ms);
    for (unsigned i = 0; i < h->config.targets; i++)
        xf_simlink_advance(h->ones[i].net, h->now_us);
    if (h->source_rc == 0)
        h->source_rc = xf_source_step(h->source, h->now_us);
    for (unsigned i = 0; i < h->config.targets; i++)
        if (h->ones[i].target && h->ones[i].rc >= 0)
            h->ones[i].rc = xf_target_step(h->ones[i].target, h->now_us);
}

void herd_run(struct herd *h, uint64_t limit_us)
{
    uint64_t end_us = limit_us;

    while (h->now_us < end_us) {
        herd_step(h);
        if (h->source_rc && end_us == limit_us)
            end_us = h->now_us + 20000;
    }
}

void herd_kill(struct herd *h, unsigned target)
{
    xf_target_free(h->ones[target].target);
    h->ones[target].target = NULL;
}

void herd_assert_same(struct herd *h, unsigned target)
{
    struct herd_one *one = &h->ones[target];
    uint64_t a[2], b[2];

    if (h->source_rc != XF_SESSION_DONE || one->rc != XF_SESSION_DONE)
        fail_msg("seed %llu, target %u: source %d (%s), target %d (%s)",
                 (unsigned long long)h->config.seed, target, h->source_rc,
                 xf_source_error(h->source), one->rc, xf_target_error(one->target));
    xf_simguest_hash(h->from, a);
    xf_simguest_hash(one->guest, b);
    if (a[0] != b[0] || a[1] != b[1])
        fail_msg("seed %llu, target %u: memory differs", (unsigned long long)h->config.seed,
                 target);
    assert_int_equal(xf_source_stats(h->source)->pages_total,
                     xf_target_stats(one->target)->pages_total);
    assert_int_equal(xf_source_stats(h->source)->rounds, xf_target_stats(one->target)->rounds);
    herd_assert_kept(h, target);
}

void herd_assert_dropped(struct herd *h, unsigned target, const char *words)
{
    struct xf_group_target t;

    xf_group_target(h->group, target, &t);
    if (!t.dropped || !strstr(t.why, words))
        fail_msg("seed %llu, target %u: %s, not '%s'", (unsigned long long)h->config.seed, target,
                 t.dropped ? t.why : "was kept", words);
}

void herd_assert_kept(struct herd *h, unsigned target)
{
    struct xf_group_target t;

    xf_group_target(h->group, target, &t);
    if (t.dropped)
        fail_msg("seed %llu, target %u was dropped: %s", (unsigned long long)h->config.seed, target,
                 t.why);
}

void herd_close(struct herd *h)
{
    xf_source_free(h->source);
    h->group->ops->close(h->group);
    for (unsigned i = 0; i < h->config.targets; i++) {
        struct herd_one *one = &h->ones[i];

        xf_target_free(one->target);
        for (unsigned end = 0; end < 2; end++)
            one->fault[end]->ops->close(one->fault[end]);
        xf_simlink_free(one->net);
        xf_simguest_free(one->guest);
    }
    free(h->spread);
    xf_simguest_free(h->from);
}
