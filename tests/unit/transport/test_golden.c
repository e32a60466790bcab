/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Golden vectors: what is on the wire, byte for byte, as tests/golden/reference.py makes it from
 * PROTOCOL.md without this code. If one of these changes, the protocol has changed.
 */

#include "tests/unit/common/unit.h"

#include <errno.h>
#include <lz4.h>
#include <strings.h>

#include "transport/session.h"

static const uint8_t session_id[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static uint8_t secret[32];
static uint8_t golden[XF_PAYLOAD_MAX];

/* Reads the named line of packets.txt into golden; returns its length. */
static size_t load(const char *name)
{
    const char *path = getenv("XF_GOLDEN");
    FILE *f = fopen(path ? path : "tests/golden/packets.txt", "r");
    static char line[XF_PAYLOAD_MAX * 2 + 64];
    size_t len = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        size_t n = strlen(name);

        if (strncmp(line, name, n) || line[n] != ' ')
            continue;
        for (const char *p = line + n + 1; *p && *p != '\n'; p += 2) {
            unsigned byte;

            assert_int_equal(sscanf(p, "%2x", &byte), 1);
            golden[len++] = (uint8_t)byte;
        }
    }
    fclose(f);
    if (!len)
        fail_msg("no vector %s", name);
    return len;
}

static void pattern(uint8_t *out, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(seed + 7 * i + (i >> 8));
}

/* Seals a packet of the given body and compares; then opens the golden one and compares the body.
 */
static void check_of(const char *name, enum xf_role from, const struct xf_member *member,
                     enum xf_packet_type type, unsigned queue, uint64_t sequence, const void *body,
                     size_t len)
{
    struct xf_session s = {.role = from};
    const uint8_t *own = member ? member->secret : secret;
    struct xf_seal *other;
    struct xf_wire_header h;
    struct xf_seal_run run;
    uint8_t out[XF_PAYLOAD_MAX], plain[XF_PAYLOAD_MAX];
    size_t want = load(name);

    memcpy(&s.tag, session_id, 4);
    s.receiver = member ? member->number : 0;
    assert_int_equal(xf_seal_new_two(&s.seal, secret, own, session_id, from), 0);
    assert_int_equal(xf_seal_new_two(&other, secret, own, session_id,
                                     from == XF_ROLE_SOURCE ? XF_ROLE_TARGET : XF_ROLE_SOURCE),
                     0);
    xf_session_header(&s, &h, type, queue, sequence);
    memcpy(out, &h, sizeof(h));
    xf_seal_begin(s.seal, &run, &h);
    xf_seal_update(s.seal, &run, out + sizeof(h), body, len);
    xf_seal_end(s.seal, &run, out + sizeof(h) + len);
    assert_int_equal(want, sizeof(h) + len + XF_TAG_BYTES);
    assert_memory_equal(out, golden, want);

    memcpy(&h, golden, sizeof(h));
    assert_int_equal(
        xf_seal_open(other, &h, golden + sizeof(h), len, golden + sizeof(h) + len, plain), 0);
    assert_memory_equal(plain, body, len);
    /* The sender's own end must not take it back: reflection. */
    assert_int_equal(
        xf_seal_open(s.seal, &h, golden + sizeof(h), len, golden + sizeof(h) + len, plain),
        -EBADMSG);
    xf_seal_free(s.seal);
    xf_seal_free(other);
}

static void check(const char *name, enum xf_role from, enum xf_packet_type type, unsigned queue,
                  uint64_t sequence, const void *body, size_t len)
{
    check_of(name, from, NULL, type, queue, sequence, body, len);
}

static size_t data_body(uint8_t *out, uint32_t round, uint32_t floor_delta,
                        const struct xf_wire_record *records, unsigned n)
{
    struct xf_wire_data head = {.round = round, .floor_delta = floor_delta, .records = (uint16_t)n};

    memcpy(out, &head, sizeof(head));
    memcpy(out + sizeof(head), records, n * sizeof(records[0]));
    return sizeof(head) + n * sizeof(records[0]);
}

static void test_keys(void **state)
{
    uint8_t key[32];

    (void)state;
    assert_int_equal(load("key_to_target"), 32);
    xf_hkdf_sha256(session_id, 16, secret, 32, (const uint8_t *)"xl-fast 1 source to target", 26,
                   key, 32);
    assert_memory_equal(key, golden, 32);
    assert_int_equal(load("key_to_source"), 32);
    xf_hkdf_sha256(session_id, 16, secret, 32, (const uint8_t *)"xl-fast 1 target to source", 26,
                   key, 32);
    assert_memory_equal(key, golden, 32);
}

static void test_offer(void **state)
{
    struct xf_offer o = {
        .version = 1,
        .queues = 2,
        .payload_bytes = 8972,
        .page_count = 49152,
        .source = {.mac = {2, 0, 0, 0, 0, 1}, .udp_port = 7950, .ipv4 = 0x0a5a0001},
    };
    struct xf_offer back;
    uint8_t out[XF_OFFER_BYTES];

    (void)state;
    memcpy(o.session_id, session_id, 16);
    memcpy(o.secret, secret, 32);
    xf_offer_encode(&o, out);
    assert_int_equal(load("offer"), sizeof(out));
    assert_memory_equal(out, golden, sizeof(out));
    assert_int_equal(xf_offer_decode(&back, golden, sizeof(out), NULL), 0);
    assert_int_equal(back.page_count, 49152);
    assert_int_equal(back.source.ipv4, 0x0a5a0001);
}

static void test_data(void **state)
{
    uint8_t body[XF_PAYLOAD_MAX];
    size_t n;

    (void)state;
    n = data_body(
        body, 1, 0,
        (struct xf_wire_record[]){{.index = 0, .count = 512, .kind = XF_RECORD_POPULATE},
                                  {.index = 1024, .count = 3, .kind = XF_RECORD_POPULATE}},
        2);
    check("data_populate", XF_ROLE_SOURCE, XF_PACKET_DATA, 0, 0, body, n);

    n = data_body(body, 2, 5,
                  (struct xf_wire_record[]){{.index = 7, .count = 1, .kind = XF_RECORD_RAW},
                                            {.index = 8, .count = 100, .kind = XF_RECORD_ZERO},
                                            {.index = 200, .count = 1, .kind = XF_RECORD_RAW},
                                            {.index = 300, .count = 2, .kind = XF_RECORD_DEFER}},
                  4);
    pattern(body + n, 4096, 1);
    pattern(body + n + 4096, 4096, 99);
    check("data_raw_zero_defer", XF_ROLE_SOURCE, XF_PACKET_DATA, 1, 0x1122334455, body, n + 8192);

    struct xf_wire_shape shape;

    assert_int_equal(xf_wire_shape(&shape, 1472), 0);
    assert_int_equal(xf_wire_frag_bytes(&shape, 2), 4096 - 2 * 1376);
    n = data_body(
        body, 3, 9,
        (struct xf_wire_record[]){{.index = 42, .count = 1, .kind = XF_RECORD_FRAG, .frag = 2}}, 1);
    pattern(body + n, 4096 - 2 * 1376, 5);
    check("data_frag", XF_ROLE_SOURCE, XF_PACKET_DATA, 0, 9, body, n + 4096 - 2 * 1376);
}

static void test_hash(void **state)
{
    uint8_t body[256];
    size_t n =
        data_body(body, 4, 1,
                  (struct xf_wire_record[]){{.index = 100, .count = 3, .kind = XF_RECORD_HASH}}, 1);

    (void)state;
    pattern(body + n, 48, 3);
    check("data_hash", XF_ROLE_SOURCE, XF_PACKET_DATA, 0, 13, body, n + 48);

    n = data_body(
        body, 6, 1,
        (struct xf_wire_record[]){{.index = 0, .count = XF_RUN_PAGES_MAX, .kind = XF_RECORD_HELD},
                                  {.index = 0x9000, .count = 7, .kind = XF_RECORD_HELD}},
        2);
    check("data_held", XF_ROLE_SOURCE, XF_PACKET_DATA, 0, 15, body, n);
}

/* The second implementation makes blocks of its own: what has to hold is that they are pages. */
static void test_lz4(void **state)
{
    struct xf_wire_shape shape;
    uint8_t body[1024], page[XF_PAGE_BYTES];
    size_t n =
        data_body(body, 5, 2,
                  (struct xf_wire_record[]){{.index = 50, .count = 2, .kind = XF_RECORD_LZ4},
                                            {.index = 60, .count = 1, .kind = XF_RECORD_LZ4}},
                  2);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t byte = (uint8_t)(0x11 * (i + 1)), start[] = {26, 0, 0x1f, byte, 1, 0};

        memcpy(body + n, start, sizeof(start));
        memset(body + n + 6, 0xff, 15);
        body[n + 21] = 4090 - 4 - 15 - 15 * 255;
        body[n + 22] = 0x50;
        memset(body + n + 23, byte, 5);
        assert_int_equal(
            LZ4_decompress_safe((const char *)body + n + 2, (char *)page, 26, sizeof(page)),
            sizeof(page));
        n += 28;
    }
    check("data_lz4", XF_ROLE_SOURCE, XF_PACKET_DATA, 0, 14, body, n);
    assert_int_equal(xf_wire_shape(&shape, 8972), 0);
    assert_int_equal(xf_wire_check_data(&shape, XF_FEATURE_LZ4, body, n, 1000), 0);
    assert_int_equal(xf_wire_check_data(&shape, ~XF_FEATURE_LZ4, body, n, 1000), -EBADMSG);
}

static void test_control(void **state)
{
    struct xf_wire_barrier barrier = {
        .round = 3, .flags = XF_BARRIER_FINAL, .pages = 1234, .floor = 10};
    struct xf_wire_ping ping = {.floor = 3, .stamp_us = 1000001};
    struct xf_wire_reason abort_ = {.code = 125, .text = "the user said so"};
    struct xf_wire_reason refuse = {.code = 12, .text = "no memory"};
    struct xf_wire_answer answer = {
        .version = 1,
        .queues = 2,
        .payload_bytes = 8972,
        .page_count = 49152,
        .mac = {2, 0, 0, 0, 0, 2},
        .udp_port = 7950,
        .ipv4 = 0x0a5a0002,
        .credit = 384,
    };
    struct {
        struct xf_wire_feedback fb;
        struct xf_wire_range ranges[2];
    } feedback = {
        .fb = {.round = 2,
               .base = 100,
               .horizon = 140,
               .landed = 77,
               .stamp_us = 1000001,
               .credit = 384,
               .late = 9,
               .flags = XF_FEEDBACK_READY,
               .ranges = 2},
        .ranges = {{0, 3}, {20, 1}},
    };

    (void)state;
    check("barrier", XF_ROLE_SOURCE, XF_PACKET_BARRIER, 0, 10, &barrier, sizeof(barrier));
    barrier = (struct xf_wire_barrier){
        .round = 4, .flags = XF_BARRIER_FINAL | XF_BARRIER_HASHES, .pages = 1234, .floor = 16};
    check("barrier_hashes", XF_ROLE_SOURCE, XF_PACKET_BARRIER, 0, 16, &barrier, sizeof(barrier));
    check("ping", XF_ROLE_SOURCE, XF_PACKET_PING, 1, 11, &ping, sizeof(ping));
    check("abort", XF_ROLE_SOURCE, XF_PACKET_ABORT, 0, 12, &abort_, sizeof(abort_));
    check("answer", XF_ROLE_TARGET, XF_PACKET_ANSWER, 0, 0, &answer, sizeof(answer));
    check("feedback", XF_ROLE_TARGET, XF_PACKET_FEEDBACK, 1, 1, &feedback, sizeof(feedback));
    check("refuse", XF_ROLE_TARGET, XF_PACKET_REFUSE, 0, 2, &refuse, sizeof(refuse));
}

/* The second of three targets: what it is told, and what it sends, by a key and a number of its
 * own.
 */
static void test_group(void **state)
{
    struct xf_member m = {
        .number = 1,
        .count = 3,
        .group = {.mac = {1, 0, 0x5e, 7, 7, 7}, .udp_port = 7950, .ipv4 = 0xef070707},
    };
    struct xf_member back;
    uint8_t out[XF_MEMBER_BYTES];
    struct xf_wire_answer answer = {
        .version = 1,
        .queues = 2,
        .payload_bytes = 8972,
        .page_count = 49152,
        .mac = {2, 0, 0, 0, 0, 3},
        .udp_port = 7950,
        .ipv4 = 0x0a5a0003,
        .credit = 384,
    };
    struct {
        struct xf_wire_feedback fb;
        struct xf_wire_range ranges[1];
    } feedback = {
        .fb = {.receiver = 1,
               .round = 2,
               .base = 100,
               .horizon = 140,
               .landed = 77,
               .stamp_us = 1000001,
               .credit = 384,
               .late = 9,
               .flags = XF_FEEDBACK_READY,
               .ranges = 1},
        .ranges = {{0, 3}},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(m.secret); i++)
        m.secret[i] = (uint8_t)(0x80 + i);
    xf_member_encode(&m, out);
    assert_int_equal(load("member"), sizeof(out));
    assert_memory_equal(out, golden, sizeof(out));
    assert_int_equal(xf_member_decode(&back, golden, sizeof(out), NULL), 0);
    assert_memory_equal(&back, &m, sizeof(m));
    check_of("answer_group", XF_ROLE_TARGET, &m, XF_PACKET_ANSWER, 0, 0, &answer, sizeof(answer));
    check_of("feedback_group", XF_ROLE_TARGET, &m, XF_PACKET_FEEDBACK, 1, 1, &feedback,
             sizeof(feedback));
}

/* Each kind of packet has a vector, and each vector is of a kind: the header is in the clear. */
static void test_every_kind(void **state)
{
    const char *path = getenv("XF_GOLDEN");
    FILE *f = fopen(path ? path : "tests/golden/packets.txt", "r");
    static char line[XF_PAYLOAD_MAX * 2 + 64];
    bool seen[UINT8_MAX + 1] = {false};
    unsigned type;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        char name[64], at[8];

        if (line[0] == '#' || sscanf(line, "%63s %*2s%2s", name, at) != 2 ||
            !strncmp(name, "key", 3) || !strcmp(name, "offer") || !strcmp(name, "member"))
            continue;
        assert_int_equal(sscanf(at, "%2x", &type), 1);
        const char *kind = xf_wire_packet_kind((uint8_t)type)->name;

        if (!kind || strncasecmp(name, kind, strlen(kind)))
            fail_msg("the vector %s is of type %u", name, type);
        seen[type] = true;
    }
    fclose(f);
    for (type = 0; type <= UINT8_MAX; type++)
        if (xf_wire_packet_kind((uint8_t)type)->name && !seen[type])
            fail_msg("no vector of %s", xf_wire_packet_kind((uint8_t)type)->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),  cmocka_unit_test(test_offer),
        cmocka_unit_test(test_data),  cmocka_unit_test(test_hash),
        cmocka_unit_test(test_lz4),   cmocka_unit_test(test_control),
        cmocka_unit_test(test_group), cmocka_unit_test(test_every_kind),
    };

    for (unsigned i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)(0x40 + i);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
