/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments: how DPDK is started on each kind of host. */
#include "tests/unit/common/unit.h"

#include "dpdk/args.h"
#include "dpdk/spec.h"

static const struct xf_dpdk_host pv_dom0 = {
    .xen = true, .pv_dom0 = true, .root = true, .hugepages_free = 512 /* whatever it says */};
static const struct xf_dpdk_host pvh_dom0 = {.xen = true, .root = true, .hugepages_free = 512};
static const struct xf_dpdk_host bare = {.root = true, .hugepages_free = 512};
static const struct xf_dpdk_host bare_few = {.root = true, .hugepages_free = 10};
static const struct xf_dpdk_host user = {.hugepages_free = 512};

static struct xf_eal_args args;
static struct xf_port_spec spec;

static void build(const struct xf_dpdk_host *host, const char *port)
{
    struct xf_eal_wish wish = {
        .spec = &spec, .queues = 1, .ports = 1, .if_mtu = 9000, .cpu = 3, .log_level = "warning"};

    xf_eal_args_free(&args);
    assert_int_equal(xf_spec_parse(&spec, port), 0);
    assert_int_equal(xf_eal_args_build(&args, host, &wish), 0);
    assert_null(args.argv[args.argc]);
}

static bool has(const char *arg)
{
    for (int i = 1; i < args.argc; i++)
        if (!strcmp(args.argv[i], arg))
            return true;
    return false;
}

static void ordinary_pages(void **state)
{
    static const struct xf_dpdk_host *const hosts[] = {&pv_dom0, &bare_few, &user};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        build(hosts[i], "eth1");
        assert_true(args.no_huge);
        assert_true(has("--no-huge") && has("--no-shconf") && has("--iova-mode=va"));
        assert_false(has("--in-memory")); /* DPDK refuses both */
    }
}

static void hugepages(void **state)
{
    static const struct xf_dpdk_host *const hosts[] = {&pvh_dom0, &bare};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        build(hosts[i], "eth1");
        assert_false(args.no_huge);
        assert_true(has("--in-memory") && has("--iova-mode=va"));
        assert_false(has("--no-huge"));
        /* A NIC's driver knows what its IOVAs are. */
        build(hosts[i], "0000:3b:00.1");
        assert_false(has("--iova-mode=va"));
    }
}

static void only_the_port_is_touched(void **state)
{
    (void)state;
    build(&bare, "0000:3b:00.1");
    assert_true(has("--allow=0000:3b:00.1"));
    assert_false(has("--no-pci"));
    build(&bare, "net_memif0,role=client");
    assert_true(has("--no-pci") && has("--vdev=net_memif0,role=client"));
    assert_false(has("--single-file-segments"));
    /* Its peer maps each file of DPDK's memory. */
    build(&bare, "net_memif0,role=client,zero-copy=yes");
    assert_true(has("--single-file-segments"));
    /* The mlx5 of a PV dom0: user space without physical addresses. */
    build(&pv_dom0, "0000:3b:00.1");
    assert_true(has("--allow=0000:3b:00.1") && has("--no-huge") && has("--iova-mode=va"));
}

static void one_lcore_and_nothing_left(void **state)
{
    (void)state;
    build(&user, "net_memif0");
    assert_true(has("--lcores=0@3") && has("--no-telemetry"));
    assert_true(has("--log-level=warning"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_pages),
        cmocka_unit_test(hugepages),
        cmocka_unit_test(only_the_port_is_touched),
        cmocka_unit_test(one_lcore_and_nothing_left),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    xf_eal_args_free(&args);
    return failed;
}
