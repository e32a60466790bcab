/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people often write into xl-fast.conf and the parser cannot read: each in its own words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/plugin/config_text.h"

static void keep(void *arg, unsigned line, const char *words)
{
    char *said = arg;

    sprintf(said + strlen(said), "%u %s\n", line, words);
}

static void each_is_said_with_its_line(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", ""},
        {"port = \"eth1\"\nlanes = 4 # four\nmtu=0X5dC\n", ""},
        {"# port = eth1\n \nport='eth1'\nx = [ eth1 ]\n", ""},
        {"port =\nmtu = 9000; lanes = 2\n", ""},
        {"port eth1\n", ""}, /* the parser's to say */
        {"\xef\xbb\xbfport = \"eth1\"\n",
         "1 begins with a byte order mark: save the file as UTF-8 without one\n"},
        {"mtu = 9000\nport = \"eth1\"\r\nlanes = 2\r\n",
         "2 ends with CR LF, as on DOS: sed -i 's/\\r$//' FILE\n"},
        {"port = eth1", "1 a string needs quotes: port = \"eth1\"\n"},
        {"\n\tport\t=eth1 # the first\n", "2 a string needs quotes: port = \"eth1\"\n"},
        {"bandwidth = 2.5G\n", "1 a string needs quotes: bandwidth = \"2.5G\"\n"},
        {"address = 192.0.2.1/24\r\n", "1 ends with CR LF, as on DOS: sed -i 's/\\r$//' FILE\n"
                                       "1 a string needs quotes: address = \"192.0.2.1/24\"\n"},
        {"verify = yes\nmtu = 0x\nlanes = 4x\nmax_downtime = 300ms; mtu = a\n",
         "1 verify takes a number, not 'yes'\n2 mtu takes a number, not '0x'\n"
         "3 lanes takes a number, not '4x'\n4 max_downtime takes a number, not '300ms'\n"},
        {"who = me\n", "1 a string needs quotes: who = \"me\"\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char said[1000] = "";
        unsigned found = xf_config_text_check(cases[i].text, keep, said), lines = 0;

        for (const char *p = said; *p; p++)
            lines += *p == '\n';
        if (strcmp(said, cases[i].said) != 0 || found != lines)
            fail_msg("'%s': %u found: '%s'", cases[i].text, found, said);
    }
}

static void a_long_line_is_cut(void **state)
{
    char text[10000], said[1000] = "";

    (void)state;
    memset(text, 'a', sizeof(text));
    text[1000] = '=';
    text[sizeof(text) - 1] = 0;
    assert_int_equal(xf_config_text_check(text, keep, said), 1);
    assert_in_range(strlen(said), 150, 250);
}

static void an_address_is_one_that_a_host_can_have(void **state)
{
    static const struct {
        uint32_t ipv4;
        unsigned prefix;
        const char *wrong;
    } cases[] = {
        {0xc0000201, 24, NULL},
        {0xc00002ff, 23, NULL},
        {0xc0000200, 31, NULL}, /* of two hosts, both */
        {0xc0000201, 31, NULL},
        {0xc0000200, 32, NULL},
        {0xdfffffff, 1, NULL},
        {0x00000001, 8, "begins with 0"},
        {0x7f000001, 8, "loopback"},
        {0xe0000001, 24, "multicast"},
        {0xefffffff, 32, "multicast"},
        {0xf0000001, 24, "reserved"},
        {0xffffffff, 32, "reserved"},
        {0xc0000200, 24, "address of the network"},
        {0xc0000200, 30, "address of the network"},
        {0xc00002ff, 24, "broadcast"},
        {0xc0000203, 30, "broadcast"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *wrong = xf_config_address_wrong(cases[i].ipv4, cases[i].prefix);

        if (!wrong != !cases[i].wrong || (wrong && !strstr(wrong, cases[i].wrong)))
            fail_msg("%08x/%u: %s", cases[i].ipv4, cases[i].prefix, wrong ? wrong : "fine");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_said_with_its_line),
        cmocka_unit_test(a_long_line_is_cut),
        cmocka_unit_test(an_address_is_one_that_a_host_can_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
