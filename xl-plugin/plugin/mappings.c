/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mappings: what the host has room for. */
#include "mappings.h"

#include <stdio.h>
#include <unistd.h>

#include "dpdk/host.h"
#include "transport/guest.h"

/* With fewer it is not worth trying; if the kernel has none, the migration fails by its error. */
#define CHUNKS_MIN 16u

/* A PV dom0: 8 KiB a chunk for page tables and what is around them, an eighth of its memory. */
#define PV_CHUNKS_PER_MIB 16u
/* A PVH dom0: also 32 KiB of struct pages; and a page of the pool that Xen has dom0's own p2m in,
   which holds two for each MiB of dom0's memory. A quarter of it stays free. */
#define PVH_CHUNKS_PER_2_MIB 3u

static uint64_t map_limit(void)
{
    unsigned long long n = 0;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");

    if (f && fscanf(f, "%llu", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n;
}

static uint64_t count_mapped(void)
{
    uint64_t n = 0;
    FILE *f = fopen("/proc/self/maps", "re");

    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

void xf_mappings_look(struct xf_mappings_host *host)
{
    struct xf_dpdk_host is;

    xf_dpdk_probe_host(&is);
    *host = (struct xf_mappings_host){
        .map_limit = map_limit(),
        .mapped = count_mapped(),
        .memory_mib = (uint64_t)sysconf(_SC_PHYS_PAGES) >> (20 - XF_PAGE_SHIFT),
        .pv_dom0 = is.pv_dom0,
    };
}

uint32_t xf_mappings_chunks(const struct xf_mappings_host *host)
{
    uint64_t most = host->pv_dom0 ? host->memory_mib * PV_CHUNKS_PER_MIB
                                  : host->memory_mib * PVH_CHUNKS_PER_2_MIB / 2;
    uint64_t left = host->map_limit > host->mapped ? host->map_limit - host->mapped : 0;

    /* Half of what is left is for all else in this process: Xen's own restore maps too. */
    if (host->map_limit && most > left / 2)
        most = left / 2;
    if (most > XF_CHUNKS_MAX)
        most = XF_CHUNKS_MAX;
    return most < CHUNKS_MIN ? CHUNKS_MIN : (uint32_t)most;
}
