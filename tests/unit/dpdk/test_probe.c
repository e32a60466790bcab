/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which ports a host has and which of them can be used, by a sysfs of the test's own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dpdk/host.h"
#include "dpdk/probe.h"
#include "dpdk/spec.h"

static char sysfs[64];

static void run(const char *command)
{
    char line[1024];

    snprintf(line, sizeof(line), "cd '%s' && %s", sysfs, command);
    assert_int_equal(system(line), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(sysfs, "/tmp/xf-sysfs.XXXXXX");
    if (!mkdtemp(sysfs))
        return -1;
    run("for i in eth1 eth0 eth2 eth3 eth4 ib0 lo vif1.0; do mkdir -p class/net/$i/queues/rx-0;"
        "echo 0x1003 >class/net/$i/flags; echo 1 >class/net/$i/carrier;"
        "echo 1 >class/net/$i/type; echo 1500 >class/net/$i/mtu; done; : "
        ">class/net/bonding_masters");
    run("mkdir -p class/net/eth1/queues/rx-1 class/net/eth1/queues/tx-0 class/net/eth2/brport"
        " class/net/eth4/bonding_slave;"
        "echo 9000 >class/net/eth1/mtu; echo 25000 >class/net/eth1/speed;"
        "echo -1 >class/net/eth0/speed; echo 0x1002 >class/net/eth3/flags;"
        "echo 0 >class/net/eth0/carrier; echo 32 >class/net/ib0/type");
    run("mkdir -p drivers/vfio-pci drivers/virtio-pci drivers/mlx5_core drivers/uio_pci_generic "
        "bus/pci/devices; cd "
        "bus/pci/devices;"
        "for n in 0 1 2 3 4 5 6; do mkdir 0000:00:0$n.0; echo 0x020000 >0000:00:0$n.0/class; done;"
        "echo 0x010601 >0000:00:00.0/class; ln -s ../../../../drivers/vfio-pci 0000:00:01.0/driver;"
        "ln -s ../../../../drivers/virtio-pci 0000:00:02.0/driver; mkdir -p "
        "0000:00:02.0/virtio1/net/eth1;"
        "ln -s ../../../../drivers/mlx5_core 0000:00:03.0/driver; mkdir -p 0000:00:03.0/net/eth3;"
        "echo 0x028000 >0000:00:05.0/class;"
        "ln -s ../../../../drivers/uio_pci_generic 0000:00:06.0/driver");
    run("ln -s ../../../bus/pci/devices/0000:00:02.0 class/net/eth1/device");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run("rm -rf class bus drivers hypervisor kernel");
    return remove(sysfs);
}

/* What its kind finds of the port. */
static int judge(const char *port, const struct xf_dpdk_host *host, unsigned queues,
                 struct xf_found *found)
{
    struct xf_port_spec spec;

    assert_int_equal(xf_spec_parse(&spec, port), 0);
    return spec.kind->probe(sysfs, &spec, host, queues, found);
}

static void ports_are_found_and_judged(void **state)
{
    static const struct {
        const char *name, *why, *fix;
        bool safe;
    } expected[] = {
        {"eth0", "no link", NULL, false},
        {"eth1", NULL, NULL, false},
        {"eth2", "part of a bridge", "ip link set eth2 nomaster", false},
        {"eth3", "down", "ip link set eth3 up", true},
        {"eth4", "part of a bond", NULL, false},
        {"ib0", "no Ethernet", NULL, false},
        {"0000:00:01.0", NULL, NULL, false},
        {"0000:00:02.0",
         "the kernel's driver virtio-pci has it: bind it to vfio-pci or "
         "uio_pci_generic, or name eth1",
         "echo 0000:00:02.0 >/sys/bus/pci/devices/0000:00:02.0/driver/unbind", false},
        {"0000:00:03.0", NULL, NULL, false}, /* driven by both */
        {"0000:00:04.0", "no driver",
         "echo uio_pci_generic >/sys/bus/pci/devices/0000:00:04.0/driver_override && "
         "echo 0000:00:04.0 >/sys/bus/pci/drivers_probe",
         true},
        {"0000:00:05.0", "no driver", "modprobe uio_pci_generic && ", true},
        {"0000:00:06.0", "needs 64 free hugepages of 2 MiB, 63 are free",
         "sysctl -w vm.nr_hugepages=101", true},
    };
    enum { N = sizeof(expected) / sizeof(expected[0]) };
    const struct xf_dpdk_host host = {.hugepages = 100, .hugepages_free = 63};
    struct xf_found ports[32];

    (void)state;
    assert_int_equal(xf_probe_ports(sysfs, &host, ports, 32), N);
    for (unsigned i = 0; i < N; i++) {
        assert_string_equal(ports[i].name, expected[i].name);
        assert_int_equal(ports[i].pci, i >= 6);
        if (ports[i].usable == !!expected[i].why || !strstr(ports[i].why, expected[i].why ?: ""))
            fail_msg("%s: usable %d, %s", ports[i].name, ports[i].usable, ports[i].why);
        if (!ports[i].fix[0] != !expected[i].fix || ports[i].fix_is_safe != expected[i].safe ||
            !strstr(ports[i].fix, expected[i].fix ?: ""))
            fail_msg("%s: fix: %s, safe: %d", ports[i].name, ports[i].fix, ports[i].fix_is_safe);
    }
    assert_int_equal(ports[1].mtu, 9000);
    assert_int_equal(ports[1].queues, 2);
    assert_int_equal(ports[1].speed_mbps, 25000);
    assert_int_equal(ports[0].speed_mbps, 0);
    assert_int_equal(ports[7].speed_mbps, 25000); /* 0000:00:02.0, by its interface */
    assert_int_equal(ports[7].queues, 2);
    assert_string_equal(ports[1].other, "0000:00:02.0");
    assert_string_equal(ports[1].driver, "virtio-pci");
    assert_true(ports[1].up && ports[1].link);
    assert_true(ports[0].up && !ports[0].link);
    assert_int_equal(xf_probe_ports(sysfs, &host, ports, 3), 3);
    assert_int_equal(xf_probe_ports("/nowhere", &host, ports, 3), 0);
}

/* AF_XDP reads so many of an interface's queues as it is told, and there must be so many. */
static void af_xdp_wants_its_queues(void **state)
{
    struct xf_found port;

    (void)state;
    assert_int_equal(judge("af_xdp:"
                           "eth9",
                           NULL, 1, &port),
                     -ENODEV);
    assert_int_equal(judge("af_xdp:"
                           "eth2",
                           NULL, 1, &port),
                     -EBUSY);
    run("echo 3499 >class/net/eth1/mtu");
    assert_int_equal(judge("af_xdp:"
                           "eth1",
                           NULL, 2, &port),
                     -EINVAL);
    assert_string_equal(port.fix, "ip link set eth1 mtu 3000");
    run("echo 3498 >class/net/eth1/mtu");
    assert_int_equal(judge("af_xdp:"
                           "eth1",
                           NULL, 1, &port),
                     -EINVAL);
    assert_string_equal(port.fix, "ethtool -L eth1 combined 1");
    assert_false(port.usable || port.fix_is_safe);
    assert_int_equal(judge("af_xdp:"
                           "eth1",
                           NULL, 2, &port),
                     0);
    assert_true(port.usable);
    assert_int_equal(judge("af_xdp:"
                           "eth1",
                           NULL, 3, &port),
                     -EINVAL);
    assert_non_null(strstr(port.why, "has 2 receive queues, and xl-fast.conf asks for 3"));
    assert_string_equal(port.fix, ""); /* it cannot have more, as far as sysfs shows */
    run("echo 9000 >class/net/eth1/mtu");
}

static void a_switchs_port_is_none_of_ours(void **state)
{
    struct xf_found port;

    (void)state;
    run("mkdir class/net/ovs-system; ln -s ../ovs-system class/net/eth1/master");
    assert_int_equal(judge("af_packet:"
                           "eth1",
                           NULL, 1, &port),
                     -EBUSY);
    assert_string_equal(port.fix, "ovs-vsctl del-port eth1");
    /* A VRF takes packets of the IP stack only. */
    run("rm class/net/eth1/master; ln -s ../vrf7 class/net/eth1/master");
    assert_int_equal(judge("af_packet:"
                           "eth1",
                           NULL, 1, &port),
                     0);
    run("rm -r class/net/eth1/master class/net/ovs-system");
}

/* uio_pci_generic wants a legacy interrupt: no command that cannot fix it is named. */
static void a_virtual_function_is_not_for_uio(void **state)
{
    const struct xf_dpdk_host host = {0};
    struct xf_found port;

    (void)state;
    run("mkdir bus/pci/devices/0000:00:04.0/physfn bus/pci/devices/0000:00:02.0/physfn");
    assert_int_equal(judge("0000:00:04.0", &host, 1, &port), -ENODEV);
    assert_string_equal(port.fix, "");
    assert_int_equal(judge("0000:00:02.0", &host, 1, &port), -EBUSY);
    assert_string_equal(port.fix, "");
    run("rmdir bus/pci/devices/0000:00:04.0/physfn bus/pci/devices/0000:00:02.0/physfn");
}

/* No command is made of a name that a shell would act on. */
static void a_name_is_no_command(void **state)
{
    struct xf_found port;

    (void)state;
    run("cp -r class/net/eth3 'class/net/e;reboot'");
    assert_int_equal(judge("af_packet:"
                           "e;reboot",
                           NULL, 1, &port),
                     -ENETDOWN);
    assert_string_equal(port.fix, "");
    run("rm -r 'class/net/e;reboot'");
}

static void a_pv_dom0_has_no_pci_ports(void **state)
{
    const struct xf_dpdk_host pv = {.pv_dom0 = true}, other = {0};
    struct xf_found port;

    (void)state;
    assert_int_equal(judge("0000:00:01.0", &pv, 1, &port), -ENODEV);
    assert_non_null(strstr(port.why, "PV dom0"));
    assert_int_equal(judge("0000:00:02.0", &pv, 1, &port), -ENODEV);
    assert_non_null(strstr(port.why, "here eth1"));
    /* But for those that the kernel goes on driving. */
    assert_int_equal(judge("0000:00:03.0", &pv, 1, &port), 0);
    assert_int_equal(judge("0000:00:09.0", &other, 1, &port), -ENODEV);
    assert_int_equal(judge("af_packet:"
                           "eth9",
                           NULL, 1, &port),
                     -ENODEV);
}

static void hosts_are_told_apart(void **state)
{
    struct xf_dpdk_host host;

    (void)state;
    xf_dpdk_probe_host_at(sysfs, &host);
    assert_false(host.xen || host.pv_dom0);
    assert_int_equal(host.hugepages_free, 0);
    assert_int_equal(host.hugepages, 0);
    run("mkdir -p hypervisor kernel/mm/hugepages/hugepages-2048kB; echo xen >hypervisor/type;"
        "echo PV >hypervisor/guest_type; echo 7 "
        ">kernel/mm/hugepages/hugepages-2048kB/free_hugepages;"
        "echo 9 >kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    xf_dpdk_probe_host_at(sysfs, &host);
    assert_true(host.xen && host.pv_dom0);
    assert_int_equal(host.hugepages_free, 7);
    assert_int_equal(host.hugepages, 9);
    run("echo PVH >hypervisor/guest_type");
    xf_dpdk_probe_host_at(sysfs, &host);
    assert_true(host.xen && !host.pv_dom0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_found_and_judged),
        cmocka_unit_test(af_xdp_wants_its_queues),
        cmocka_unit_test(a_switchs_port_is_none_of_ours),
        cmocka_unit_test(a_virtual_function_is_not_for_uio),
        cmocka_unit_test(a_name_is_no_command),
        cmocka_unit_test(a_pv_dom0_has_no_pci_ports),
        cmocka_unit_test(hosts_are_told_apart),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
