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

#include "xl-plugin/plugin/portcheck.h"

static char sysfs[64];

static void run(const char *command)
{
    char line[512];

    snprintf(line, sizeof(line), "cd '%s' && %s", sysfs, command);
    assert_int_equal(system(line), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(sysfs, "/tmp/xf-sysfs.XXXXXX");
    if (!mkdtemp(sysfs))
        return -1;
    run("for i in one two; do mkdir -p class/net/$i/queues/rx-0 class/net/$i/queues/tx-0;"
        "echo 0x1003 >class/net/$i/flags; echo 1 >class/net/$i/carrier; echo 1500 "
        ">class/net/$i/mtu;"
        "done; mkdir class/net/two/queues/rx-1");
    run("for i in up down nolink; do mkdir -p class/net/$i; echo 0x1003 >class/net/$i/flags;"
        "echo 1 >class/net/$i/carrier; echo 9000 >class/net/$i/mtu; done;"
        "echo 0x1002 >class/net/down/flags; echo 0 >class/net/nolink/carrier;"
        "for i in 0:vfio-pci 1: 2:ixgbe; do mkdir -p bus/pci/devices/0000:3b:00.${i%:*};"
        " [ -z ${i#*:} ] || ln -s ../../../bus/pci/drivers/${i#*:}"
        " bus/pci/devices/0000:3b:00.${i%:*}/driver; done");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run("rm -rf class bus");
    return remove(sysfs);
}

static void ports_are_told_apart(void **state)
{
    static const struct {
        const char *port;
        int rc;
        unsigned mtu;
        const char *word, *fix;
    } cases[] = {
        {"up", 0, 9000, "", ""},
        {"af_xdp:up", -EINVAL, 9000, "has an MTU of 9000, and AF_XDP takes interfaces up to 3498",
         "ip link set up mtu 3000"},
        {"af_xdp:two", -EINVAL, 1500,
         "port two: spreads what it receives over 2 queues, but AF_XDP reads 1",
         "ethtool -L two combined 1"},
        {"af_xdp:one", 0, 1500, "", ""},
        {"af_xdp:down", -ENETDOWN, 9000, "port down: down", "ip link set down up"},
        {"two", 0, 1500, "", ""},
        {"down", -ENETDOWN, 9000, "port down: down", "ip link set down up"},
        {"nolink", -ENETDOWN, 9000, "no link", ""},
        {"other", -ENODEV, 0, "no such network interface", ""},
        {"0000:3b:00.0", 0, 0, "", ""},
        {"3b:00.0", 0, 0, "", ""},
        {"0000:3b:00.1", -ENODEV, 0, "no driver", "modprobe uio_pci_generic && echo"},
        {"0000:3b:00.2", -EBUSY, 0, "port 0000:3b:00.2: the kernel's driver ixgbe has it",
         "echo 0000:3b:00.2 >/sys/bus/pci/devices/0000:3b:00.2/driver/unbind"},
        {"0000:3b:00.7", -ENODEV, 0, "no such PCI device", ""},
        {"net_memif0,role=server", 0, 0, "", ""},
        {"../../etc", -EINVAL, 0, "not the name of a DPDK port", ""},
    };

    const struct xf_dpdk_host host = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char err[256] = "";
        struct xf_found found;
        int rc = xf_portcheck(sysfs, cases[i].port, &host, 1, &found, err);

        if (rc != cases[i].rc || found.mtu != cases[i].mtu || !strstr(err, cases[i].word) ||
            !strstr(found.fix, cases[i].fix) || !found.fix[0] != !cases[i].fix[0])
            fail_msg("%s: %d, mtu %u, %s, fix: %s", cases[i].port, rc, found.mtu, err, found.fix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_are_told_apart),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
