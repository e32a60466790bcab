/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "portcheck.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../dpdk/spec.h"

#define ERR_BYTES 256

static bool read_unsigned(const char *sysfs, const char *interface, const char *name,
                          const char *format, unsigned *value)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/class/net/%s/%s", sysfs, interface, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fscanf(f, format, value) == 1;
    fclose(f);
    return ok;
}

static int check_interface(const char *sysfs, const char *name, unsigned *mtu, char *err)
{
    unsigned flags = 0, carrier = 0;

    if (!read_unsigned(sysfs, name, "flags", "%x", &flags)) {
        snprintf(err, ERR_BYTES, "port %s: there is no such network interface", name);
        return -ENODEV;
    }
    if (!(flags & IFF_UP)) {
        snprintf(err, ERR_BYTES, "port %s is down: ip link set %s up", name, name);
        return -ENETDOWN;
    }
    if (!read_unsigned(sysfs, name, "carrier", "%u", &carrier) || !carrier) {
        snprintf(err, ERR_BYTES, "port %s has no link: is its cable in?", name);
        return -ENETDOWN;
    }
    read_unsigned(sysfs, name, "mtu", "%u", mtu);
    return 0;
}

static int check_pci(const char *sysfs, const char *address, char *err)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, address);
    if (access(path, F_OK)) {
        snprintf(err, ERR_BYTES, "port %s: there is no such PCI device", address);
        return -ENODEV;
    }
    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver", sysfs, address);
    if (access(path, F_OK)) {
        snprintf(err, ERR_BYTES, "port %s has no driver: bind it to vfio-pci or uio_pci_generic",
                 address);
        return -ENODEV;
    }
    return 0;
}

int xf_portcheck(const char *sysfs, const char *port, unsigned *mtu, char *err)
{
    struct xf_port_spec spec;

    *mtu = 0;
    if (xf_spec_parse(&spec, port)) {
        snprintf(err, ERR_BYTES, "port '%.100s' is no name of a DPDK port", port);
        return -EINVAL;
    }
    if (spec.kernel_if[0])
        return check_interface(sysfs, spec.kernel_if, mtu, err);
    if (spec.kind == XF_PORT_PCI)
        return check_pci(sysfs, spec.device, err);
    return 0;
}
