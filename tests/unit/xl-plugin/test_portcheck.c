/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which ports the preflight finds fit, by a sysfs of the test's own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../../xl-plugin/plugin/portcheck.h"

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
    run("for i in up down nolink; do mkdir -p class/net/$i; echo 0x1003 >class/net/$i/flags;"
        "echo 1 >class/net/$i/carrier; echo 9000 >class/net/$i/mtu; done;"
        "echo 0x1002 >class/net/down/flags; echo 0 >class/net/nolink/carrier;"
        "for i in 0:vfio-pci 1: 2:ixgbe 3:uio_pci_generic 4:mlx5_core; do"
        " mkdir -p bus/pci/devices/0000:3b:00.${i%:*}; [ -z ${i#*:} ] ||"
        " ln -s ../../../bus/pci/drivers/${i#*:} bus/pci/devices/0000:3b:00.${i%:*}/driver; done;"
        "mkdir -p hypervisor kernel/mm/hugepages/hugepages-2048kB");
    run("echo PVH >hypervisor/guest_type; echo 64 "
        ">kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run("rm -rf class bus hypervisor kernel");
    return remove(sysfs);
}

static void ports_are_told_apart(void **state)
{
    static const struct {
        const char *port;
        int rc;
        unsigned mtu;
        const char *word;
    } cases[] = {
        {"up", 0, 9000, ""},
        {"af_xdp:up", 0, 9000, ""},
        {"down", -ENETDOWN, 0, "ip link set down up"},
        {"nolink", -ENETDOWN, 0, "no link"},
        {"other", -ENODEV, 0, "no such network interface"},
        {"0000:3b:00.0", 0, 0, ""},
        {"3b:00.0", 0, 0, ""},
        {"0000:3b:00.1", -ENODEV, 0, "no driver"},
        {"0000:3b:00.2", -EBUSY, 0, "is the kernel's (driver ixgbe)"},
        {"0000:3b:00.3", 0, 0, ""},
        {"0000:3b:00.4", 0, 0, ""},
        {"0000:3b:00.7", -ENODEV, 0, "no such PCI device"},
        {"net_memif0,role=server", 0, 0, ""},
        {"../../etc", -EINVAL, 0, "no name of a DPDK port"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char err[256] = "";
        unsigned mtu;
        int rc = xf_portcheck(sysfs, cases[i].port, 0, &mtu, err);

        if (rc != cases[i].rc || mtu != cases[i].mtu || !strstr(err, cases[i].word))
            fail_msg("%s: %d, mtu %u, %s", cases[i].port, rc, mtu, err);
    }
}

/* What a driver in user space needs where it has no IOMMU: hugepages, and physical addresses. */
static void uio_needs_hugepages(void **state)
{
    char err[256] = "";
    unsigned mtu;

    (void)state;
    assert_int_equal(xf_portcheck(sysfs, "3b:00.3", 2, &mtu, err), -ENOMEM);
    assert_non_null(strstr(err, "needs 96 free hugepages of 2 MiB, 64 are free"));
    run("mkdir kernel/mm/hugepages/hugepages-1048576kB;"
        "echo 1 >kernel/mm/hugepages/hugepages-1048576kB/free_hugepages");
    assert_int_equal(xf_portcheck(sysfs, "3b:00.3", 2, &mtu, err), 0);
    run("echo PV >hypervisor/guest_type");
    assert_int_equal(xf_portcheck(sysfs, "3b:00.3", 1, &mtu, err), -ENODEV);
    assert_non_null(strstr(err, "boot Xen with dom0=pvh"));
    assert_int_equal(xf_portcheck(sysfs, "3b:00.4", 1, &mtu, err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_told_apart),
        cmocka_unit_test(uio_needs_hugepages),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
