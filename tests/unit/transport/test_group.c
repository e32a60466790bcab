/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Group: one source moves its guest to several targets at once, by a path for each or one for all.
 * Each has every page; who lies, is silent or holds up the others is dropped by name, and they go
 * on; no two targets seal with one key and nonce.
 */
#include "tests/unit/common/unit.h"

#include "tests/unit/common/herd.h"
#include "transport/base/random.h"
#include "transport/gather.h"
#include "transport/seal.h"
#include "transport/target_state.h"
#include "transport/worst_loss.h"

#define LIMIT_US 200000000u

static uint64_t wire_packets(const struct herd *h)
{
    return xf_source_stats(h->source)->packets_sent;
}

/* ---- what all of them have said ----------------------------------------------------------------
 */

/* Up to where, and whether it has that one. */
static bool has(const struct xf_told *t, uint64_t sequence)
{
    if (sequence < t->fb.base)
        return true;
    for (unsigned i = 0; i < t->fb.ranges; i++)
        if (sequence - t->fb.base >= t->ranges[i].start &&
            sequence - t->fb.base < (uint64_t)t->ranges[i].start + t->ranges[i].length)
            return false;
    return true;
}

static void make_told(struct xf_told *t, struct xf_random *random, unsigned ranges_most)
{
    uint64_t at = 1 + xf_random_below(random, 40);
    const uint64_t ranges = xf_random_below(random, ranges_most + 1);

    memset(t, 0, sizeof(*t));
    t->fb.base = xf_random_below(random, 300);
    for (unsigned i = 0; i < ranges; i++) {
        const uint64_t length = 1 + xf_random_below(random, 20);

        t->ranges[i] = (struct xf_wire_range){.start = (uint32_t)at, .length = (uint32_t)length};
        at += length + 1 + xf_random_below(random, 20);
    }
    t->fb.ranges = (uint16_t)ranges;
    t->fb.horizon = t->fb.base + at + xf_random_below(random, 50);
    t->fb.round = 1 + (uint32_t)xf_random_below(random, 3);
    t->fb.credit = (uint16_t)(1 + xf_random_below(random, 1000));
    t->fb.stamp_us = xf_random_below(random, 1000);
    t->fb.flags = (uint16_t)xf_random_below(random, 4);
}

static void check_gathered(const struct xf_told *all, const struct xf_told *of, unsigned n)
{
    uint8_t body[sizeof(struct xf_told)];
    const size_t len = sizeof(all->fb) + all->fb.ranges * sizeof(all->ranges[0]);

    memcpy(body, all, len);
    assert_int_equal(xf_wire_check_feedback(body, len, 0), 0);
    for (uint64_t s = 0; s < all->fb.horizon; s++) {
        bool everywhere = true;

        for (unsigned i = 0; i < n; i++)
            everywhere = everywhere && has(&of[i], s);
        assert_int_equal(has(all, s), everywhere);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_true(all->fb.horizon <= of[i].fb.horizon);
        assert_true(all->fb.round <= of[i].fb.round);
        assert_true(all->fb.credit <= of[i].fb.credit);
        assert_true(all->fb.stamp_us <= of[i].fb.stamp_us);
        assert_false(all->fb.flags & ~of[i].fb.flags);
    }
}

static void the_least_of_all(void **state)
{
    struct xf_random random = {.state = 1};
    struct xf_told of[XF_MEMBERS_MAX], all;
    const struct xf_told *pointers[XF_MEMBERS_MAX];
    bool cut = false;

    (void)state;
    for (unsigned i = 0; i < XF_MEMBERS_MAX; i++)
        pointers[i] = &of[i];
    for (unsigned turn = 0; turn < 3000; turn++) {
        const unsigned n = 1 + (unsigned)xf_random_below(&random, turn % 50 ? 4 : XF_MEMBERS_MAX);

        for (unsigned i = 0; i < n; i++)
            make_told(&of[i], &random, turn % 3 ? 12 : XF_RANGES_MAX);
        xf_gather(&all, pointers, n);
        check_gathered(&all, of, n);
        cut = cut || all.fb.ranges == XF_RANGES_MAX;
    }
    assert_true(cut); /* some had more than find room */
}

/* ---- whole moves -------------------------------------------------------------------------------
 */

static uint64_t move(const struct herd_config *c)
{
    struct herd h;

    herd_open(&h, c);
    herd_run(&h, LIMIT_US);
    for (unsigned i = 0; i < c->targets; i++)
        herd_assert_same(&h, i);
    const uint64_t packets = wire_packets(&h);

    herd_close(&h);
    return packets;
}

static void one_to_many(void **state)
{
    static const unsigned many[] = {1, 2, 3, 8, XF_MEMBERS_MAX};
    uint64_t of_one = 0;

    (void)state;
    for (unsigned shared = 0; shared < 2; shared++)
        for (unsigned i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
            struct herd_config c = herd_defaults(many[i], 1 + i);

            c.shared = shared;
            c.features = i % 2 ? XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE : XF_FEATURE_LZ4;
            c.writes_per_ms = 0;
            c.net.queues = 1 + i % 3;
            if (many[i] <= 3) {
                c.features = 0;
                c.net.queues = 1;
            }
            const uint64_t packets = move(&c);

            /* Sealed once, however many they are. */
            if (many[i] == 1)
                of_one = packets;
            if (many[i] <= 3)
                assert_in_range(packets, of_one - of_one / 20, of_one + of_one / 20);
        }
}

static void over_bad_links(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct herd_config c = herd_defaults(2 + seed % 4, seed);

        c.shared = seed % 2;
        c.net.queues = 1 + seed % 3;
        c.net.jitter_us = seed % 4 * 40;
        c.net.payload_bytes = seed % 5 ? 8972 : 1472;
        c.features = seed % 3 ? 0 : XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE | XF_FEATURE_LZ4;
        c.faults = (struct xf_fault_config){
            .loss_pct = 2, .reorder_pct = 4, .duplicate_pct = 2, .corrupt_pct = 1};
        move(&c);
    }
}

/* Seven of ten packets get lost somewhere, but no path loses much. */
static void many_lose_a_little(void **state)
{
    (void)state;
    struct herd_config c = herd_defaults(30, 5);

    c.shared = true;
    c.faults.loss_pct = 4;
    move(&c);
}

static void told_lacks(struct xf_told *t, uint32_t start, uint32_t length)
{
    memset(t, 0, sizeof(*t));
    t->fb.horizon = 1000;
    t->fb.ranges = 1;
    t->ranges[0] = (struct xf_wire_range){start, length};
}

static void the_worst_path_counts(void **state)
{
    struct xf_worst_loss w = {0};
    struct xf_told told[2], all;
    const struct xf_told *of[2] = {&told[0], &told[1]};

    (void)state;
    assert_int_equal(xf_worst_loss_share(&w), XF_WORST_LOSS_ALL);
    for (unsigned round = 0; round < 100; round++) {
        told_lacks(&told[0], 100, 30);
        told_lacks(&told[1], 500, 10);
        xf_gather(&all, of, 2);
        for (unsigned i = 0; i < 2; i++)
            xf_worst_loss_add(&w, i, &told[i], all.fb.horizon);
        xf_worst_loss_add(&w, XF_MEMBERS_MAX, &all, all.fb.horizon);
    }
    assert_in_range(xf_worst_loss_share(&w), 190, 194); /* three of four */
    /* One lacks all that any lacks. */
    for (unsigned round = 0; round < 1000; round++) {
        xf_worst_loss_add(&w, 1, &told[1], 505);
        xf_worst_loss_add(&w, XF_MEMBERS_MAX, &told[1], 505);
    }
    assert_in_range(xf_worst_loss_share(&w), 250, XF_WORST_LOSS_ALL);
}

/* What one of four lacks comes again, for all, and no more than that. */
static void one_bad_link(void **state)
{
    struct herd_config c = herd_defaults(4, 7);

    (void)state;
    c.writes_per_ms = 0;
    c.shared = true;
    const uint64_t clean = move(&c);

    c.faults.loss_pct = 2;
    c.faulty_n = 1;
    assert_true(move(&c) <= clean + clean / 4);
}

/* What goes to all does not come to one of them: it alone is sent copies, and lacks nothing. */
static void one_is_not_reached(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct herd_config c = herd_defaults(3, seed);
        struct xf_group_target t;
        struct herd h;

        c.shared = true;
        c.deaf = UINT64_C(1) << seed % 3;
        c.net.queues = (unsigned)seed;
        if (seed > 2)
            c.faults = (struct xf_fault_config){.loss_pct = 1, .reorder_pct = 2, .corrupt_pct = 1};
        herd_open(&h, &c);
        herd_run(&h, LIMIT_US);
        for (unsigned i = 0; i < 3; i++) {
            herd_assert_same(&h, i);
            xf_group_target(h.group, i, &t);
            assert_int_equal(t.by_copy, c.deaf >> i & 1);
        }
        herd_close(&h);
    }
}

/* ---- who is dropped ----------------------------------------------------------------------------
 */

static void runs_with_two(struct herd *h)
{
    herd_run(h, LIMIT_US);
    herd_assert_same(h, 0);
    herd_assert_same(h, 1);
    herd_close(h);
}

/* What goes to all does not come to it, and it cannot be sent copies. */
static void one_is_not_reached_at_all(void **state)
{
    struct herd_config c = herd_defaults(3, 10);
    struct herd h;

    (void)state;
    c.shared = c.no_copies = true;
    c.deaf = 1u << 2;
    herd_open(&h, &c);
    herd_run(&h, 5900000);
    herd_assert_kept(&h, 2);
    herd_run(&h, LIMIT_US);
    herd_assert_dropped(&h, 2, "host2 answers, but multicast does not reach it");
    runs_with_two(&h);
}

/* A group of one, as of xl-fast bench link --multicast: it waits for some seconds. */
static void the_network_is_slow_to_begin(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct herd_config c = herd_defaults(1, 20 + late);
        struct herd h;

        c.shared = c.no_copies = true;
        c.deaf = 1;
        herd_open(&h, &c);
        while (h.now_us < (late ? 6500000 : 5500000))
            herd_step(&h);
        h.config.deaf = 0;
        herd_run(&h, LIMIT_US);
        if (late)
            assert_non_null(strstr(xf_source_error(h.source), "host0 answers, but multicast"));
        else
            herd_assert_same(&h, 0);
        herd_close(&h);
    }
}

static void one_never_answers(void **state)
{
    struct herd_config c = herd_defaults(3, 11);
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    herd_kill(&h, 2);
    herd_run(&h, LIMIT_US);
    herd_assert_dropped(&h, 2, "host2 has not answered");
    runs_with_two(&h);
}

static void one_dies_midway(void **state)
{
    (void)state;
    for (unsigned shared = 0; shared < 2; shared++) {
        struct herd_config c = herd_defaults(3, 12);
        struct herd h;

        c.shared = shared;
        herd_open(&h, &c);
        while (!h.source_rc && xf_target_stats(h.ones[2].target)->packets_received < 100)
            herd_step(&h);
        assert_int_equal(h.source_rc, 0);
        herd_kill(&h, 2);
        herd_run(&h, LIMIT_US);
        herd_assert_dropped(&h, 2, "host2 has ");
        runs_with_two(&h);
    }
}

static void one_dies_in_the_last_round(void **state)
{
    struct herd_config c = herd_defaults(3, 13);
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    while (!h.source_rc && !h.suspended)
        herd_step(&h);
    assert_int_equal(h.source_rc, 0);
    const uint64_t stood_us = h.now_us;

    herd_kill(&h, 2);
    while (!h.source_rc)
        herd_step(&h);
    herd_assert_dropped(&h, 2, "lags 1000 ms behind");
    assert_true(h.now_us - stood_us < 1500000); /* of the virtual clock: the guest stands */
    runs_with_two(&h);
}

/* The toolstack keeps the source from looking for long: that is nobody's fault. */
static void the_source_sleeps(void **state)
{
    (void)state;
    for (uint64_t after = 1000; after < 3000; after += 100) {
        struct herd_config c = herd_defaults(3, after);
        struct herd h;

        c.shared = after % 200;
        c.net.jitter_us = 100;
        c.limits.min_bytes_per_s = 1000000;
        herd_open(&h, &c);
        for (uint64_t i = 0; i < after; i++)
            herd_step(&h);
        h.now_us += 12000000;
        herd_run(&h, LIMIT_US);
        herd_assert_same(&h, 2);
        runs_with_two(&h);
    }
}

static void one_refuses(void **state)
{
    struct herd_config c = herd_defaults(3, 14);
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    for (unsigned i = 0; i < 500; i++)
        herd_step(&h);
    xf_target_abort(h.ones[2].target, "no memory for it");
    herd_run(&h, LIMIT_US);
    herd_assert_dropped(&h, 2, "host2 refuses: no memory for it");
    runs_with_two(&h);
}

/* Who drops one tells the source so, once: what stood still until then is no fault of the others.
 */
static void a_drop_renews_the_peer(void **state)
{
    struct herd_config c = herd_defaults(3, 23);
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    for (unsigned i = 0; i < 500; i++)
        herd_step(&h);
    assert_false(h.group->ops->renewed(h.group));
    xf_group_drop(h.group, 2, -EIO, "is not wanted");
    assert_true(h.group->ops->renewed(h.group));
    assert_false(h.group->ops->renewed(h.group));
    herd_run(&h, LIMIT_US);
    runs_with_two(&h);
}

static void one_takes_short_packets_only(void **state)
{
    struct herd_config c = herd_defaults(3, 15);
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    xf_simlink_set_path_bytes(h.ones[2].net, 2000);
    herd_run(&h, LIMIT_US);
    herd_assert_dropped(&h, 2, "only short packets pass");
    runs_with_two(&h);
}

/* Each has its own link: the slow one's loses what is too much for it. */
static void one_is_slow(void **state)
{
    struct herd_config c = herd_defaults(3, 16);
    struct herd h;

    (void)state;
    c.pages = 20000;
    c.limits.min_bytes_per_s = 5000000;
    herd_open(&h, &c);
    for (unsigned i = 0; i < 200; i++)
        herd_step(&h);
    xf_simlink_set_loss(h.ones[2].net, 70);
    herd_run(&h, LIMIT_US);
    herd_assert_dropped(&h, 2, "holds up the others");
    runs_with_two(&h);
}

static void all_or_none(void **state)
{
    struct herd_config c = herd_defaults(3, 17);
    struct herd h;

    (void)state;
    c.limits.all_or_none = true;
    herd_open(&h, &c);
    for (unsigned i = 0; i < 500; i++)
        herd_step(&h);
    xf_target_abort(h.ones[1].target, "no memory for it");
    herd_run(&h, LIMIT_US);
    assert_int_equal(h.source_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_source_error(h.source), "host1 refuses: no memory for it"));
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(h.ones[i].rc, XF_SESSION_DONE);
    herd_close(&h);
}

static void the_last_one_is_gone(void **state)
{
    struct herd_config c = herd_defaults(2, 18);
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    herd_kill(&h, 0);
    herd_kill(&h, 1);
    herd_run(&h, LIMIT_US);
    assert_int_equal(h.source_rc, -ECONNABORTED);
    assert_non_null(strstr(xf_source_error(h.source), "has not answered"));
    herd_close(&h);
}

/* Its control channel has ended. */
static void its_owner_drops_one(void **state)
{
    struct herd_config c = herd_defaults(3, 19);
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    for (unsigned i = 0; i < 500; i++)
        herd_step(&h);
    xf_group_drop(h.group, 2, -EPIPE, "has closed the connection");
    herd_run(&h, LIMIT_US);
    herd_assert_dropped(&h, 2, "host2 has closed the connection");
    runs_with_two(&h);
}

/* ---- who lies ----------------------------------------------------------------------------------
 */

/* What target 2 of three says in place of its own end: sealed with its key. */
struct rogue {
    struct herd h;
    struct xf_seal *seal;
    uint64_t sequence;
    struct xf_wire_feedback fb; /* what would be true */
};

static void send_as(struct rogue *r, uint16_t number, uint8_t type, const void *body, size_t len)
{
    struct xf_link *link = r->h.ones[2].fault[1];
    struct xf_wire_header header = {.version = XF_WIRE_VERSION,
                                    .type = type,
                                    .queue = (uint16_t)(number << XF_RECEIVER_SHIFT),
                                    .sequence = r->sequence++};
    struct xf_seal_run run;
    struct xf_buf buf;

    memcpy(&header.session_tag, r->h.offer.session_id, sizeof(header.session_tag));
    assert_int_equal(link->ops->tx_alloc(link, 0, &buf, 1), 1);
    memcpy(buf.data, &header, sizeof(header));
    xf_seal_begin(r->seal, &run, &header);
    xf_seal_update(r->seal, &run, buf.data + sizeof(header), body, len);
    xf_seal_end(r->seal, &run, buf.data + sizeof(header) + len);
    buf.len = (uint32_t)(sizeof(header) + len + XF_TAG_BYTES);
    assert_int_equal(link->ops->tx_burst(link, 0, &buf, 1), 1);
}

/* In the midst of it, the third target's end is ours. */
static void open_rogue(struct rogue *r, uint64_t seed)
{
    struct herd_config c = herd_defaults(3, seed);
    struct xf_group_target t;

    c.pages = 6000;
    herd_open(&r->h, &c);
    do {
        herd_step(&r->h);
        xf_group_target(r->h.group, 2, &t);
    } while (!t.ready || xf_target_stats(r->h.ones[2].target)->packets_received < 50);
    assert_int_equal(r->h.source_rc, 0);
    const uint64_t base = r->h.ones[2].target->lanes[0].lane.window.base;

    r->fb = (struct xf_wire_feedback){.receiver = 2,
                                      .round = r->h.ones[2].target->round,
                                      .base = base,
                                      .horizon = base,
                                      .credit = (uint16_t)r->h.ones[2].target->shared->credit,
                                      .flags = XF_FEEDBACK_READY};
    herd_kill(&r->h, 2);
    r->sequence = 2000; /* beyond what it has used */
    assert_int_equal(xf_seal_new_two(&r->seal, r->h.offer.secret, r->h.members[2].secret,
                                     r->h.offer.session_id, XF_ROLE_TARGET),
                     0);
}

static void close_rogue(struct rogue *r, const char *words)
{
    for (unsigned i = 0; i < 50; i++)
        herd_step(&r->h);
    herd_assert_dropped(&r->h, 2, words);
    xf_seal_free(r->seal);
    runs_with_two(&r->h);
}

static void it_acknowledges_too_much(void **state)
{
    struct rogue r;

    (void)state;
    open_rogue(&r, 21);
    r.fb.horizon = 1u << 30;
    send_as(&r, 2, XF_PACKET_FEEDBACK, &r.fb, sizeof(r.fb));
    close_rogue(&r, "acknowledges what was never sent");
}

static void it_is_ahead(void **state)
{
    struct rogue r;

    (void)state;
    open_rogue(&r, 22);
    r.fb.round = 4;
    send_as(&r, 2, XF_PACKET_FEEDBACK, &r.fb, sizeof(r.fb));
    close_rogue(&r, "counts rounds that were not sent");
}

static void it_takes_back(void **state)
{
    struct rogue r;

    (void)state;
    open_rogue(&r, 23);
    r.fb.base = r.fb.horizon = 0;
    send_as(&r, 2, XF_PACKET_FEEDBACK, &r.fb, sizeof(r.fb));
    close_rogue(&r, "takes back what it has said");
}

static void it_takes_less(void **state)
{
    struct rogue r;

    (void)state;
    open_rogue(&r, 27);
    r.fb.credit = 0;
    send_as(&r, 2, XF_PACKET_FEEDBACK, &r.fb, sizeof(r.fb));
    close_rogue(&r, "takes back what it has said");
}

static void it_is_malformed(void **state)
{
    struct rogue r;

    (void)state;
    open_rogue(&r, 24);
    r.fb.receiver = 1;
    send_as(&r, 2, XF_PACKET_FEEDBACK, &r.fb, sizeof(r.fb));
    close_rogue(&r, "malformed FEEDBACK");
}

static void it_floods(void **state)
{
    struct rogue r;

    (void)state;
    open_rogue(&r, 25);
    for (unsigned i = 0; i < 70000; i++) {
        send_as(&r, 2, XF_PACKET_FEEDBACK, &r.fb, sizeof(r.fb));
        if (i % 50 == 0)
            herd_step(&r.h);
    }
    close_rogue(&r, "sends more than it may");
}

/* Another's number, with its own key: authentic for nobody, and nobody is dropped for it. */
static void it_speaks_for_another(void **state)
{
    struct rogue r;
    const struct xf_wire_reason reason = {.code = EIO, .text = "forged"};

    (void)state;
    open_rogue(&r, 26);
    send_as(&r, 1, XF_PACKET_REFUSE, &reason, sizeof(reason));
    send_as(&r, 0, XF_PACKET_REFUSE, &reason, sizeof(reason));
    for (unsigned i = 0; i < 50; i++)
        herd_step(&r.h);
    for (unsigned i = 0; i < 3; i++)
        herd_assert_kept(&r.h, i);
    herd_run(&r.h, LIMIT_US); /* it is silent now */
    close_rogue(&r, "host2 has ");
}

/* ---- keys and nonces ---------------------------------------------------------------------------
 */

#define SEEN_MAX 20000u

static struct {
    struct {
        uint16_t queue;
        uint64_t sequence;
        uint8_t tag[XF_TAG_BYTES];
    } of[SEEN_MAX];
    unsigned n;
    const struct xf_link_ops *usual;
} seen;

static unsigned watching_tx(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    for (unsigned i = 0; i < n && seen.n < SEEN_MAX; i++) {
        struct xf_wire_header h;

        memcpy(&h, bufs[i].data, sizeof(h));
        seen.of[seen.n].queue = h.queue;
        seen.of[seen.n].sequence = h.sequence;
        memcpy(seen.of[seen.n++].tag, bufs[i].data + bufs[i].len - XF_TAG_BYTES, XF_TAG_BYTES);
    }
    return seen.usual->tx_burst(link, queue, bufs, n);
}

/* The nonce is the header's queue and sequence: of no two targets the same, even if their keys were
   one; and their keys are not. */
static void no_nonce_twice(void **state)
{
    struct herd_config c = herd_defaults(3, 31);
    struct xf_link_ops watching;
    struct herd h;

    (void)state;
    seen.n = 0;
    herd_open(&h, &c);
    seen.usual = h.ones[0].fault[1]->ops;
    watching = *seen.usual;
    watching.tx_burst = watching_tx;
    for (unsigned i = 0; i < 3; i++)
        h.ones[i].fault[1]->ops = &watching;
    herd_run(&h, LIMIT_US);
    assert_in_range(seen.n, 30, SEEN_MAX - 1);
    for (unsigned i = 0; i < seen.n; i++)
        for (unsigned j = 0; j < i; j++)
            if (seen.of[i].queue == seen.of[j].queue && seen.of[i].sequence == seen.of[j].sequence)
                fail_msg("queue %u, sequence %llu twice", seen.of[i].queue,
                         (unsigned long long)seen.of[i].sequence);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(h.members[i].secret, h.members[j].secret, XF_SECRET_BYTES);
    for (unsigned i = 0; i < 3; i++) {
        h.ones[i].fault[1]->ops = seen.usual;
        herd_assert_same(&h, i);
    }
    herd_close(&h);
}

/* ---- what a target is told ---------------------------------------------------------------------
 */

static void bad_members(void **state)
{
    struct xf_member m[2], got;
    uint8_t wire[XF_MEMBER_BYTES], bad[XF_MEMBER_BYTES];
    char why[160];

    (void)state;
    assert_int_equal(xf_members_new(m, 0, NULL), -EINVAL);
    assert_int_equal(xf_members_new(m, XF_MEMBERS_MAX + 1, NULL), -EINVAL);
    assert_int_equal(xf_members_new(m, 2, NULL), 0);
    xf_member_encode(&m[1], wire);
    assert_int_equal(xf_member_decode(&got, wire, sizeof(wire), why), 0);
    assert_memory_equal(&got, &m[1], sizeof(got));
    assert_int_equal(xf_member_decode(&got, wire, sizeof(wire) - 1, why), -EBADMSG);
    static const struct {
        unsigned at;
        uint8_t byte;
    } wrong[] = {{0, 'Y'}, {4, 2},  {4, 200}, {6, 0},  {6, 65},
                 {8, 1},   {14, 1}, {16, 1},  {20, 1}, {31, 1}};

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(bad, wire, sizeof(bad));
        bad[wrong[i].at] = wrong[i].byte;
        if (xf_member_decode(&got, bad, sizeof(bad), why) != -EBADMSG)
            fail_msg("byte %u", wrong[i].at);
    }
}

/* A target needs what its offer says that it has, and refuses what its offer does not say. */
static void a_group_and_its_offer(void **state)
{
    struct herd_config c = herd_defaults(1, 41);
    uint8_t wire[XF_OFFER_BYTES];
    struct xf_offer got;
    char why[160];
    struct herd h;

    (void)state;
    herd_open(&h, &c);
    xf_offer_encode(&h.offer, wire);
    assert_int_equal(xf_offer_decode_group(&got, wire, sizeof(wire), why), 0);
    assert_int_equal(xf_offer_decode(&got, wire, sizeof(wire), why), -EPROTONOSUPPORT);
    assert_string_equal(why, "the source sends to a group of targets, and this is none");
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        struct xf_guest_sink sink = xf_simguest_sink(h.ones[0].guest);
        struct xf_target_config tc;
        struct xf_target *t;

        xf_target_config_init(&tc);
        tc.offer = h.offer;
        if (wrong) {
            tc.member = h.members[0];
            tc.offer.features = 0;
        }
        assert_int_equal(xf_target_new(&t, &tc, &sink, h.ones[0].fault[1], h.now_us),
                         -EPROTONOSUPPORT);
    }
    herd_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_of_all),
        cmocka_unit_test(one_to_many),
        cmocka_unit_test(over_bad_links),
        cmocka_unit_test(many_lose_a_little),
        cmocka_unit_test(the_worst_path_counts),
        cmocka_unit_test(one_bad_link),
        cmocka_unit_test(one_is_not_reached),
        cmocka_unit_test(one_is_not_reached_at_all),
        cmocka_unit_test(the_network_is_slow_to_begin),
        cmocka_unit_test(one_never_answers),
        cmocka_unit_test(one_dies_midway),
        cmocka_unit_test(one_dies_in_the_last_round),
        cmocka_unit_test(the_source_sleeps),
        cmocka_unit_test(one_refuses),
        cmocka_unit_test(a_drop_renews_the_peer),
        cmocka_unit_test(one_takes_short_packets_only),
        cmocka_unit_test(one_is_slow),
        cmocka_unit_test(all_or_none),
        cmocka_unit_test(the_last_one_is_gone),
        cmocka_unit_test(its_owner_drops_one),
        cmocka_unit_test(it_acknowledges_too_much),
        cmocka_unit_test(it_is_ahead),
        cmocka_unit_test(it_takes_back),
        cmocka_unit_test(it_takes_less),
        cmocka_unit_test(it_is_malformed),
        cmocka_unit_test(it_floods),
        cmocka_unit_test(it_speaks_for_another),
        cmocka_unit_test(no_nonce_twice),
        cmocka_unit_test(bad_members),
        cmocka_unit_test(a_group_and_its_offer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
