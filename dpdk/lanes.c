/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lanes: computes how many, and counts the CPUs that there are for them. */
#include "lanes.h"

#include <sched.h>
#include <stdio.h>

#include "sysfs.h"

#define MBPS_A_LANE 25000u
#define CPUS_MIN    4u /* fewer: dom0 has other work */

struct xf_lanes xf_lanes_suggest(unsigned queues, unsigned cpus, unsigned speed_mbps)
{
    struct xf_lanes l = {.n = 1};

    if (!speed_mbps) {
        l.why = "its speed is not known";
    } else if (speed_mbps <= MBPS_A_LANE) {
        l.why = "one does for up to 25 Gbit/s";
    } else if (cpus < CPUS_MIN) {
        l.why = "fewer than 4 CPUs";
    } else {
        l.n = speed_mbps / MBPS_A_LANE + (speed_mbps % MBPS_A_LANE != 0);
        l.why = "one for each 25 Gbit/s";
    }
    if (l.n > cpus - 1 && l.n > 1) {
        l.n = cpus - 1;
        l.why = "one CPU is left over";
    }
    if (queues && l.n > queues) {
        l.n = queues;
        l.why = "as many as its queues";
    }
    if (l.n > XF_LANES_MAX) {
        l.n = XF_LANES_MAX;
        l.why = "the most that there can be";
    }
    return l;
}

static void read_list(const char *dir, const char *name, struct xf_cpu_list *out)
{
    char line[512];

    if (!xf_sysfs_line(dir, name, line, sizeof(line)) || xf_cpu_list_parse(line, out))
        out->n = 0;
}

void xf_cpus_online(const char *sysfs, struct xf_cpu_list *out)
{
    char dir[256];

    snprintf(dir, sizeof(dir), "%s/devices/system/cpu", sysfs);
    read_list(dir, "online", out);
}

/* That this process may run on; by a test's sysfs, those that it has. */
static void list_ours(const char *sysfs, struct xf_cpu_list *out)
{
    cpu_set_t set;

    xf_cpus_online(sysfs, out);
    if (!xf_sysfs_is_here(sysfs) || sched_getaffinity(0, sizeof(set), &set))
        return;
    out->n = 0;
    for (unsigned cpu = 0; cpu < XF_CPU_MAX; cpu++)
        if (CPU_ISSET(cpu, &set))
            out->cpus[out->n++] = (uint16_t)cpu;
}

/* Of those the ones of the device's NUMA node; all, if it has none or the kernel does not say. */
static unsigned count_near(const char *sysfs, const char *device)
{
    struct xf_cpu_list ours, node;
    unsigned near = 0;
    char dir[256];
    long number;

    list_ours(sysfs, &ours);
    snprintf(dir, sizeof(dir), "%s/bus/pci/devices/%s", sysfs, device);
    if (!xf_sysfs_number(dir, "numa_node", &number) || number < 0)
        return ours.n;
    snprintf(dir, sizeof(dir), "%s/devices/system/node/node%ld", sysfs, number);
    read_list(dir, "cpulist", &node);
    for (unsigned i = 0; i < ours.n; i++)
        near += xf_cpu_list_has(&node, ours.cpus[i]);
    return near ? near : ours.n;
}

struct xf_lanes xf_lanes_of(const char *sysfs, const struct xf_found *port)
{
    if (!port->name[0])
        return (struct xf_lanes){1, "a vdev"};
    if (!port->pci)
        return (struct xf_lanes){1, "a kernel interface"};
    return xf_lanes_suggest(port->queues, count_near(sysfs, port->name),
                            (unsigned)port->speed_mbps);
}
