/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hostile network: someone who sees every packet of a migration, both ways, and of another one,
 * and sends what he likes to both ends, but has no key: copies, copies that are cut or changed,
 * packets thrown back at their sender, packets of the other session, rubbish. The guest arrives as
 * it was, each end counts by name what it was sent, and neither needs more memory for it.
 */
#include <malloc.h>

#include "transport/base/random.h"
#include "tests/unit/common/pair.h"

#define KEPT        64u
#define PACKET_MOST 9000u

struct attacker {
    struct xf_random random;
    struct pair *pair;
    struct packet {
        uint32_t len;
        uint8_t bytes[PACKET_MOST];
    } kept[2][KEPT]; /* by the end that sent them */
    unsigned seen[2];
    struct packet foreign; /* of another session */
    uint64_t sent[2];      /* to each end */
};

/* ---- seeing ------------------------------------------------------------------------------- */

static struct attacker *attacker;
static const struct xf_link_ops *honest;
static struct xf_link_ops tapped;

static unsigned tap_tx_burst(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n)
{
    unsigned end = link == attacker->pair->link[1];

    for (unsigned i = 0; i < n; i++) {
        unsigned *seen = &attacker->seen[end];
        struct packet *p = &attacker->kept[end][*seen % KEPT];

        assert_true(bufs[i].len <= PACKET_MOST);
        p->len = bufs[i].len;
        memcpy(p->bytes, bufs[i].data, bufs[i].len);
        ++*seen;
    }
    return honest->tx_burst(link, queue, bufs, n);
}

static void tap(struct pair *p)
{
    honest = p->link[0]->ops;
    tapped = *honest;
    tapped.tx_burst = tap_tx_burst;
    p->link[0]->ops = p->link[1]->ops = &tapped;
}

/* ---- sending ------------------------------------------------------------------------------ */

/* To `end`, as if from the other one. */
static void throw(struct attacker * a, unsigned end, const uint8_t *bytes, uint32_t len)
{
    struct xf_link *from = xf_simlink_end(a->pair->net, !end);
    unsigned queue = (unsigned)xf_random_below(&a->random, from->queues);
    struct xf_buf buf;

    if (from->ops->tx_alloc(from, queue, &buf, 1) != 1)
        return;
    buf.len = len < buf.cap ? len : buf.cap;
    memcpy(buf.data, bytes, buf.len);
    if (from->ops->tx_burst(from, queue, &buf, 1) != 1)
        from->ops->tx_free(from, queue, &buf, 1);
    else
        a->sent[end]++;
}

static void attack(struct attacker *a)
{
    uint8_t bytes[PACKET_MOST];
    unsigned end = (unsigned)xf_random_below(&a->random, 2);
    unsigned how = (unsigned)xf_random_below(&a->random, 7);
    /* What is thrown back was sent by the end that it hits; all else by the other one. */
    unsigned by = how == 1 ? end : !end;
    unsigned n = a->seen[by] < KEPT ? a->seen[by] : KEPT;

    if (!n)
        return;
    const struct packet *p = &a->kept[by][xf_random_below(&a->random, n)];

    if (how == 2)
        p = &a->foreign;
    uint32_t len = p->len;

    memcpy(bytes, p->bytes, len);
    if (how == 3) { /* one bit, often of the header's */
        uint32_t among = xf_random_below(&a->random, 2) ? len : 16;
        uint64_t bit = xf_random_below(&a->random, (uint64_t)among * 8);

        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    if (how == 4)
        len = (uint32_t)xf_random_below(&a->random, len);
    if (how == 5) { /* a number of its own choice */
        uint64_t sequence = xf_random_next(&a->random) >> xf_random_below(&a->random, 64);

        memcpy(bytes + 8, &sequence, sizeof(sequence));
    }
    if (how == 6) {
        len = (uint32_t)xf_random_below(&a->random, sizeof(bytes) - 500);
        for (uint32_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)xf_random_next(&a->random);
    }
    throw(a, end, bytes, len);
}

/* A packet of a session that the ends do not know. */
static void keep_foreign(struct attacker *a, uint64_t seed)
{
    struct pair_config c = pair_defaults(seed + 1000);
    static struct pair other;

    pair_open(&other, &c);
    a->pair = &other;
    tap(&other);
    while (!a->seen[0])
        pair_step(&other);
    a->foreign = a->kept[0][0];
    pair_close(&other);
    memset(a->seen, 0, sizeof(a->seen));
}

/* ---- what must hold ----------------------------------------------------------------------- */

struct counts {
    uint64_t sent, rejects[XF_REJECT_COUNT];
};

static void count(struct counts *c, uint64_t sent, const struct xf_stats *st)
{
    c->sent += sent;
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        c->rejects[i] += st->rejects[i];
}

static void assert_counted(const struct counts *c, unsigned end)
{
    static const enum xf_reject names[] = {XF_REJECT_unknown_version, XF_REJECT_unknown_type,
                                           XF_REJECT_wrong_session,   XF_REJECT_wrong_queue,
                                           XF_REJECT_forged,          XF_REJECT_short_packet,
                                           XF_REJECT_replayed,        XF_REJECT_far_sequence};
    uint64_t refused = 0;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!c->rejects[names[i]])
            fail_msg("end %u: no packet was counted as %s", end, xf_reject_names[names[i]]);
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        refused += c->rejects[i];
    /* All of it was, but for copies that came before what they are copies of, and for what came
       when the end was no longer there. */
    if (refused < c->sent / 2)
        fail_msg("end %u: %llu packets, %llu refused", end, (unsigned long long)c->sent,
                 (unsigned long long)refused);
}

static void test_nothing_but_time_is_lost(void **state)
{
    struct attacker *a = calloc(1, sizeof(*a));
    struct counts counts[2] = {0};

    (void)state;
    assert_non_null(a);
    attacker = a;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct pair_config c = pair_defaults(seed);
        struct pair p;

        memset(a, 0, sizeof(*a));
        a->random.state = seed;
        keep_foreign(a, seed);
        c.net.queues = 1 + seed % 2;
        c.net.payload_bytes = seed % 3 ? 8972 : 1472;
        c.features = seed % 2 ? XF_FEATURE_VERIFY : 0;
        pair_open(&p, &c);
        a->pair = &p;
        tap(&p);
        while (p.now_us < 30000000 && (p.source_rc == 0 || p.target_rc == 0)) {
            unsigned n = (unsigned)xf_random_below(&a->random, 4);

            for (unsigned i = 0; i < n; i++)
                attack(a);
            pair_step(&p);
        }
        pair_assert_same(&p);
        count(&counts[0], a->sent[0], xf_source_stats(p.source));
        count(&counts[1], a->sent[1], xf_target_stats(p.target));
        pair_close(&p);
    }
    assert_counted(&counts[0], 0);
    assert_counted(&counts[1], 1);
    free(a);
}

/* Packets are thrown, arrive and are gone. */
static void flood(struct attacker *a)
{
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 100; i++)
            attack(a);
        for (unsigned i = 0; i < 60; i++)
            pair_step(a->pair);
    }
}

/* Once the simulated link holds what it needs, no allocation follows from a packet. */
static void test_a_flood_takes_no_memory(void **state)
{
    struct attacker *a = calloc(1, sizeof(*a));
    struct pair_config c = pair_defaults(3);
    struct pair p;

    (void)state;
    assert_non_null(a);
    attacker = a;
    a->random.state = 3;
    keep_foreign(a, 3);
    c.ready_after_us = UINT64_MAX; /* the source waits meanwhile */
    c.net.bytes_per_s = 0;
    pair_open(&p, &c);
    a->pair = &p;
    tap(&p);
    flood(a);
    size_t before = mallinfo2().uordblks;

    flood(a);
    size_t after = mallinfo2().uordblks;

    assert_true(a->sent[0] + a->sent[1] > 10000);
    if (after > before) /* sanitizers have another malloc, which counts nothing here */
        fail_msg("%zu bytes more", after - before);
    p.config.ready_after_us = 0;
    pair_run(&p, 30000000);
    pair_assert_same(&p);
    pair_close(&p);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_but_time_is_lost),
        cmocka_unit_test(test_a_flood_takes_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
