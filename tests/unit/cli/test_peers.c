/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What two hosts have to have in common, and which end's command fixes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/doctor/peers.h"

/* Lines of key=value. */
static struct xf_peer peer(const char *answers)
{
    struct xf_peer p = {0};
    char text[512], *rest = text, *line;

    snprintf(text, sizeof(text), "%s", answers);
    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');

        if (value) {
            *value++ = 0;
            xf_peer_take(&p, line, value);
        }
    }
    return p;
}

static const struct {
    const char *name;
    xf_peers_compare *run;
    const char *source, *target;
    enum xf_finding_state state;
    const char *text, *fix;
    bool fix_at_source;
} cases[] = {
    {"protocol", xf_peers_protocol, "protocol=1", "protocol=1", XF_FINDING_OK, "same", "", false},
    {"protocol, old there", xf_peers_protocol, "protocol=2", "protocol=1", XF_FINDING_FAIL,
     "speaks protocol 1 of xl-fast, the source 2", "apt install", false},
    {"protocol, old here", xf_peers_protocol, "protocol=1", "protocol=2", XF_FINDING_FAIL,
     "speaks protocol 2 of xl-fast, the source 1", "apt install", true},
    {"protocol, nonsense", xf_peers_protocol, "protocol=1", "protocol=1x", XF_FINDING_UNKNOWN, "",
     "", false},
    {"version", xf_peers_version, "protocol=1\nversion=0.9.0", "protocol=1\nversion=0.9.0",
     XF_FINDING_OK, "the same xl-fast, 0.9.0", "", false},
    {"version, pre-release, old there", xf_peers_version, "protocol=1\nversion=0.10.0",
     "protocol=1\nversion=0.9.0", XF_FINDING_FAIL,
     "has xl-fast 0.9.0, the source 0.10.0: before 1.0.0", "apt install", false},
    {"version, pre-release, old here", xf_peers_version, "protocol=1\nversion=0.9.0",
     "protocol=1\nversion=0.9.1", XF_FINDING_FAIL, "has xl-fast 0.9.1, the source 0.9.0: before",
     "apt install", true},
    {"version, pre-release beside a release", xf_peers_version, "protocol=1\nversion=0.9.0",
     "protocol=1\nversion=1.0.0", XF_FINDING_FAIL, "install the same one at both ends",
     "apt install", true},
    {"version, two of a pre-release", xf_peers_version, "protocol=1\nversion=0.9.0",
     "protocol=1\nversion=0.9.0-rc1", XF_FINDING_FAIL, "0.9.0-rc1", "apt install", true},
    {"version, 1.x beside 1.y", xf_peers_version, "protocol=1\nversion=1.2.0",
     "protocol=1\nversion=1.1.7", XF_FINDING_OK,
     "has xl-fast 1.1.7, the source 1.2.0: these work together", "", false},
    {"version, 2.0 beside 1.y", xf_peers_version, "protocol=1\nversion=1.9.0",
     "protocol=1\nversion=2.0.0", XF_FINDING_OK, "these work", "", false},
    {"version, none there", xf_peers_version, "protocol=1\nversion=0.9.0", "protocol=1",
     XF_FINDING_FAIL, "has xl-fast older than 0.9.0, the source 0.9.0: before", "apt install",
     false},
    {"version, none here", xf_peers_version, "protocol=1", "protocol=1\nversion=1.2.0",
     XF_FINDING_FAIL, "has xl-fast 1.2.0, the source older than 0.9.0", "apt install", true},
    {"version, none at both", xf_peers_version, "protocol=1", "protocol=1", XF_FINDING_FAIL,
     "older than 0.9.0, the source older than 0.9.0", "apt install", false},
    {"version, no answer", xf_peers_version, "protocol=1\nversion=0.9.0", "", XF_FINDING_UNKNOWN,
     "", "", false},
    {"version, nonsense", xf_peers_version, "protocol=1\nversion=0.9.0",
     "protocol=1\nversion=9 $(x)", XF_FINDING_FAIL, "has xl-fast older than 0.9.0", "apt install",
     false},
    {"version, too long", xf_peers_version, "protocol=1\nversion=0.9.0",
     "protocol=1\nversion=1.0.0000000000000000000000000000000000000", XF_FINDING_FAIL,
     "older than 0.9.0", "apt install", false},
    {"xen", xf_peers_xen, "xen=4.17", "xen=4.17", XF_FINDING_OK, "Xen 4.17", "", false},
    {"xen, newer", xf_peers_xen, "xen=4.17", "xen=4.20", XF_FINDING_OK, "Xen 4.20", "", false},
    {"xen, newer major", xf_peers_xen, "xen=4.17", "xen=5.0", XF_FINDING_OK, "", "", false},
    {"xen, older", xf_peers_xen, "xen=4.20", "xen=4.17", XF_FINDING_FAIL,
     "runs Xen 4.17, older than the source's 4.20", "", false},
    {"xen, nonsense", xf_peers_xen, "xen=4.20", "xen=4.x", XF_FINDING_UNKNOWN, "", "", false},
    {"network", xf_peers_network, "address=192.0.2.1/24", "address=192.0.2.2/24", XF_FINDING_OK,
     "192.0.2.1", "", false},
    {"network, one address", xf_peers_network, "address=192.0.2.1/24", "address=192.0.2.1/24",
     XF_FINDING_FAIL, "the same address 192.0.2.1", "editor /etc/xen/xl-fast.conf", false},
    {"network, another", xf_peers_network, "address=192.0.2.1/24",
     "address=198.51.100.2/24\nport=eth9", XF_FINDING_FAIL, "in the network of eth9", "editor",
     false},
    {"network, of one", xf_peers_network, "address=192.0.2.1/32", "address=192.0.2.2/32",
     XF_FINDING_FAIL, "does not route", "editor", false},
    {"network, nonsense", xf_peers_network, "address=192.0.2.1/24", "address=192.0.2.2/24;x",
     XF_FINDING_UNKNOWN, "", "", false},
    {"mtu", xf_peers_mtu, "mtu=9000", "mtu=9000", XF_FINDING_OK, "9000", "", false},
    {"mtu, low there", xf_peers_mtu, "mtu=9000", "mtu=1500\nport=eth9", XF_FINDING_FAIL,
     "an MTU of 1500, the source of 9000", "ip link set eth9 mtu 9000", false},
    {"mtu, low here", xf_peers_mtu, "mtu=1500\nport=af_packet:eth1", "mtu=9000", XF_FINDING_FAIL,
     "an MTU of 9000, the source of 1500", "ip link set eth1 mtu 9000", true},
    {"mtu, low here, AF_XDP", xf_peers_mtu, "mtu=3000\nport=af_xdp:eth1", "mtu=9000\nport=eth9",
     XF_FINDING_FAIL, "an MTU of 9000, the source of 3000", "ip link set eth9 mtu 3000", false},
    {"mtu, low there, AF_XDP", xf_peers_mtu, "mtu=9000\nport=eth1", "mtu=3000\nport=af_xdp:eth9",
     XF_FINDING_FAIL, "an MTU of 3000, the source of 9000", "ip link set eth1 mtu 3000", true},
    {"mtu, the file's", xf_peers_mtu, "mtu=9000", "mtu=9000\nmtu_limit=1500", XF_FINDING_FAIL, "",
     "editor", false},
    {"mtu, one file's", xf_peers_mtu, "mtu=1500", "mtu=9000\nmtu_limit=1500", XF_FINDING_OK, "", "",
     false},
    {"mtu, of a PCI port", xf_peers_mtu, "mtu=9000", "mtu=0", XF_FINDING_UNKNOWN, "", "", false},
    {"cpu", xf_peers_cpu, "cpu=FPU AVX ", "cpu=AVX AVX2 FPU ", XF_FINDING_OK, "all", "", false},
    {"cpu, less", xf_peers_cpu, "cpu=FPU AVX AVX2 ", "cpu=FPU AVX2 ", XF_FINDING_FAIL,
     "without AVX (", "", false},
    {"cpu, not said", xf_peers_cpu, "cpu=FPU ", "", XF_FINDING_UNKNOWN, "", "", false},
};

static void both_ends_are_compared(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct xf_peer source = peer(cases[i].source), target = peer(cases[i].target);
        struct xf_finding f;

        cases[i].run(&source, &target, &f);
        if (f.state != cases[i].state || !strstr(f.text, cases[i].text) ||
            !strstr(f.fix, cases[i].fix) || !f.fix[0] != !cases[i].fix[0] ||
            f.fix_at_source != cases[i].fix_at_source)
            fail_msg("%s: %d '%s' fix '%s', at source: %d", cases[i].name, f.state, f.text, f.fix,
                     f.fix_at_source);
    }
}

/* As much as fits is named; none is cut. */
static void many_features_are_missing(void **state)
{
    struct xf_peer source = {0}, target = peer("cpu=FPU ");
    struct xf_finding f;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        sprintf(source.cpu + strlen(source.cpu), "FEATURE%u ", i);
    xf_peers_cpu(&source, &target, &f);
    assert_int_equal(f.state, XF_FINDING_FAIL);
    assert_non_null(strstr(f.text, " FEATURE11 ... ("));
}

static void clocks_are_compared(void **state)
{
    struct xf_peer target = peer("clock_ms=1000000");
    struct xf_finding f;

    (void)state;
    /* It took long to ask: somewhere in between. */
    xf_peers_clock(&target, 990000, 1020000, &f);
    assert_int_equal(f.state, XF_FINDING_OK);
    xf_peers_clock(&target, 1001900, 1002000, &f);
    assert_int_equal(f.state, XF_FINDING_OK);
    xf_peers_clock(&target, 1090000, 1091000, &f);
    assert_int_equal(f.state, XF_FINDING_FAIL);
    assert_non_null(strstr(f.text, "90 s slow"));
    assert_non_null(strstr(f.fix, "set-ntp"));
    xf_peers_clock(&target, 900000, 910000, &f);
    assert_non_null(strstr(f.text, "90 s fast"));
    target.clock_ms = 0;
    xf_peers_clock(&target, 1, 2, &f);
    assert_int_equal(f.state, XF_FINDING_UNKNOWN);
}

/* What does not fit is as if it had not been said. */
static void long_answers_are_passed_over(void **state)
{
    struct xf_peer p = {0};
    char text[10000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    xf_peer_take(&p, "cpu", text);
    xf_peer_take(&p, "port", text);
    xf_peer_take(&p, "mtu", "99999999999");
    xf_peer_take(&p, "mtu", "-1");
    xf_peer_take(&p, "what", "x");
    assert_string_equal(p.cpu, "");
    assert_string_equal(p.port, "");
    assert_int_equal(p.mtu, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_are_compared),
        cmocka_unit_test(many_features_are_missing),
        cmocka_unit_test(clocks_are_compared),
        cmocka_unit_test(long_answers_are_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
