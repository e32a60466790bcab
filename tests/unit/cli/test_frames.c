/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What dom0 says in a guest's name: each frame byte by byte, and which are dom0's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/arrival/frames.h"

static const uint8_t mac[XF_MAC_BYTES] = {0x00, 0x16, 0x3e, 0x01, 0x02, 0x03};

static void assert_frame(const struct xf_frame *f, const char *golden)
{
    char text[2 * XF_FRAME_BYTES + 1];

    for (size_t i = 0; i < f->len; i++)
        snprintf(text + 2 * i, 3, "%02x", f->bytes[i]);
    assert_string_equal(text, golden);
}

/* Bytes as QEMU 7.2's announce_self_create() makes them. */
static void the_mac_is_announced_by_rarp(void **state)
{
    struct xf_frame f[XF_FRAMES_MAX];

    (void)state;
    assert_int_equal(xf_frames_make(f, mac, ""), 1);
    assert_frame(&f[0], "ffffffffffff"
                        "00163e010203"
                        "8035"
                        "0001"
                        "0800"
                        "06"
                        "04"
                        "0003"
                        "00163e010203"
                        "00000000"
                        "00163e010203"
                        "00000000"
                        "000000000000000000000000000000000000");
}

static void an_ipv4_address_is_announced_by_a_gratuitous_reply(void **state)
{
    struct xf_frame f[XF_FRAMES_MAX];

    (void)state;
    assert_int_equal(xf_frames_make(f, mac, "192.0.2.7/24"), 2);
    assert_frame(&f[1], "ffffffffffff"
                        "00163e010203"
                        "0806"
                        "0001"
                        "0800"
                        "06"
                        "04"
                        "0002"
                        "00163e010203"
                        "c0000207"
                        "00163e010203"
                        "c0000207"
                        "000000000000000000000000000000000000");
}

/* The checksum was computed apart from the code, by RFC 1071. */
static void an_ipv6_address_is_announced_by_an_advertisement(void **state)
{
    struct xf_frame f[XF_FRAMES_MAX];

    (void)state;
    assert_int_equal(xf_frames_make(f, mac, "2001:db8::7"), 2);
    assert_frame(&f[1], "333300000001"
                        "00163e010203"
                        "86dd"
                        "60000000"
                        "0020"
                        "3a"
                        "ff"
                        "20010db8000000000000000000000007"
                        "ff020000000000000000000000000001"
                        "88"
                        "00"
                        "bb05"
                        "20000000"
                        "20010db8000000000000000000000007"
                        "02"
                        "01"
                        "00163e010203");
}

static void what_is_no_hosts_address_is_left_out(void **state)
{
    static const char *const none[] = {
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "127.0.0.1",
        "ff02::1",
        "::",
        "::1",
        "192.0.2",
        "192.0.2.256",
        "x",
        "/24",
        " , ,",
        "2001:db8::7::1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd"};
    struct xf_frame f[XF_FRAMES_MAX];
    char many[400] = "";

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(xf_frames_make(f, mac, none[i]), 1);
    assert_int_equal(xf_frames_make(f, mac, " x,192.0.2.7 ff02::1\t2001:db8::7/64,"), 3);
    for (unsigned i = 1; i < 20; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "192.0.2.%u ", i);
    assert_int_equal(xf_frames_make(f, mac, many), XF_FRAMES_MAX);
}

static void dom0_knows_its_own_frames(void **state)
{
    struct xf_frame f[XF_FRAMES_MAX], other = {.len = 0};
    unsigned n = xf_frames_make(f, mac, "192.0.2.7 2001:db8::7");

    (void)state;
    assert_int_equal(n, 3);
    for (unsigned i = 0; i < n; i++)
        assert_true(xf_frames_are(f, n, f[i].bytes, f[i].len));
    /* QEMU's may be padded otherwise. */
    memcpy(&other, &f[0], sizeof(other));
    assert_true(xf_frames_are(f, n, other.bytes, 42));
    /* The guest's own: another MAC's, Linux's request, one cut or longer. */
    other.bytes[11]++;
    assert_false(xf_frames_are(f, n, other.bytes, other.len));
    memcpy(&other, &f[1], sizeof(other));
    other.bytes[21] = 1;
    assert_false(xf_frames_are(f, n, other.bytes, other.len));
    assert_false(xf_frames_are(f, n, f[1].bytes, f[1].len - 1));
    assert_false(xf_frames_are(f, n, f[0].bytes, 13));
}

static void a_mac_is_one_cards(void **state)
{
    static const char *const wrong[] = {"",
                                        "00:16:3e:01:02",
                                        "00:16:3e:01:02:03:04",
                                        "00:16:3e:01:02:03 ",
                                        "0:16:3e:01:02:003",
                                        "01:16:3e:01:02:03",
                                        "ff:ff:ff:ff:ff:ff",
                                        "00:00:00:00:00:00",
                                        "00-16-3e-01-02-03",
                                        "00:16:3e:01:02:0g"};
    uint8_t read[XF_MAC_BYTES];
    char text[XF_MAC_TEXT];

    (void)state;
    assert_true(xf_mac_read(read, "00:16:3E:01:02:03"));
    assert_memory_equal(read, mac, sizeof(mac));
    assert_string_equal(xf_mac_show(text, read), "00:16:3e:01:02:03");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(xf_mac_read(read, wrong[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mac_is_announced_by_rarp),
        cmocka_unit_test(an_ipv4_address_is_announced_by_a_gratuitous_reply),
        cmocka_unit_test(an_ipv6_address_is_announced_by_an_advertisement),
        cmocka_unit_test(what_is_no_hosts_address_is_left_out),
        cmocka_unit_test(dom0_knows_its_own_frames),
        cmocka_unit_test(a_mac_is_one_cards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
