/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many lanes suit a port for which no number is set. */
#include <stdbool.h>

#include "tests/unit/common/unit.h"

#include "dpdk/lanes.h"

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
    run("mkdir -p devices/system/cpu devices/system/node/node1 bus/pci/devices/0000:01:00.0 && "
        "echo 0-15 >devices/system/cpu/online && echo 8-12,20 >devices/system/node/node1/cpulist");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run("rm -rf devices bus");
    return remove(sysfs);
}

static void the_rate_the_cpus_and_the_queues_count(void **state)
{
    static const struct {
        unsigned queues, cpus, speed_mbps, lanes;
        const char *why;
    } rows[] = {
        {8, 16, 0, 1, "not known"},          {8, 16, 10000, 1, "up to 25"},
        {8, 16, 25000, 1, "up to 25"},       {8, 16, 25001, 2, "each 25"},
        {8, 16, 40000, 2, "each 25"},        {8, 16, 100000, 4, "each 25"},
        {8, 16, 200000, 8, "each 25"},       {8, 16, 400000, 8, "queues"},
        {0, 64, 400000, 16, "each 25"},      {2, 16, 100000, 2, "queues"},
        {1, 16, 100000, 1, "queues"},        {8, 4, 100000, 3, "left over"},
        {2, 4, 100000, 2, "queues"},         {8, 3, 100000, 1, "fewer than 4"},
        {8, 1, 100000, 1, "fewer than 4"},   {8, 0, 100000, 1, "fewer than 4"},
        {0, 1024, 10000000, 64, "the most"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xf_lanes l = xf_lanes_suggest(rows[i].queues, rows[i].cpus, rows[i].speed_mbps);

        if (l.n != rows[i].lanes || !strstr(l.why, rows[i].why))
            fail_msg("row %u: %u lanes: %s", i, l.n, l.why);
    }
}

static void a_ports_own_cpus_count(void **state)
{
    struct xf_found port = {
        .pci = true, .name = "0000:01:00.0", .queues = 63, .speed_mbps = 400000};

    (void)state;
    assert_int_equal(xf_lanes_of(sysfs, &port).n, 15); /* of 16 CPUs: its node is not known */
    run("echo -1 >bus/pci/devices/0000:01:00.0/numa_node");
    assert_int_equal(xf_lanes_of(sysfs, &port).n, 15);
    run("echo 1 >bus/pci/devices/0000:01:00.0/numa_node");
    assert_int_equal(xf_lanes_of(sysfs, &port).n, 4); /* of 8-12; CPU 20 is not in use */
    port.speed_mbps = 100000;
    port.queues = 2;
    assert_int_equal(xf_lanes_of(sysfs, &port).n, 2);
    port.pci = false;
    assert_int_equal(xf_lanes_of(sysfs, &port).n, 1);
    assert_string_equal(xf_lanes_of(sysfs, &port).why, "a kernel interface");
    port = (struct xf_found){.speed_mbps = 100000};
    assert_int_equal(xf_lanes_of(sysfs, &port).n, 1);
    assert_string_equal(xf_lanes_of(sysfs, &port).why, "a vdev");
}

static void cpus_are_counted(void **state)
{
    struct xf_cpu_list cpus;

    (void)state;
    xf_cpus_online(sysfs, &cpus);
    assert_int_equal(cpus.n, 16);
    xf_cpus_online("/nowhere", &cpus);
    assert_int_equal(cpus.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_the_cpus_and_the_queues_count),
        cmocka_unit_test(a_ports_own_cpus_count),
        cmocka_unit_test(cpus_are_counted),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
