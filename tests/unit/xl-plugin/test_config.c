/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast.conf: defaults, every key, and what is refused, with the words of the refusal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "xl-plugin/plugin/config.h"

#define REQUIRED "port = \"eth1\"\naddress = \"192.0.2.1/24\"\n"

static int parse(const char *text, struct xf_config *c, char *err)
{
    return xf_config_parse(c, text, "test.conf", err);
}

static void defaults_hold(void **state)
{
    struct xf_config c;
    char err[XF_CONFIG_ERR_BYTES];

    (void)state;
    assert_int_equal(parse(REQUIRED, &c, err), 0);
    assert_string_equal(c.port, "eth1");
    assert_int_equal(c.ipv4, 0xc0000201);
    assert_int_equal(c.prefix, 24);
    assert_int_equal(c.udp_port, 0);
    assert_int_equal(c.lanes, 0);
    assert_int_equal(c.cpus.n, 0);
    assert_int_equal(c.mtu, 0);
    assert_int_equal(c.connect_timeout_s, 30);
    assert_int_equal(c.max_downtime_us, 300000);
    assert_int_equal(c.on_busy, XF_ON_BUSY_GO);
    assert_false(c.throttle);
    assert_int_equal(c.bandwidth_bytes_per_s, 0);
    assert_int_equal(c.compress, XF_COMPRESS_AUTO);
}

static void an_address_is_made_of_the_hosts_name(void **state)
{
    struct xf_config c;
    char err[XF_CONFIG_ERR_BYTES], host[256] = "";

    (void)state;
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    assert_int_equal(parse("port = \"eth1\"\n", &c, err), 0);
    assert_int_equal(c.ipv4, xf_config_link_local(host));
    assert_int_equal(c.prefix, 16);
    assert_int_not_equal(xf_config_link_local("xen1"), xf_config_link_local("xen2"));
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(host, sizeof(host), "host%u", i);
        uint32_t a = xf_config_link_local(host);

        assert_int_equal(a >> 16, 0xa9fe);
        /* The first and last 256 addresses are reserved, and .0 and .255 confuse people. */
        assert_in_range(a >> 8 & 0xff, 1, 254);
        assert_in_range(a & 0xff, 1, 254);
    }
}

static void every_key_is_taken(void **state)
{
    struct xf_config c;
    char err[XF_CONFIG_ERR_BYTES];

    (void)state;
    assert_int_equal(
        parse("# with = comments\nport = 'net_memif0,role=server,socket=/run/m'\n"
              "address = \"10.0.0.9/30\" # here too\nudp_port = 4000\nlanes=2\ncpus = "
              "\"2-3,8\"\nmtu=1500\n"
              "connect_timeout = 5\nmax_downtime = 50\nbandwidth = \"8G\"\n"
              "compress = \"lz4\"\non_busy = \"abort\"\ndeadline = 600\nthrottle = 1\nverify = 1\n"
              "hand_over = \"late\"\nannounce = 0\nlibvirt = \"tunnelled\"\n"
              "stock_helper = \"/x/libxl-save-helper\"\n",
              &c, err),
        0);
    assert_string_equal(c.port, "net_memif0,role=server,socket=/run/m");
    assert_int_equal(c.ipv4, 0x0a000009);
    assert_int_equal(c.prefix, 30);
    assert_int_equal(c.udp_port, 4000);
    assert_int_equal(c.lanes, 2);
    assert_int_equal(c.cpus.n, 3);
    assert_int_equal(c.cpus.cpus[2], 8);
    assert_int_equal(c.mtu, 1500);
    assert_int_equal(c.connect_timeout_s, 5);
    assert_int_equal(c.max_downtime_us, 50000);
    assert_int_equal(c.bandwidth_bytes_per_s, 1000000000);
    assert_int_equal(c.compress, XF_COMPRESS_LZ4);
    assert_int_equal(c.on_busy, XF_ON_BUSY_ABORT);
    assert_int_equal(c.deadline_s, 600);
    assert_true(c.throttle);
    assert_true(c.verify);
    assert_true(c.hand_over_late);
    assert_false(c.announce);
    assert_int_equal(c.libvirt, XF_UNASKED_TUNNELLED);
    assert_string_equal(c.stock_helper, "/x/libxl-save-helper");
    assert_int_equal(c.from_file, (1u << XF_KEYS) - 1);
    assert_int_equal(c.from_environment, 0);
}

struct said {
    unsigned n;
    char lines[8][XF_CONFIG_ERR_BYTES];
};

static void note(void *arg, const char *line)
{
    struct said *said = arg;

    assert_true(said->n < 8);
    strcpy(said->lines[said->n++], line);
}

static void a_check_names_every_error(void **state)
{
    static const char text[] =
        "prot = \"eth1\"\naddress = 5\nmtu = 10\nlanes = 2\n\nsize = [ 1, 2 ]\n";
    char path[] = "/tmp/test_config.XXXXXX";
    struct said said = {0};
    struct xf_config c;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    int rc = xf_config_check(&c, path, note, &said);
    unlink(path);
    assert_int_equal(rc, -EINVAL);
    assert_int_equal(said.n, 5);
    assert_non_null(strstr(said.lines[0], "line 1: unknown key 'prot': did you mean 'port'?"));
    assert_non_null(strstr(said.lines[1], "line 6: unknown key 'size'"));
    assert_non_null(strstr(said.lines[2], "port is missing"));
    assert_non_null(strstr(said.lines[3], "address must be"));
    assert_non_null(strstr(said.lines[4], "mtu must be"));
    assert_int_equal(c.lanes, 2);
}

static void what_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"", "port is missing"},
        {REQUIRED "max_downtme = 5\n", "unknown key 'max_downtme': did you mean 'max_downtime'?"},
        {REQUIRED "\n\nmtux = 5\n", "line 5: unknown key 'mtux': did you mean 'mtu'?"},
        {REQUIRED "color = 5\n", "line 3: unknown key 'color'"},
        {REQUIRED "stock_helper = 5\n", "stock_helper must be"},
        {REQUIRED "stock_helper = \"libxl-save-helper\"\n", "stock_helper must be"},
        {REQUIRED "mtu = 100\n", "mtu must be"},
        {REQUIRED "mtu = \"big\"\n", "mtu must be"},
        {REQUIRED "udp_port = 70000\n", "udp_port must be"},
        {REQUIRED "lanes = 0\n", "lanes must be"},
        {REQUIRED "lanes = 65\n", "lanes must be a number from 1 to 64"},
        {REQUIRED "\ncpus = \"2-5,4\"\n",
         "line 4: cpus must be CPU numbers and ranges, each CPU once: such as 2-5,8"},
        {REQUIRED "cpus = \"all\"\n", "line 3: cpus must be"},
        {REQUIRED "cpus = [ 2, 3 ]\n", "line 3: cpus must be"},
        {REQUIRED "cpus = 2-5\n", "line 3: a string needs quotes: cpus = \"2-5\""},
        {REQUIRED "connect_timeout = 0\n", "connect_timeout"},
        {REQUIRED "verify = 2\n", "verify must be"},
        {REQUIRED "announce = 2\n", "announce must be"},
        {REQUIRED "hand_over = \"early\"\n", "hand_over must be"},
        {REQUIRED "hand_over = 1\n", "hand_over must be"},
        {REQUIRED "libvirt = \"yes\"\n", "libvirt must be"},
        {REQUIRED "libvirt = 1\n", "libvirt must be"},
        {REQUIRED "bandwidth = \"8 G\"\n", "bandwidth must be"},
        {REQUIRED "bandwidth = \"8T\"\n", "bandwidth must be"},
        {REQUIRED "compress = \"zip\"\n", "compress must be"},
        {REQUIRED "compress = 1\n", "compress must be"},
        {REQUIRED "throttle = 2\n", "throttle must be"},
        {REQUIRED "on_busy = \"wait\"\n", "on_busy must be"},
        {REQUIRED "deadline = 86401\n", "deadline must be"},
        {"port = \"\"\naddress = \"192.0.2.1/24\"\n", "port must be"},
        {"port = \"a b\"\naddress = \"192.0.2.1/24\"\n", "blank"},
        {"port = [ \"eth1\" ]\naddress = \"192.0.2.1/24\"\n", "port must be"},
        {"port = \"eth1\"\naddress = \"192.0.2.1\"\n", "address must be"},
        {"port = \"eth1\"\naddress = \"192.0.2.1/33\"\n", "address must be"},
        {"port = \"eth1\"\naddress = \"192.0.2.1/24x\"\n", "address must be"},
        {"port = \"eth1\"\naddress = \"192.0.2/24\"\n", "address must be"},
        {"port = \"eth1\n", "test.conf"},
        {REQUIRED "= 5\n", "test.conf"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct xf_config c;
        char err[XF_CONFIG_ERR_BYTES];

        assert_int_equal(parse(cases[i].text, &c, err), -EINVAL);
        if (!strstr(err, cases[i].word))
            fail_msg("case %zu: no '%s' in: %s", i, cases[i].word, err);
        assert_null(strchr(err, '\n'));
    }
}

static void the_environment_overrides(void **state)
{
    struct xf_config c;
    char err[XF_CONFIG_ERR_BYTES];

    (void)state;
    setenv("XL_FAST_MAX_DOWNTIME", "20", 1);
    setenv("XL_FAST_BANDWIDTH", "80M", 1);
    setenv("XL_FAST_ON_BUSY", "go", 1);
    setenv("XL_FAST_DEADLINE", "90", 1);
    setenv("XL_FAST_COMPRESS", "none", 1);
    setenv("XL_FAST_CONNECT_TIMEOUT", "7", 1);
    setenv("XL_FAST_VERIFY", "1", 1);
    setenv("XL_FAST_LANES", "4", 1);
    assert_int_equal(parse(REQUIRED "lanes = 2\nmax_downtime = 50\non_busy = \"abort\"\n", &c, err),
                     0);
    assert_int_equal(c.max_downtime_us, 20000);
    assert_int_equal(c.on_busy, XF_ON_BUSY_GO);
    assert_int_equal(c.deadline_s, 90);
    assert_int_equal(c.bandwidth_bytes_per_s, 10000000);
    assert_int_equal(c.compress, XF_COMPRESS_NONE);
    assert_int_equal(c.connect_timeout_s, 7);
    assert_true(c.verify);
    assert_int_equal(c.lanes, 4);
    assert_int_equal(c.from_environment, 1u << XF_KEY_LANES | 1u << XF_KEY_MAX_DOWNTIME |
                                             1u << XF_KEY_ON_BUSY | 1u << XF_KEY_DEADLINE |
                                             1u << XF_KEY_BANDWIDTH | 1u << XF_KEY_COMPRESS |
                                             1u << XF_KEY_CONNECT_TIMEOUT | 1u << XF_KEY_VERIFY);
    setenv("XL_FAST_LANES", "65", 1);
    assert_int_equal(parse(REQUIRED, &c, err), -EINVAL);
    assert_non_null(strstr(err, "XL_FAST_LANES must be a number from 1 to 64"));
    unsetenv("XL_FAST_LANES");
    setenv("XL_FAST_ON_BUSY", "perhaps", 1);
    assert_int_equal(parse(REQUIRED, &c, err), -EINVAL);
    assert_non_null(strstr(err, "XL_FAST_ON_BUSY"));
    unsetenv("XL_FAST_ON_BUSY");
    setenv("XL_FAST_VERIFY", "0", 1);
    assert_int_equal(parse(REQUIRED "verify = 1\n", &c, err), 0);
    assert_false(c.verify);
    unsetenv("XL_FAST_VERIFY");
    setenv("XL_FAST_MAX_DOWNTIME", "soon", 1);
    assert_int_equal(parse(REQUIRED, &c, err), -EINVAL);
    assert_non_null(strstr(err, "XL_FAST_MAX_DOWNTIME"));
    unsetenv("XL_FAST_MAX_DOWNTIME");
    unsetenv("XL_FAST_BANDWIDTH");
    setenv("XL_FAST_COMPRESS", "yes", 1);
    assert_int_equal(parse(REQUIRED, &c, err), -EINVAL);
    assert_non_null(strstr(err, "XL_FAST_COMPRESS"));
    unsetenv("XL_FAST_COMPRESS");
    unsetenv("XL_FAST_CONNECT_TIMEOUT");
    unsetenv("XL_FAST_DEADLINE");
}

static void a_missing_file_is_named(void **state)
{
    struct xf_config c;
    char err[XF_CONFIG_ERR_BYTES];

    (void)state;
    assert_int_equal(xf_config_load(&c, "/nowhere/xl-fast.conf", err), -ENOENT);
    assert_non_null(strstr(err, "/nowhere/xl-fast.conf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(an_address_is_made_of_the_hosts_name),
        cmocka_unit_test(every_key_is_taken),
        cmocka_unit_test(a_check_names_every_error),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(the_environment_overrides),
        cmocka_unit_test(a_missing_file_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
