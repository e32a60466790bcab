/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host: what /sys says of this machine. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file's first line without its newline; false if it cannot be read. */
static bool read_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(out, (int)size, f);

    if (f)
        fclose(f);
    if (!ok)
        return false;
    out[strcspn(out, "\n")] = 0;
    return true;
}

void xf_dpdk_probe_host(struct xf_dpdk_host *host)
{
    xf_dpdk_probe_host_at("/sys", host);
}

static bool read_line_at(const char *sysfs, const char *name, char *line, size_t size)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", sysfs, name);
    return read_line(path, line, size);
}

static uint64_t read_number_at(const char *sysfs, const char *name)
{
    char line[32];

    return read_line_at(sysfs, name, line, sizeof(line)) ? strtoull(line, NULL, 10) : 0;
}

void xf_dpdk_probe_host_at(const char *sysfs, struct xf_dpdk_host *host)
{
    char line[32];

    memset(host, 0, sizeof(*host));
    host->xen = read_line_at(sysfs, "hypervisor/type", line, sizeof(line)) && !strcmp(line, "xen");
    /* "PV", "PVH" or "HVM"; a kernel too old to say (before 4.13) can only be a PV dom0. */
    host->pv_dom0 =
        host->xen &&
        (!read_line_at(sysfs, "hypervisor/guest_type", line, sizeof(line)) || !strcmp(line, "PV"));
    host->hugepages = read_number_at(sysfs, "kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    host->hugepages_free =
        read_number_at(sysfs, "kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    host->hugepages_free +=
        512 * read_number_at(sysfs, "kernel/mm/hugepages/hugepages-1048576kB/free_hugepages");
    host->root = geteuid() == 0;
}
