/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hostile packets: what a stranger on the network sends (no key) is dropped and counted and changes
 * nothing; what an authentic peer must not send ends the session with a reason, before any of it is
 * used.
 */
#include "tests/unit/common/unit.h"

#include <lz4.h>

#include "transport/plan_live.h"
#include "transport/lane.h"
#include "transport/page.h"
#include "transport/sim/simguest.h"
#include "transport/sim/simlink.h"
#include "transport/source.h"
#include "transport/target.h"

#define PAGES 2000

/* A target (or a source) under test at end 1, and a peer that we write by hand at end 0. */
struct stage {
    struct xf_simlink *net;
    struct xf_simguest *guest;
    struct xf_offer offer;
    struct xf_target *target;
    struct xf_plan_live plan;
    struct xf_source *source;
    struct xf_session rogue;
    struct xf_lane lane; /* the rogue's */
    uint64_t sequence, now_us;
    int rc;
};

static void open_stage_with(struct stage *st, enum xf_role under_test, uint64_t features,
                            unsigned lanes, uint32_t payload_bytes)
{
    const struct xf_simlink_config net = {.queues = lanes, .payload_bytes = payload_bytes};

    memset(st, 0, sizeof(*st));
    st->now_us = 1000;
    assert_int_equal(xf_simlink_new(&st->net, &net), 0);
    assert_int_equal(xf_offer_new(&st->offer, xf_simlink_end(st->net, 0), PAGES), 0);
    st->offer.features = features;
    if (under_test == XF_ROLE_TARGET) {
        struct xf_target_config tc;
        struct xf_guest_sink sink;

        assert_int_equal(xf_simguest_new_empty(&st->guest, PAGES), 0);
        sink = xf_simguest_sink(st->guest);
        xf_target_config_init(&tc);
        tc.offer = st->offer;
        assert_int_equal(xf_target_new(&st->target, &tc, &sink, xf_simlink_end(st->net, 1), 1000),
                         0);
        xf_target_ready(st->target);
    } else {
        struct xf_source_config sc;
        struct xf_policy policy;
        struct xf_guest_source guest;

        assert_int_equal(xf_simguest_new(&st->guest, PAGES, XF_FILL_MIXED, 1, 0), 0);
        guest = xf_simguest_source(st->guest);
        xf_source_config_init(&sc);
        xf_policy_init(&policy);
        xf_plan_live_init(&st->plan, &policy, false);
        sc.plan = &st->plan.plan;
        sc.offer = st->offer;
        assert_int_equal(xf_source_new(&st->source, &sc, &guest, xf_simlink_end(st->net, 1), 1000),
                         0);
    }
    assert_int_equal(xf_session_init(&st->rogue, &st->offer, NULL,
                                     under_test == XF_ROLE_TARGET ? XF_ROLE_SOURCE : XF_ROLE_TARGET,
                                     xf_simlink_end(st->net, 0), 1000),
                     0);
    assert_int_equal(xf_lane_init(&st->lane, &st->rogue, 0, 1, 1, 1000), 0);
}

static void open_stage(struct stage *st, enum xf_role under_test)
{
    open_stage_with(st, under_test, 0, 1, 8972);
}

static void close_stage(struct stage *st)
{
    xf_target_free(st->target);
    xf_source_free(st->source);
    xf_lane_fini(&st->lane);
    xf_session_fini(&st->rogue);
    xf_simguest_free(st->guest);
    xf_simlink_free(st->net);
}

static void step(struct stage *st)
{
    st->now_us += 100;
    xf_simlink_advance(st->net, st->now_us);
    st->rc = st->target ? xf_target_step(st->target, st->now_us)
                        : xf_source_step(st->source, st->now_us);
}

static void send_body(struct stage *st, enum xf_packet_type type, const void *body, size_t len)
{
    assert_int_equal(xf_lane_send(&st->lane, type, st->sequence++, body, len, 0), 1);
    step(st);
}

static void send_raw(struct stage *st, const void *bytes, uint32_t len)
{
    struct xf_link *link = xf_simlink_end(st->net, 0);
    struct xf_buf buf;

    assert_int_equal(link->ops->tx_alloc(link, 0, &buf, 1), 1);
    memcpy(buf.data, bytes, len);
    buf.len = len;
    assert_int_equal(link->ops->tx_burst(link, 0, &buf, 1), 1);
    step(st);
}

/* A DATA packet with one record and so many bytes of payload. */
static void send_data(struct stage *st, uint32_t round, struct xf_wire_record r, size_t payload)
{
    static uint8_t body[XF_PAYLOAD_MAX];
    struct xf_wire_data head = {.round = round, .records = 1};

    memset(body, 0xee, sizeof(body));
    memcpy(body, &head, sizeof(head));
    memcpy(body + sizeof(head), &r, sizeof(r));
    send_body(st, XF_PACKET_DATA, body, sizeof(head) + sizeof(r) + payload);
}

static uint64_t rejected(const struct stage *st, enum xf_reject why)
{
    return (st->target ? xf_target_stats(st->target) : xf_source_stats(st->source))->rejects[why];
}

/* Round 1 as it should be: memory for pages 0..999, and zeros. */
static void populate_1000(struct stage *st)
{
    struct xf_wire_barrier b = {.round = 1, .pages = 1000};

    send_data(st, 1, (struct xf_wire_record){.count = 1000, .kind = XF_RECORD_POPULATE}, 0);
    send_data(st, 1, (struct xf_wire_record){.count = 1000, .kind = XF_RECORD_ZERO}, 0);
    send_body(st, XF_PACKET_BARRIER, &b, sizeof(b));
    assert_int_equal(st->rc, 0);
}

static void test_strangers_are_counted_and_dropped(void **state)
{
    struct stage st;
    uint8_t junk[200] = {0};
    struct xf_wire_header h;
    uint64_t before[2], after[2];

    (void)state;
    open_stage(&st, XF_ROLE_TARGET);
    populate_1000(&st);
    xf_simguest_hash(st.guest, before);

    send_raw(&st, junk, 0);
    send_raw(&st, junk, 31);
    assert_int_equal(rejected(&st, XF_REJECT_short_packet), 2);
    send_raw(&st, junk, 32);
    assert_int_equal(rejected(&st, XF_REJECT_unknown_version), 1);

    xf_session_header(&st.rogue, &h, XF_PACKET_FEEDBACK, 0, 500); /* reflected */
    memcpy(junk, &h, sizeof(h));
    send_raw(&st, junk, 100);
    h.type = 0x7f;
    memcpy(junk, &h, sizeof(h));
    send_raw(&st, junk, 100);
    assert_int_equal(rejected(&st, XF_REJECT_unknown_type), 2);

    h.type = XF_PACKET_DATA;
    h.session_tag ^= 1;
    memcpy(junk, &h, sizeof(h));
    send_raw(&st, junk, 100);
    assert_int_equal(rejected(&st, XF_REJECT_wrong_session), 1);

    h.session_tag ^= 1;
    h.queue = 1;
    memcpy(junk, &h, sizeof(h));
    send_raw(&st, junk, 100);
    assert_int_equal(rejected(&st, XF_REJECT_wrong_queue), 1);

    h.queue = 0;
    memcpy(junk, &h, sizeof(h));
    send_raw(&st, junk, 100);
    assert_int_equal(rejected(&st, XF_REJECT_forged), 1);

    h.sequence = 1; /* seen */
    memcpy(junk, &h, sizeof(h));
    send_raw(&st, junk, 100);
    assert_int_equal(rejected(&st, XF_REJECT_replayed), 1);

    h.sequence = 1000000000;
    memcpy(junk, &h, sizeof(h));
    send_raw(&st, junk, 100);
    assert_int_equal(rejected(&st, XF_REJECT_far_sequence), 1);

    assert_int_equal(st.rc, 0);
    xf_simguest_hash(st.guest, after);
    assert_memory_equal(before, after, sizeof(before));
    close_stage(&st);
}

static void test_lying_source(void **state)
{
    static const struct {
        const char *what;
        uint32_t round;
        struct xf_wire_record record;
        uint32_t payload;
        enum xf_reject why;
    } rows[] = {
        {"no such kind", 2, {.count = 1, .kind = 9}, 0, XF_REJECT_malformed},
        {"kind 0", 2, {.count = 1}, 0, XF_REJECT_malformed},
        {"no pages", 2, {.kind = XF_RECORD_ZERO}, 0, XF_REJECT_malformed},
        {"too long a run",
         2,
         {.count = XF_RUN_PAGES_MAX + 1, .kind = XF_RECORD_ZERO},
         0,
         XF_REJECT_malformed},
        {"too many whole pages",
         2,
         {.count = 0x7fff, .kind = XF_RECORD_RAW},
         4096,
         XF_REJECT_malformed},
        {"payload cut short", 2, {.count = 1, .kind = XF_RECORD_RAW}, 4095, XF_REJECT_malformed},
        {"payload too long", 2, {.count = 1, .kind = XF_RECORD_RAW}, 4097, XF_REJECT_malformed},
        {"payload for zeros", 2, {.count = 1, .kind = XF_RECORD_ZERO}, 16, XF_REJECT_malformed},
        {"fragment where pages are whole",
         2,
         {.count = 1, .kind = XF_RECORD_FRAG},
         4096,
         XF_REJECT_malformed},
        {"another space",
         2,
         {.count = 1, .kind = XF_RECORD_ZERO, .space = 1},
         0,
         XF_REJECT_malformed},
        {"first page beyond",
         2,
         {.index = PAGES, .count = 1, .kind = XF_RECORD_ZERO},
         0,
         XF_REJECT_outside_guest},
        {"last page beyond",
         2,
         {.index = PAGES - 1, .count = 2, .kind = XF_RECORD_ZERO},
         0,
         XF_REJECT_outside_guest},
        {"index wraps",
         2,
         {.index = UINT64_MAX, .count = 2, .kind = XF_RECORD_ZERO},
         0,
         XF_REJECT_outside_guest},
        {"memory beyond",
         2,
         {.index = 1990, .count = 11, .kind = XF_RECORD_POPULATE},
         0,
         XF_REJECT_outside_guest},
        {"page without memory",
         2,
         {.index = 1000, .count = 1, .kind = XF_RECORD_RAW},
         4096,
         XF_REJECT_not_populated},
        {"zeros without memory",
         2,
         {.index = 999, .count = 2, .kind = XF_RECORD_ZERO},
         0,
         XF_REJECT_not_populated},
        {"a round not begun", 3, {.count = 1, .kind = XF_RECORD_ZERO}, 0, XF_REJECT_future_round},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stage st;

        open_stage(&st, XF_ROLE_TARGET);
        populate_1000(&st);
        send_data(&st, rows[i].round, rows[i].record, rows[i].payload);
        if (st.rc != -EPROTO || rejected(&st, rows[i].why) != 1 || !*xf_target_error(st.target))
            fail_msg("%s: rc %d, counted %llu, error '%s'", rows[i].what, st.rc,
                     (unsigned long long)rejected(&st, rows[i].why), xf_target_error(st.target));
        close_stage(&st);
    }
}

/* A page, or memory for it, on a lane that it does not belong to; or half on one that it does. */
static void test_another_lane(void **state)
{
    static const struct xf_wire_record rows[] = {
        {.index = 512, .count = 1, .kind = XF_RECORD_POPULATE},
        {.index = 511, .count = 2, .kind = XF_RECORD_POPULATE},
        {.index = 512, .count = 1, .kind = XF_RECORD_RAW},
        {.index = 1536, .count = 1, .kind = XF_RECORD_ZERO},
        {.index = 500, .count = 600, .kind = XF_RECORD_DEFER},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stage st;

        open_stage_with(&st, XF_ROLE_TARGET, 0, 2, 8972);
        send_data(&st, 1, (struct xf_wire_record){.count = 512, .kind = XF_RECORD_POPULATE}, 0);
        assert_int_equal(st.rc, 0);
        send_data(&st, 1, rows[i], rows[i].kind == XF_RECORD_RAW ? XF_PAGE_BYTES : 0);
        assert_int_equal(st.rc, -EPROTO);
        assert_int_equal(rejected(&st, XF_REJECT_wrong_lane), 1);
        assert_non_null(strstr(xf_target_error(st.target), "on lane 0 of 2"));
        close_stage(&st);
    }
}

/* Fragment `frag` of page 0, all of its bytes alike. */
static void send_fragment(struct stage *st, struct xf_lane *lane, uint64_t *sequence, unsigned frag,
                          uint8_t byte)
{
    struct xf_wire_shape shape;
    const struct xf_wire_data head = {.round = 1, .records = 1};
    const struct xf_wire_record r = {.count = 1, .kind = XF_RECORD_FRAG, .frag = (uint8_t)frag};
    uint8_t body[XF_PAYLOAD_MAX];

    assert_int_equal(xf_wire_shape(&shape, 1444), 0);
    assert_true(shape.frags > 2);
    memcpy(body, &head, sizeof(head));
    memcpy(body + sizeof(head), &r, sizeof(r));
    memset(body + sizeof(head) + sizeof(r), byte, shape.frag_bytes);
    assert_int_equal(xf_lane_send(lane, XF_PACKET_DATA, (*sequence)++, body,
                                  sizeof(head) + sizeof(r) + xf_wire_frag_bytes(&shape, frag), 0),
                     1);
    step(st);
}

/*
 * Half of a page has arrived, its lane stands still, and the page, changed meanwhile, is repaired
 * by another lane; then the first goes on. No byte of the other one may be in the guest: were it
 * taken, the page would be of two halves, and both lanes would have counted it.
 */
static void test_no_page_of_two_lanes(void **state)
{
    struct stage st;
    struct xf_lane other;
    uint64_t other_sequence = 0;
    size_t bytes;

    (void)state;
    open_stage_with(&st, XF_ROLE_TARGET, 0, 2, 1444);
    assert_int_equal(xf_lane_init(&other, &st.rogue, 1, 1, 1, 1000), 0);
    send_data(&st, 1, (struct xf_wire_record){.count = 512, .kind = XF_RECORD_POPULATE}, 0);
    send_fragment(&st, &st.lane, &st.sequence, 0, 'a');
    assert_int_equal(st.rc, 0);
    send_fragment(&st, &other, &other_sequence, 0, 'b');
    assert_int_equal(st.rc, -EPROTO);
    assert_int_equal(rejected(&st, XF_REJECT_wrong_lane), 1);
    send_fragment(&st, &other, &other_sequence, 1, 'b');
    send_fragment(&st, &st.lane, &st.sequence, 2, 'a');
    const uint8_t *memory = xf_simguest_memory(st.guest, &bytes);

    assert_int_equal(memory[0], 'a');
    assert_null(memchr(memory, 'b', bytes));
    xf_lane_fini(&other);
    close_stage(&st);
}

/* Compressed pages that are none, or that were not offered: nothing of them gets into the guest. */
static void test_lying_compression(void **state)
{
    static const struct {
        const char *what;
        uint16_t claims;       /* to have so many bytes */
        uint16_t pages;        /* of the record */
        uint16_t decoded, cut; /* what the block is of, less so many bytes of the block */
        uint16_t rest;         /* beyond it */
        bool garbage, not_offered;
        enum xf_reject why;
    } rows[] = {
        {"as it should be", 0, 1, XF_PAGE_BYTES, 0, 0, false, false, XF_REJECT_COUNT},
        {"not offered", 0, 1, XF_PAGE_BYTES, 0, 0, false, true, XF_REJECT_malformed},
        {"empty", 1, 1, 0, 0, 0, false, false, XF_REJECT_malformed},
        {"longer than the rest", 1000, 1, XF_PAGE_BYTES, 0, 0, false, false, XF_REJECT_malformed},
        {"as long as a page", 4096, 1, XF_PAGE_BYTES, 0, 4096, false, false, XF_REJECT_malformed},
        {"one page too many", 0, 2, XF_PAGE_BYTES, 0, 0, false, false, XF_REJECT_malformed},
        {"half a length", 0, 2, XF_PAGE_BYTES, 0, 1, false, false, XF_REJECT_malformed},
        {"bytes behind it", 0, 1, XF_PAGE_BYTES, 0, 1, false, false, XF_REJECT_malformed},
        {"a byte too long", 0, 1, XF_PAGE_BYTES + 1, 0, 0, false, false, XF_REJECT_undecodable},
        {"a byte too short", 0, 1, XF_PAGE_BYTES - 1, 0, 0, false, false, XF_REJECT_undecodable},
        {"cut off", 0, 1, XF_PAGE_BYTES, 1, 0, false, false, XF_REJECT_undecodable},
        {"garbage", 0, 1, XF_PAGE_BYTES, 0, 0, true, false, XF_REJECT_undecodable},
    };
    static uint8_t body[XF_PAYLOAD_MAX], page[XF_PAGE_BYTES + 1];

    (void)state;
    memset(page, 0x77, sizeof(page));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xf_wire_data head = {.round = 2, .records = 1};
        struct xf_wire_record r = {.index = 7, .count = rows[i].pages, .kind = XF_RECORD_LZ4};
        uint8_t *payload = body + sizeof(head) + sizeof(r);
        uint64_t before[2], after[2];
        struct stage st;
        int n = 0;

        memset(body, 0xee, sizeof(body));
        memcpy(body, &head, sizeof(head));
        memcpy(body + sizeof(head), &r, sizeof(r));
        if (rows[i].decoded)
            n = LZ4_compress_default((const char *)page, (char *)payload + XF_CODED_HEAD_BYTES,
                                     rows[i].decoded, XF_PAGE_BYTES) -
                rows[i].cut;
        if (rows[i].garbage)
            memset(payload + XF_CODED_HEAD_BYTES, 0xee, (size_t)n);
        uint16_t bytes = rows[i].claims > 1 ? rows[i].claims : (uint16_t)n;

        memcpy(payload, &bytes, sizeof(bytes));
        open_stage_with(&st, XF_ROLE_TARGET, rows[i].not_offered ? 0 : XF_FEATURE_LZ4, 1, 8972);
        populate_1000(&st);
        xf_simguest_hash(st.guest, before);
        send_body(&st, XF_PACKET_DATA, body,
                  sizeof(head) + sizeof(r) + XF_CODED_HEAD_BYTES + (size_t)n + rows[i].rest);
        xf_simguest_hash(st.guest, after);
        bool lands = rows[i].why == XF_REJECT_COUNT;

        if (st.rc != (lands ? 0 : -EPROTO) || (!lands && rejected(&st, rows[i].why) != 1))
            fail_msg("%s: rc %d, error '%s'", rows[i].what, st.rc, xf_target_error(st.target));
        if (!memcmp(before, after, sizeof(before)) == lands)
            fail_msg("%s: the guest is %schanged", rows[i].what, lands ? "un" : "");
        close_stage(&st);
    }
}

/* Hashes that were not offered, or beside pages; pages that are said to hold and never did. */
static void test_lying_hashes(void **state)
{
    enum { V = XF_FEATURE_VERIFY, L = V | XF_FEATURE_VERIFY_LIVE };
    const struct xf_wire_record raw = {.count = 1, .kind = XF_RECORD_RAW},
                                hash = {.count = 1, .kind = XF_RECORD_HASH},
                                held = {.count = 1, .kind = XF_RECORD_HELD}, none = {.count = 0};
    const struct {
        const char *what;
        uint64_t features;
        struct xf_wire_record first, second;
        uint64_t pages; /* BARRIER, with these flags; 0: there is none */
        uint32_t flags;
        int rc;
        enum xf_reject why;
    } rows[] = {
        {"hashes not offered", 0, hash, none, 0, 0, -EPROTO, XF_REJECT_malformed},
        {"held not offered", V, held, none, 0, 0, -EPROTO, XF_REJECT_malformed},
        {"held as a fragment",
         L,
         {.count = 1, .kind = XF_RECORD_HELD, .frag = 1},
         none,
         0,
         0,
         -EPROTO,
         XF_REJECT_malformed},
        {"held beyond",
         L,
         {.index = PAGES - 1, .count = 2, .kind = XF_RECORD_HELD},
         none,
         0,
         0,
         -EPROTO,
         XF_REJECT_outside_guest},
        {"held without memory",
         L,
         {.index = 999, .count = 2, .kind = XF_RECORD_HELD},
         none,
         0,
         0,
         -EPROTO,
         XF_REJECT_not_populated},
        {"a page after its hash", L, hash, raw, 0, 0, -EPROTO, XF_REJECT_malformed},
        {"a hash after its page", V, raw, hash, 0, 0, -EPROTO, XF_REJECT_malformed},
        {"held after its page", L, raw, held, 0, 0, -EPROTO, XF_REJECT_malformed},
        {"a flag not offered", V, hash, none, 1, XF_BARRIER_HASHES, -EPROTO, XF_REJECT_malformed},
        {"hashes that end as pages", L, hash, none, 1, 0, -EPROTO, XF_REJECT_malformed},
        {"pages that end as hashes", L, raw, none, 1, XF_BARRIER_HASHES, -EPROTO,
         XF_REJECT_malformed},
        {"held without a hash", L, held, none, 1, XF_BARRIER_HASHES | XF_BARRIER_FINAL, -EILSEQ,
         XF_REJECT_COUNT},
        {"a wrong hash, while the guest runs", L, hash, none, 1, XF_BARRIER_HASHES, 0,
         XF_REJECT_COUNT},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct xf_wire_barrier b = {
            .round = 2, .pages = rows[i].pages, .flags = rows[i].flags};
        struct stage st;

        open_stage_with(&st, XF_ROLE_TARGET, rows[i].features, 1, 8972);
        populate_1000(&st);
        for (unsigned j = 0; j < 2; j++) {
            const struct xf_wire_record *r = j ? &rows[i].second : &rows[i].first;

            if (r->count)
                send_data(&st, 2, *r,
                          r->kind == XF_RECORD_RAW    ? XF_PAGE_BYTES
                          : r->kind == XF_RECORD_HASH ? XF_HASH_BYTES
                                                      : 0);
        }
        if (b.pages)
            send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
        if (st.rc != rows[i].rc ||
            (rows[i].why != XF_REJECT_COUNT && rejected(&st, rows[i].why) != 1))
            fail_msg("%s: rc %d, error '%s'", rows[i].what, st.rc, xf_target_error(st.target));
        close_stage(&st);
    }
}

/* What was wrong while the guest ran and is said to hold, and what held and was written since. */
static void test_held_after_all(void **state)
{
    uint8_t zeros[XF_PAGE_BYTES] = {0};

    (void)state;
    for (unsigned written = 0; written < 2; written++) {
        struct xf_wire_data head = {.round = 2, .records = 1};
        struct xf_wire_record r = {.index = 5, .count = 1, .kind = XF_RECORD_HASH};
        uint8_t body[sizeof(head) + sizeof(r) + XF_HASH_BYTES];
        struct xf_wire_barrier b = {.round = 2, .pages = 1, .flags = XF_BARRIER_HASHES};
        struct stage st;

        open_stage_with(&st, XF_ROLE_TARGET, XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE, 1, 8972);
        populate_1000(&st);
        memcpy(body, &head, sizeof(head));
        memcpy(body + sizeof(head), &r, sizeof(r));
        xf_page_hash(zeros, xf_page_hash_seed(st.offer.session_id) ^ !written,
                     body + sizeof(head) + sizeof(r));
        send_body(&st, XF_PACKET_DATA, body, sizeof(body));
        send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
        b = (struct xf_wire_barrier){.round = 3, .pages = written};
        if (written) /* the same once more, even */
            send_data(&st, 3,
                      (struct xf_wire_record){.index = 5, .count = 1, .kind = XF_RECORD_ZERO}, 0);
        send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
        assert_int_equal(st.rc, 0);
        b = (struct xf_wire_barrier){
            .round = 4, .pages = 1, .flags = XF_BARRIER_HASHES | XF_BARRIER_FINAL};
        send_data(&st, 4, (struct xf_wire_record){.index = 5, .count = 1, .kind = XF_RECORD_HELD},
                  0);
        send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
        assert_int_equal(st.rc, -EILSEQ);
        assert_string_equal(xf_target_error(st.target), "verify: 1 pages differ: 0x5");
        close_stage(&st);
    }
}

static void expect_refused(struct stage *st, const char *what)
{
    if (st->rc != -EPROTO)
        fail_msg("%s: rc %d", what, st->rc);
    close_stage(st);
}

static void test_lying_barriers_and_pings(void **state)
{
    struct stage st;
    struct xf_wire_barrier b = {.round = 2, .pages = PAGES + 1};
    struct xf_wire_ping p = {.floor = 1000};

    (void)state;
    open_stage(&st, XF_ROLE_TARGET);
    populate_1000(&st);
    send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
    expect_refused(&st, "more pages than the guest has");

    b = (struct xf_wire_barrier){.round = 3};
    open_stage(&st, XF_ROLE_TARGET);
    populate_1000(&st);
    send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
    expect_refused(&st, "a barrier of the future");

    b = (struct xf_wire_barrier){.round = 2};
    open_stage(&st, XF_ROLE_TARGET);
    populate_1000(&st);
    send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b) - 8);
    expect_refused(&st, "a short barrier");

    /* Fewer counted than landed: someone is wrong about what this guest is. */
    b = (struct xf_wire_barrier){.round = 2, .pages = 1};
    open_stage(&st, XF_ROLE_TARGET);
    populate_1000(&st);
    send_data(&st, 2, (struct xf_wire_record){.count = 2, .kind = XF_RECORD_ZERO}, 0);
    send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
    expect_refused(&st, "more landed than counted");

    open_stage(&st, XF_ROLE_TARGET);
    populate_1000(&st);
    send_body(&st, XF_PACKET_PING, &p, sizeof(p));
    expect_refused(&st, "a floor above its own packet");
}

static void test_barrier_waits_for_every_page(void **state)
{
    struct stage st;
    struct xf_wire_barrier b = {.round = 2, .pages = 3, .flags = XF_BARRIER_FINAL};

    (void)state;
    open_stage(&st, XF_ROLE_TARGET);
    populate_1000(&st);
    send_data(&st, 2, (struct xf_wire_record){.index = 5, .count = 1, .kind = XF_RECORD_RAW}, 4096);
    send_body(&st, XF_PACKET_BARRIER, &b, sizeof(b));
    assert_int_equal(st.rc, 0);
    /* The same page again is not another page. */
    send_data(&st, 2, (struct xf_wire_record){.index = 5, .count = 1, .kind = XF_RECORD_RAW}, 4096);
    send_data(&st, 2, (struct xf_wire_record){.index = 5, .count = 2, .kind = XF_RECORD_ZERO}, 0);
    assert_int_equal(st.rc, 0);
    send_data(&st, 2, (struct xf_wire_record){.index = 7, .count = 1, .kind = XF_RECORD_DEFER}, 0);
    assert_int_equal(st.rc, XF_SESSION_DONE);
    close_stage(&st);
}

static void answer_source(struct stage *st, uint16_t version, uint64_t pages, uint32_t payload)
{
    static uint8_t body[XF_PAYLOAD_MAX];
    struct xf_wire_shape shape;
    struct xf_wire_answer a = {.version = version,
                               .queues = 1,
                               .payload_bytes = payload,
                               .page_count = pages,
                               .credit = 100};

    memset(body, 0, sizeof(body));
    memcpy(body, &a, sizeof(a));
    send_body(st, XF_PACKET_ANSWER, body,
              xf_wire_shape(&shape, payload) || payload > 8972 ? sizeof(a) : shape.body_bytes);
}

static void feed(struct stage *st, struct xf_wire_feedback fb, unsigned ranges, uint32_t start,
                 uint32_t length)
{
    struct {
        struct xf_wire_feedback fb;
        struct xf_wire_range r;
    } m = {.fb = fb, .r = {start, length}};

    send_body(st, XF_PACKET_FEEDBACK, &m, sizeof(m.fb) + ranges * sizeof(m.r));
}

static void test_lying_target(void **state)
{
    struct stage st;

    (void)state;
    open_stage(&st, XF_ROLE_SOURCE);
    answer_source(&st, 2, PAGES, 8972);
    expect_refused(&st, "another version");
    open_stage(&st, XF_ROLE_SOURCE);
    answer_source(&st, 1, PAGES + 1, 8972);
    expect_refused(&st, "another guest");
    open_stage(&st, XF_ROLE_SOURCE);
    answer_source(&st, 1, PAGES, 9000);
    expect_refused(&st, "larger packets than offered");
    open_stage(&st, XF_ROLE_SOURCE);
    answer_source(&st, 1, PAGES, 200);
    expect_refused(&st, "packets too small for pages");

    static const struct {
        const char *what;
        struct xf_wire_feedback fb;
        unsigned ranges;
        uint32_t start, length;
        enum xf_reject why;
    } rows[] = {
        {"acknowledges what was never sent",
         {.base = 1000000, .horizon = 1000000, .credit = 1},
         0,
         0,
         0,
         XF_REJECT_dishonest_ack},
        {"ends a round that was not sent",
         {.round = 9, .credit = 1},
         0,
         0,
         0,
         XF_REJECT_dishonest_ack},
        {"horizon below base", {.base = 1, .credit = 1}, 0, 0, 0, XF_REJECT_malformed},
        {"unknown flag", {.flags = 0x80, .credit = 1}, 0, 0, 0, XF_REJECT_malformed},
        {"another receiver", {.receiver = 1, .credit = 1}, 0, 0, 0, XF_REJECT_malformed},
        {"ranges not there",
         {.ranges = 2, .horizon = 1, .credit = 1},
         1,
         0,
         1,
         XF_REJECT_malformed},
        {"range beyond the horizon",
         {.ranges = 1, .horizon = 1, .credit = 1},
         1,
         1,
         1,
         XF_REJECT_malformed},
        {"empty range", {.ranges = 1, .horizon = 1, .credit = 1}, 1, 0, 0, XF_REJECT_malformed},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        open_stage(&st, XF_ROLE_SOURCE);
        answer_source(&st, 1, PAGES, 8972);
        assert_int_equal(st.rc, 0);
        feed(&st, rows[i].fb, rows[i].ranges, rows[i].start, rows[i].length);
        if (rejected(&st, rows[i].why) != 1)
            fail_msg("%s: not counted, rc %d", rows[i].what, st.rc);
        expect_refused(&st, rows[i].what);
    }
}

/* Echoes of stamps that make the round trip look endless, and no credit: the pings go on. */
static void test_lying_echoes(void **state)
{
    struct xf_wire_feedback fb = {.flags = XF_FEEDBACK_READY};
    struct stage st;

    (void)state;
    open_stage(&st, XF_ROLE_SOURCE);
    st.now_us += 20000000;
    answer_source(&st, 1, PAGES, 8972);
    for (fb.stamp_us = 1; fb.stamp_us <= 40; fb.stamp_us++) {
        feed(&st, fb, 0, 0, 0);
        assert_int_equal(st.rc, 0);
    }
    uint64_t before = xf_source_stats(st.source)->packets_sent;

    for (unsigned i = 0; i < 30000; i++) /* 3 s */
        step(&st);
    assert_int_equal(st.rc, 0);
    assert_true(xf_source_stats(st.source)->packets_sent >= before + 2);
    close_stage(&st);
}

static void test_reason_is_shown_safely(void **state)
{
    struct stage st;
    struct xf_wire_reason r = {.code = 12};

    (void)state;
    memset(r.text, 'x', sizeof(r.text));
    memcpy(r.text, "\033[2Jno\nmemory", 13);
    r.text[13] = ' ';
    open_stage(&st, XF_ROLE_SOURCE);
    answer_source(&st, 1, PAGES, 8972);
    send_body(&st, XF_PACKET_REFUSE, &r, sizeof(r));
    assert_int_equal(st.rc, -ECONNABORTED);
    assert_non_null(strstr(xf_source_error(st.source), "?[2Jno?memory"));
    close_stage(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strangers_are_counted_and_dropped),
        cmocka_unit_test(test_lying_source),
        cmocka_unit_test(test_another_lane),
        cmocka_unit_test(test_no_page_of_two_lanes),
        cmocka_unit_test(test_lying_compression),
        cmocka_unit_test(test_lying_hashes),
        cmocka_unit_test(test_held_after_all),
        cmocka_unit_test(test_lying_barriers_and_pings),
        cmocka_unit_test(test_barrier_waits_for_every_page),
        cmocka_unit_test(test_lying_target),
        cmocka_unit_test(test_lying_echoes),
        cmocka_unit_test(test_reason_is_shown_safely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
