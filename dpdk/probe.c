/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probe: lists the ports that this host has. */
#include "probe.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interface.h"
#include "pci.h"
#include "sysfs.h"

#define PCI_CLASS_NETWORK 0x02u

static int by_name(const void *a, const void *b)
{
    const struct xf_found *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static bool is_network_device(const char *sysfs, const char *address)
{
    char dir[512];
    long class;

    snprintf(dir, sizeof(dir), "%s/bus/pci/devices/%.100s", sysfs, address);
    return xf_sysfs_number(dir, "class", &class) && (unsigned long)class >> 16 == PCI_CLASS_NETWORK;
}

unsigned xf_probe_ports(const char *sysfs, const struct xf_dpdk_host *host, struct xf_found *out,
                        unsigned max)
{
    unsigned n = 0, interfaces;
    char path[256];
    struct dirent *e;

    snprintf(path, sizeof(path), "%s/class/net", sysfs);
    DIR *d = opendir(path);
    while (d && n < max && (e = readdir(d)))
        /* lo is no port, and a guest's interfaces are the guest's. */
        if (e->d_name[0] != '.' && strcmp(e->d_name, "lo") && strncmp(e->d_name, "vif", 3) &&
            strcmp(e->d_name, "bonding_masters"))
            xf_interface_probe(sysfs, e->d_name, &out[n++]);
    if (d)
        closedir(d);
    qsort(out, n, sizeof(*out), by_name);
    interfaces = n;
    snprintf(path, sizeof(path), "%s/bus/pci/devices", sysfs);
    d = opendir(path);
    while (d && n < max && (e = readdir(d)))
        if (e->d_name[0] != '.' && is_network_device(sysfs, e->d_name))
            xf_pci_probe(sysfs, e->d_name, host, 1, &out[n++]);
    if (d)
        closedir(d);
    qsort(out + interfaces, n - interfaces, sizeof(*out), by_name);
    return n;
}
