/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames: the bytes that we write, checked against golden ones, and what is said of hostile ones.
 */
#include "tests/unit/common/unit.h"

#include "dpdk/frame.h"

static const struct xf_link_addr source = {
    .mac = {0x02, 0, 0, 0, 0, 0x01}, .udp_port = 7950, .ipv4 = 0xc0a80101};
static const struct xf_link_addr target = {
    .mac = {0x02, 0, 0, 0, 0, 0x02}, .udp_port = 7950, .ipv4 = 0xc0a80102};

/*
 * Five bytes of payload from source to target, source port 7951, no offload. The IPv4 checksum was
 * computed apart from this code: 4500 + 0021 + 4000 + 4011 + c0a8 + 0101 + c0a8 + 0102 = 24885,
 * folded 4887, inverted b778.
 */
static const uint8_t golden[] = {
    0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x08, 0x00,                                                             /* Ethernet */
    0x45, 0x00, 0x00, 0x21, 0x00, 0x00, 0x40, 0x00, 0x01, 0x11, 0xf6, 0x78, /* IPv4 */
    0xc0, 0xa8, 0x01, 0x01, 0xc0, 0xa8, 0x01, 0x02,                         /* addresses */
    0x1f, 0x0f, 0x1f, 0x0e, 0x00, 0x0d, 0x00, 0x00,                         /* UDP */
    'h',  'e',  'l',  'l',  'o',
};

#define AT_IPV4 14
#define AT_UDP  34

static void build(uint8_t *frame, uint32_t payload, struct xf_frame_offload offload)
{
    struct xf_frame_template t;

    xf_frame_template_init(&t, &source, 7951, &target, offload);
    xf_frame_write(&t, frame, payload);
}

/* The verdict on a copy of exactly len bytes, so that AddressSanitizer sees a read beyond. */
static enum xf_frame_verdict judge(const uint8_t *frame, size_t len, uint32_t *payload)
{
    uint8_t *copy = malloc(len ? len : 1);
    enum xf_frame_verdict v;

    assert_non_null(copy);
    memcpy(copy, frame, len);
    *payload = 0xdeadbeef;
    v = xf_frame_parse(copy, len, &target, NULL, false, payload);
    free(copy);
    return v;
}

/* Corrects the IPv4 checksum after a test has changed the header. */
static void fix_checksum(uint8_t *frame)
{
    uint32_t sum = 0;

    frame[AT_IPV4 + 10] = frame[AT_IPV4 + 11] = 0;
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)frame[AT_IPV4 + i] << 8 | frame[AT_IPV4 + i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
    frame[AT_IPV4 + 10] = (uint8_t)(sum >> 8);
    frame[AT_IPV4 + 11] = (uint8_t)sum;
}

static void writes_golden_bytes(void **state)
{
    uint8_t frame[sizeof(golden)] = {0};

    (void)state;
    memcpy(frame + XF_FRAME_HEADER_BYTES, "hello", 5);
    build(frame, 5, (struct xf_frame_offload){0});
    assert_memory_equal(frame, golden, sizeof(golden));
}

static void writing_twice_changes_nothing(void **state)
{
    uint8_t frame[sizeof(golden)];
    struct xf_frame_template t;

    (void)state;
    memset(frame, 0xff, sizeof(frame));
    memcpy(frame + XF_FRAME_HEADER_BYTES, "hello", 5);
    xf_frame_template_init(&t, &source, 7951, &target, (struct xf_frame_offload){0});
    xf_frame_write(&t, frame, 1000);
    xf_frame_write(&t, frame, 5);
    xf_frame_write(&t, frame, 5);
    assert_memory_equal(frame, golden, sizeof(golden));
}

static void leaves_offloaded_checksums_to_the_port(void **state)
{
    uint8_t frame[XF_FRAME_HEADER_BYTES];

    (void)state;
    build(frame, 5, (struct xf_frame_offload){.ipv4 = true, .udp = true});
    assert_int_equal(frame[AT_IPV4 + 10] << 8 | frame[AT_IPV4 + 11], 0);
    /* The pseudo header: c0a8 + 0101 + c0a8 + 0102 + 0011 + 000d = 18371, folded 8372. */
    assert_int_equal(frame[AT_UDP + 6] << 8 | frame[AT_UDP + 7], 0x8372);
}

static void takes_what_we_write(void **state)
{
    static const uint32_t sizes[] = {0, 1, 5, 1472, 8972, 65507};
    uint8_t *frame = calloc(1, XF_FRAME_HEADER_BYTES + 65507);
    uint32_t payload;

    (void)state;
    assert_non_null(frame);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        build(frame, sizes[i], (struct xf_frame_offload){0});
        assert_int_equal(judge(frame, XF_FRAME_HEADER_BYTES + sizes[i], &payload), XF_FRAME_OURS);
        assert_int_equal(payload, sizes[i]);
    }
    free(frame);
}

static void padding_is_not_payload(void **state)
{
    uint8_t frame[64] = {0};
    uint32_t payload;

    (void)state;
    memcpy(frame, golden, sizeof(golden));
    assert_int_equal(judge(frame, 60, &payload), XF_FRAME_OURS);
    assert_int_equal(payload, 5);
}

static void every_truncation_is_refused(void **state)
{
    uint32_t payload;

    (void)state;
    for (size_t len = 0; len < sizeof(golden); len++) {
        assert_int_equal(judge(golden, len, &payload), XF_FRAME_BAD);
        assert_int_equal(payload, 0xdeadbeef);
    }
}

static void every_wrong_bit_of_ipv4_is_seen(void **state)
{
    uint8_t frame[sizeof(golden)];
    uint32_t payload;

    (void)state;
    for (unsigned bit = 0; bit < 20 * 8; bit++) {
        memcpy(frame, golden, sizeof(golden));
        frame[AT_IPV4 + bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(judge(frame, sizeof(frame), &payload), XF_FRAME_OURS);
    }
}

static void a_checksum_that_the_port_checked_is_not_checked_again(void **state)
{
    uint8_t frame[sizeof(golden)];
    uint32_t payload;

    (void)state;
    memcpy(frame, golden, sizeof(golden));
    frame[AT_IPV4 + 10] ^= 1;
    assert_int_equal(xf_frame_parse(frame, sizeof(frame), &target, NULL, false, &payload),
                     XF_FRAME_BAD);
    assert_int_equal(xf_frame_parse(frame, sizeof(frame), &target, NULL, true, &payload),
                     XF_FRAME_OURS);
}

/* Each row changes one byte of the golden frame, and repairs the checksum after it. */
static void hostile_headers(void **state)
{
    static const struct {
        const char *what;
        unsigned at;
        uint8_t value;
        enum xf_frame_verdict verdict;
    } rows[] = {
        {"another MAC", 5, 0x03, XF_FRAME_NOT_OURS},
        {"broadcast bit", 0, 0x03, XF_FRAME_NOT_OURS},
        {"ARP", 13, 0x06, XF_FRAME_NOT_OURS},
        {"IPv6's ethertype", 12, 0x86, XF_FRAME_NOT_OURS},
        {"version 6", AT_IPV4, 0x65, XF_FRAME_NOT_OURS},
        {"options", AT_IPV4, 0x46, XF_FRAME_NOT_OURS},
        {"header of one word", AT_IPV4, 0x41, XF_FRAME_NOT_OURS},
        {"more fragments", AT_IPV4 + 6, 0x20, XF_FRAME_NOT_OURS},
        {"fragment's offset", AT_IPV4 + 7, 0x01, XF_FRAME_NOT_OURS},
        {"large fragment's offset", AT_IPV4 + 6, 0x1f, XF_FRAME_NOT_OURS},
        {"TCP", AT_IPV4 + 9, 6, XF_FRAME_NOT_OURS},
        {"another address", AT_IPV4 + 19, 3, XF_FRAME_NOT_OURS},
        {"longer than the frame", AT_IPV4 + 3, 0x22, XF_FRAME_BAD},
        {"much longer than the frame", AT_IPV4 + 2, 0xff, XF_FRAME_BAD},
        {"shorter than its headers", AT_IPV4 + 3, 27, XF_FRAME_BAD},
        {"length zero", AT_IPV4 + 3, 0, XF_FRAME_BAD},
        {"another port", AT_UDP + 3, 0x0f, XF_FRAME_NOT_OURS},
        {"UDP longer than IPv4", AT_UDP + 5, 0x0e, XF_FRAME_BAD},
        {"UDP much longer", AT_UDP + 4, 0xff, XF_FRAME_BAD},
        {"UDP shorter than IPv4", AT_UDP + 5, 0x0c, XF_FRAME_BAD},
        {"UDP length zero", AT_UDP + 5, 0, XF_FRAME_BAD},
        /* And what is nobody's business. */
        {"another sender's MAC", 6, 0x04, XF_FRAME_OURS},
        {"another sender", AT_IPV4 + 15, 0x77, XF_FRAME_OURS},
        {"DSCP", AT_IPV4 + 1, 0xb8, XF_FRAME_OURS},
        {"TTL", AT_IPV4 + 8, 3, XF_FRAME_OURS},
        {"another source port", AT_UDP, 0x99, XF_FRAME_OURS},
        {"a UDP checksum", AT_UDP + 6, 0x12, XF_FRAME_OURS},
    };
    uint8_t frame[sizeof(golden)];
    uint32_t payload;

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum xf_frame_verdict v;

        memcpy(frame, golden, sizeof(golden));
        frame[rows[i].at] = rows[i].value;
        fix_checksum(frame);
        v = judge(frame, sizeof(frame), &payload);
        if (v != rows[i].verdict)
            fail_msg("%s: verdict %d, not %d", rows[i].what, v, rows[i].verdict);
        if (v == XF_FRAME_OURS)
            assert_int_equal(payload, 5);
        else
            assert_int_equal(payload, 0xdeadbeef);
    }
}

/* ---- a member of a group -------------------------------------------------------------------- */

static const struct xf_link_addr group = {
    .mac = {0x01, 0x00, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7951, .ipv4 = 0xefa1b2c3};

static enum xf_frame_verdict judge_as(const uint8_t *frame, const struct xf_link_addr *to,
                                      uint32_t *payload)
{
    *payload = 0xdeadbeef;
    return xf_frame_parse(frame, sizeof(golden), &target, to, false, payload);
}

static void build_to(uint8_t frame[sizeof(golden)], const struct xf_link_addr *to)
{
    struct xf_frame_template t;

    memcpy(frame, golden, sizeof(golden));
    xf_frame_template_init(&t, &source, 7951, to, (struct xf_frame_offload){0});
    xf_frame_write(&t, frame, 5);
}

static void a_group_gets_frames_that_no_router_passes_on(void **state)
{
    uint8_t frame[sizeof(golden)];
    uint32_t payload;

    (void)state;
    build_to(frame, &group);
    assert_memory_equal(frame, group.mac, 6);
    assert_int_equal(frame[AT_IPV4 + 8], 1);
    assert_memory_equal(frame + AT_IPV4 + 16, ((uint8_t[]){0xef, 0xa1, 0xb2, 0xc3}), 4);
    assert_int_equal(judge_as(frame, &group, &payload), XF_FRAME_OURS);
    assert_int_equal(payload, 5);
    assert_int_equal(judge_as(frame, NULL, &payload), XF_FRAME_NOT_OURS);
}

static void a_member_takes_its_own_frames_too(void **state)
{
    uint8_t frame[sizeof(golden)];
    uint32_t payload;

    (void)state;
    build_to(frame, &target);
    assert_int_equal(judge_as(frame, &group, &payload), XF_FRAME_OURS);
    assert_int_equal(payload, 5);
    /* Cut short or damaged, a group's frame is as bad as any. */
    build_to(frame, &group);
    for (size_t len = 0; len < sizeof(frame); len++)
        assert_int_equal(xf_frame_parse(frame, len, &target, &group, false, &payload),
                         XF_FRAME_BAD);
    frame[AT_IPV4 + 10] ^= 1;
    assert_int_equal(judge_as(frame, &group, &payload), XF_FRAME_BAD);
}

/* MAC, address and port each the group's or ours, and never a mixture. */
static void others_groups_are_not_ours(void **state)
{
    static const struct {
        const char *what;
        struct xf_link_addr to;
    } rows[] = {
        {"another group with its MAC",
         {.mac = {1, 0, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7951, .ipv4 = 0xef21b2c3}},
        {"a group outside of 239.0.0.0/8 with its MAC",
         {.mac = {1, 0, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7951, .ipv4 = 0xe0a1b2c3}},
        {"another MAC with its address",
         {.mac = {1, 0, 0x5e, 0x21, 0xb2, 0xc4}, .udp_port = 7951, .ipv4 = 0xefa1b2c3}},
        {"all hosts", {.mac = {1, 0, 0x5e, 0, 0, 1}, .udp_port = 7951, .ipv4 = 0xe0000001}},
        {"the broadcast MAC",
         {.mac = {255, 255, 255, 255, 255, 255}, .udp_port = 7951, .ipv4 = 0xefa1b2c3}},
        {"its MAC, our address",
         {.mac = {1, 0, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7951, .ipv4 = 0xc0a80102}},
        {"our MAC, its address", {.mac = {2, 0, 0, 0, 0, 2}, .udp_port = 7950, .ipv4 = 0xefa1b2c3}},
        {"its port, our address",
         {.mac = {2, 0, 0, 0, 0, 2}, .udp_port = 7951, .ipv4 = 0xc0a80102}},
        {"our port, its address",
         {.mac = {1, 0, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7950, .ipv4 = 0xefa1b2c3}},
        {"another's MAC, seen by an open filter",
         {.mac = {2, 0, 0, 0, 0, 3}, .udp_port = 7950, .ipv4 = 0xc0a80103}},
    };
    uint8_t frame[sizeof(golden)];
    uint32_t payload;

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        build_to(frame, &rows[i].to);
        if (judge_as(frame, &group, &payload) != XF_FRAME_NOT_OURS || payload != 0xdeadbeef)
            fail_msg("%s is taken, or bad", rows[i].what);
    }
}

/* Random damage: never a payload that leaves the frame. The seed is fixed: same bytes each time. */
static void random_damage_never_leaves_the_frame(void **state)
{
    uint64_t r = 88172645463325252u;
    uint8_t frame[128];
    unsigned ours = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t payload;
        size_t len;

        memset(frame, (int)i, sizeof(frame));
        memcpy(frame, golden, sizeof(golden));
        for (unsigned n = 0; n < 3; n++) {
            r ^= r << 13, r ^= r >> 7, r ^= r << 17;
            frame[AT_IPV4 + r % 28] = (uint8_t)(r >> 32);
        }
        if (r & 1)
            fix_checksum(frame);
        len = (r >> 8) % sizeof(frame);
        if (judge(frame, len, &payload) == XF_FRAME_OURS) {
            assert_true(payload + XF_FRAME_HEADER_BYTES <= len);
            ours++;
        }
    }
    assert_true(ours > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_golden_bytes),
        cmocka_unit_test(writing_twice_changes_nothing),
        cmocka_unit_test(leaves_offloaded_checksums_to_the_port),
        cmocka_unit_test(takes_what_we_write),
        cmocka_unit_test(padding_is_not_payload),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_wrong_bit_of_ipv4_is_seen),
        cmocka_unit_test(a_checksum_that_the_port_checked_is_not_checked_again),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(a_group_gets_frames_that_no_router_passes_on),
        cmocka_unit_test(a_member_takes_its_own_frames_too),
        cmocka_unit_test(others_groups_are_not_ours),
        cmocka_unit_test(random_damage_never_leaves_the_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
