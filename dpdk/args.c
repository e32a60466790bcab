/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments: DPDK's command line for a port on a host. */
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Memory for rings, packets and DPDK itself. With --no-huge it is mapped at the start but only what
 * is touched is used, so that generous costs nothing.
 */
#define MEMORY_BASE_MB      64u
#define MEMORY_PER_QUEUE_MB 64u
#define HUGEPAGE_MB         2u

unsigned xf_eal_hugepages(unsigned queues)
{
    return (MEMORY_BASE_MB + queues * MEMORY_PER_QUEUE_MB) / HUGEPAGE_MB;
}

static int add(struct xf_eal_args *args, const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    int n;

    if (args->argc == XF_ARGS_MAX - 1) /* the last stays NULL, as main()'s does */
        return -E2BIG;
    va_start(ap, fmt);
    n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -ENOMEM;
    args->owned[args->argc] = s;
    args->argv[args->argc++] = s;
    return 0;
}

/*
 * A PV dom0 has no hugetlbfs. Others may: but hugepages are root's, and too few of them would fail
 * half-way. Ordinary pages always work where no device does DMA of its own.
 */
static bool wants_no_huge(const struct xf_dpdk_host *host, unsigned memory_mb)
{
    return host->pv_dom0 || !host->root || host->hugepages_free * HUGEPAGE_MB < memory_mb;
}

int xf_eal_args_build(struct xf_eal_args *args, const struct xf_dpdk_host *host,
                      const struct xf_eal_wish *wish)
{
    const unsigned memory_mb = xf_eal_hugepages(wish->queues) * wish->ports * HUGEPAGE_MB;
    char vdev[XF_SPEC_VDEV_BYTES];
    int rc;

    memset(args, 0, sizeof(*args));
    args->no_huge = wants_no_huge(host, memory_mb);

    rc = wish->spec->kind->vdev(wish->spec, wish->queues, wish->if_mtu, vdev);
    if (rc)
        goto out;
    if ((rc = add(args, "xl-fast")) != 0 ||
        (rc = add(args, "--log-level=%s", wish->log_level)) != 0)
        goto out;
    /* One lcore: the caller's thread. Other threads are the caller's own business, not DPDK's. */
    if ((rc = add(args, "--lcores=0@%u", wish->cpu)) != 0)
        goto out;
    /* Nobody attaches to this process, and nothing of it may stay behind, not even after SIGKILL.
     */
    if ((rc = add(args, "--no-telemetry")) != 0 ||
        (rc = add(args, "--file-prefix=xl-fast-%d", (int)getpid())) != 0)
        goto out;

    if (args->no_huge) {
        if ((rc = add(args, "--no-huge")) != 0 || (rc = add(args, "--no-shconf")) != 0 ||
            (rc = add(args, "-m")) != 0 || (rc = add(args, "%u", memory_mb)) != 0)
            goto out;
    } else {
        /* Hugepages without names in hugetlbfs. */
        if ((rc = add(args, "--in-memory")) != 0)
            goto out;
    }
    if (wish->spec->shares_memory && (rc = add(args, "--single-file-segments")) != 0)
        goto out;
    /* With hugepages a device's driver knows best (vfio: VA, uio: PA); all else needs no DMA. */
    if ((args->no_huge || !wish->spec->kind->dma) && (rc = add(args, "--iova-mode=va")) != 0)
        goto out;

    if (!vdev[0]) {
        rc = add(args, "--allow=%s", wish->spec->device);
        goto out;
    }
    if ((rc = add(args, "--no-pci")) == 0)
        rc = add(args, "--vdev=%s", vdev);

out:
    if (rc)
        xf_eal_args_free(args);
    return rc;
}

void xf_eal_args_free(struct xf_eal_args *args)
{
    for (int i = 0; i < XF_ARGS_MAX; i++)
        free(args->owned[i]);
    memset(args, 0, sizeof(*args));
}
