/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Multicast: the address that a session gets, and IGMP's frames against golden bytes. */
#include "tests/unit/common/unit.h"

#include "dpdk/multicast.h"

static const struct xf_link_addr self = {
    .mac = {0x02, 0, 0, 0, 0, 0x01}, .udp_port = 7950, .ipv4 = 0xc0a80101};
static const struct xf_link_addr group = {
    .mac = {0x01, 0x00, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7950, .ipv4 = 0xefa1b2c3};

/* Computed apart from this code, as were their checksums: the IPv4 header's 8009 and 426c, IGMP's
   479a and 469a. */
static const uint8_t report[XF_IGMP_FRAME_BYTES] = {
    0x01, 0x00, 0x5e, 0x21, 0xb2, 0xc3, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x08, 0x00,                                                             /* Ethernet */
    0x46, 0xc0, 0x00, 0x20, 0x00, 0x00, 0x40, 0x00, 0x01, 0x02, 0x80, 0x09, /* IPv4 */
    0xc0, 0xa8, 0x01, 0x01, 0xef, 0xa1, 0xb2, 0xc3,                         /* addresses */
    0x94, 0x04, 0x00, 0x00,                                                 /* router alert */
    0x16, 0x00, 0x47, 0x9a, 0xef, 0xa1, 0xb2, 0xc3,                         /* IGMP */
};
static const uint8_t leave[XF_IGMP_FRAME_BYTES] = {
    0x01, 0x00, 0x5e, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x08, 0x00,                                                             /* Ethernet */
    0x46, 0xc0, 0x00, 0x20, 0x00, 0x00, 0x40, 0x00, 0x01, 0x02, 0x42, 0x6c, /* IPv4 */
    0xc0, 0xa8, 0x01, 0x01, 0xe0, 0x00, 0x00, 0x02,                         /* addresses */
    0x94, 0x04, 0x00, 0x00,                                                 /* router alert */
    0x17, 0x00, 0x46, 0x9a, 0xef, 0xa1, 0xb2, 0xc3,                         /* IGMP */
};

static void a_session_has_a_group(void **state)
{
    static const struct {
        uint8_t id[4]; /* the last of the session's id */
        uint32_t ipv4;
        uint8_t mac[6];
    } rows[] = {
        {{0x99, 0xa1, 0xb2, 0xc3}, 0xefa1b2c3, {0x01, 0, 0x5e, 0x21, 0xb2, 0xc3}},
        {{0xff, 0xff, 0xff, 0xff}, 0xefffffff, {0x01, 0, 0x5e, 0x7f, 0xff, 0xff}},
        {{0x00, 0x00, 0x01, 0x00}, 0xef000100, {0x01, 0, 0x5e, 0x00, 0x01, 0x00}},
        /* Those that would have a MAC of 224.0.0.0/24. */
        {{0x00, 0x00, 0x00, 0x00}, 0xef000100, {0x01, 0, 0x5e, 0x00, 0x01, 0x00}},
        {{0x99, 0x00, 0x00, 0xfb}, 0xef0001fb, {0x01, 0, 0x5e, 0x00, 0x01, 0xfb}},
        {{0x99, 0x80, 0x00, 0x01}, 0xef800101, {0x01, 0, 0x5e, 0x00, 0x01, 0x01}},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t id[XF_SESSION_ID_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
        struct xf_link_addr of = {0};

        memcpy(id + 12, rows[i].id, 4);
        xf_multicast_of_session(&of, id, 7950);
        assert_int_equal(of.ipv4, rows[i].ipv4);
        assert_memory_equal(of.mac, rows[i].mac, 6);
        assert_int_equal(of.udp_port, 7950);
        assert_true(xf_multicast_is_valid(&of));
    }
}

static void others_addresses_are_no_groups(void **state)
{
    static const struct xf_link_addr rows[] = {
        /* a host's; a group outside of 239.0.0.0/8 */
        {.ipv4 = 0xc0a80102, .mac = {0x01, 0, 0x5e, 0x28, 0x01, 0x02}, .udp_port = 7950},
        {.ipv4 = 0xe00000fb, .mac = {0x01, 0, 0x5e, 0x00, 0x00, 0xfb}, .udp_port = 7950},
        {.ipv4 = 0xe1a1b2c3, .mac = {0x01, 0, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7950},
        /* a MAC that every port gets */
        {.ipv4 = 0xef000001, .mac = {0x01, 0, 0x5e, 0x00, 0x00, 0x01}, .udp_port = 7950},
        {.ipv4 = 0xef8000ff, .mac = {0x01, 0, 0x5e, 0x00, 0x00, 0xff}, .udp_port = 7950},
        /* another's MAC; without the 23rd bit's loss; a host's; no port */
        {.ipv4 = 0xefa1b2c3, .mac = {0x01, 0, 0x5e, 0x21, 0xb2, 0xc4}, .udp_port = 7950},
        {.ipv4 = 0xefa1b2c3, .mac = {0x01, 0, 0x5e, 0xa1, 0xb2, 0xc3}, .udp_port = 7950},
        {.ipv4 = 0xefa1b2c3, .mac = {0x02, 0, 0, 0, 0, 0x02}, .udp_port = 7950},
        {.ipv4 = 0xefa1b2c3, .mac = {0x01, 0, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 0},
    };

    (void)state;
    assert_true(xf_multicast_is_valid(&group));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (xf_multicast_is_valid(&rows[i]))
            fail_msg("row %u is taken for a group", i);
}

static void igmp_is_golden(void **state)
{
    uint8_t frame[XF_IGMP_FRAME_BYTES];

    (void)state;
    memset(frame, 0xff, sizeof(frame));
    xf_igmp_report(frame, &self, &group);
    assert_memory_equal(frame, report, sizeof(report));
    memset(frame, 0xff, sizeof(frame));
    xf_igmp_leave(frame, &self, &group);
    assert_memory_equal(frame, leave, sizeof(leave));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_has_a_group),
        cmocka_unit_test(others_addresses_are_no_groups),
        cmocka_unit_test(igmp_is_golden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
