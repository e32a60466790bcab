/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both ends answer before a migration: read, made words of a command, asked on, compared. */

#include "tests/unit/common/unit.h"

#include "xl-plugin/migrate/answers.h"

static char text[4096];

static void read_text(struct xf_answers *a, const char *lines)
{
    strcpy(text, lines);
    xf_answers_read(a, text);
}

static void test_read(void **state)
{
    struct xf_answers a;

    (void)state;
    read_text(&a, "why=a=b\nnonsense\nbusy=0\nfastest=ok\nfix=\nport=eth1\nport=eth2\nuuid=7");
    assert_string_equal(a.why, "a=b");
    assert_string_equal(a.busy, "0");
    assert_string_equal(a.fast, "");
    assert_string_equal(a.fix, "");
    assert_string_equal(a.port, "eth2");
    assert_string_equal(a.uuid, "7");
    assert_false(a.stock_fails);
    read_text(&a, "stock=fails\n=\n\n");
    assert_true(a.stock_fails);
    assert_string_equal(a.name, "");
}

static void test_words(void **state)
{
    static const char right[] =
        "protocol=1\nxen=4.17\nneed_kib=2000\naddress=192.0.2.1/24\nuuid=6f1c9a52-0001\n";
    const char *const wrong[] = {
        "protocol=1;x", "xen=4.17 1", "need_kib=$(reboot)", "address=a", "uuid=6f1c9a5G",
        "uuid=",        "address=",   "protocol=",          "uuid=../x"};
    char lines[512];
    struct xf_answers a;

    (void)state;
    read_text(&a, right);
    assert_true(xf_answers_are_words(&a));
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(lines, sizeof(lines), "%s%s\n", right, wrong[i]);
        read_text(&a, lines);
        assert_false(xf_answers_are_words(&a));
    }
}

static void test_questions(void **state)
{
    char *asks = xf_answers_questions("port=eth1\nask=guest=7\nask=\nbask=x\nask=disk=a b", NULL);

    (void)state;
    assert_string_equal(asks, "guest=7\ndisk=a b\n");
    free(asks);
    asks = xf_answers_questions("ask=guest=7\nask=disk=a b\nask=diskless=1", "disk=");
    assert_string_equal(asks, "guest=7\ndiskless=1\n");
    free(asks);
    /* A copy's: what is before the guest's lines stays there. */
    asks =
        xf_answers_of_copy("ask=version=1\nask=guest=7\nask=name=a\nask=bridge=br0\nask=disk=a b",
                           "a-1", "8", "disk=");
    assert_string_equal(asks, "version=1\nguest=8\nname=a-1\nbridge=br0\n");
    free(asks);
    asks = xf_answers_questions("", NULL);
    assert_string_equal(asks, "");
    free(asks);
}

/* port, mtu and limit of the source and the target; what is changed. */
static void mtus(const char *s, const char *t, const char *expected)
{
    static char there[512];
    struct xf_answers source, target;
    char line[512];

    strcpy(there, t);
    read_text(&source, s);
    xf_answers_read(&target, there);
    xf_answers_mtus(&source, &target, "h", "ssh -p 2", line, sizeof(line));
    assert_string_equal(line, expected);
}

static void test_mtus(void **state)
{
    (void)state;
    mtus("port=eth1\nmtu=9000", "port=af_packet:eth9\nmtu=1500",
         "h's af_packet:eth9 has an MTU of 1500, eth1 of 9000; fix: ssh -p 2 h 'ip link set eth9 "
         "mtu 9000'");
    mtus("port=eth1\nmtu=1500", "port=eth9\nmtu=9000",
         "eth1 has an MTU of 1500, h's eth9 of 9000; fix: ip link set eth1 mtu 9000");
    /* AF_XDP's is not raised: the other one comes down to it. */
    mtus("port=af_xdp:eth1\nmtu=3000", "port=eth9\nmtu=9000",
         "h's eth9 has an MTU of 9000, af_xdp:eth1 of 3000; fix: ssh -p 2 h 'ip link set eth9 mtu "
         "3000'");
    mtus("port=eth1\nmtu=9000", "port=af_xdp:eth9\nmtu=3000",
         "eth1 has an MTU of 9000, h's af_xdp:eth9 of 3000; fix: ip link set eth1 mtu 3000");
    /* Nothing to say. */
    mtus("port=eth1\nmtu=9000", "port=eth9\nmtu=9000", "");
    mtus("port=eth1\nmtu=0", "port=eth9\nmtu=9000", "");
    mtus("port=eth1\nmtu=9000", "port=eth9\nmtu=9;reboot", "");
    mtus("port=eth1\nmtu=9000", "port=eth9", "");
    mtus("port=eth1\nmtu=9000\nmtu_limit=1500", "port=eth9\nmtu=1500", "");
    mtus("port=eth1\nmtu=9000", "port=eth9\nmtu=1500\nmtu_limit=1500", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_mtus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
