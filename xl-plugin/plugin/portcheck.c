/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "portcheck.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../dpdk/args.h"
#include "../../dpdk/spec.h"

#define ERR_BYTES 256

__attribute__((format(scanf, 2, 0))) static bool read_at(const char *path, const char *format,
                                                         unsigned *value)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fscanf(f, format, value) == 1;
    fclose(f);
    return ok;
}

static bool read_unsigned(const char *sysfs, const char *interface, const char *name,
                          const char *format, unsigned *value)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/class/net/%s/%s", sysfs, interface, name);
    return read_at(path, format, value);
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

static unsigned free_hugepages(const char *sysfs)
{
    unsigned small = 0, large = 0;
    char path[512];

    snprintf(path, sizeof(path), "%s/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", sysfs);
    read_at(path, "%u", &small);
    snprintf(path, sizeof(path), "%s/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages",
             sysfs);
    read_at(path, "%u", &large);
    return small + 512 * large;
}

/* What user space drives without an IOMMU has to know where its memory is: that is hugepages. */
static int check_uio(const char *sysfs, const char *address, unsigned queues, char *err)
{
    unsigned need = xf_eal_memory_mb(queues) / 2, have = free_hugepages(sysfs);
    char path[512], type[8] = "";

    snprintf(path, sizeof(path), "%s/hypervisor/guest_type", sysfs);
    FILE *f = fopen(path, "re");
    if (f) {
        if (!fgets(type, sizeof(type), f))
            type[0] = 0;
        fclose(f);
    }
    if (!strncmp(type, "PV\n", 3)) {
        snprintf(err, ERR_BYTES,
                 "port %s: a PV dom0 cannot let DPDK drive a PCI device: name a kernel interface, "
                 "or boot Xen with dom0=pvh",
                 address);
        return -ENODEV;
    }
    if (have < need) {
        snprintf(err, ERR_BYTES,
                 "port %s needs %u free hugepages of 2 MiB, %u are free: raise vm.nr_hugepages by "
                 "%u (sysctl -w; better at boot: hugepages=%u)",
                 address, need, have, need - have, need);
        return -ENOMEM;
    }
    return 0;
}

static int check_pci(const char *sysfs, const char *address, unsigned queues, char *err)
{
    /* mlx: DPDK drives these beside the kernel's own driver. */
    static const char *const drivers[] = {"vfio-pci", "mlx5_core", "mlx4_core"};
    static const char *const uio_drivers[] = {"uio_pci_generic", "igb_uio"};
    char path[512], target[512];

    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, address);
    if (access(path, F_OK)) {
        snprintf(err, ERR_BYTES, "port %s: there is no such PCI device", address);
        return -ENODEV;
    }
    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver", sysfs, address);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0) {
        snprintf(err, ERR_BYTES, "port %s has no driver: bind it to vfio-pci or uio_pci_generic",
                 address);
        return -ENODEV;
    }
    target[n] = 0;

    const char *slash = strrchr(target, '/'), *driver = slash ? slash + 1 : target;
    for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
        if (!strcmp(driver, drivers[i]))
            return 0;
    for (size_t i = 0; i < sizeof(uio_drivers) / sizeof(*uio_drivers); i++)
        if (!strcmp(driver, uio_drivers[i]))
            return check_uio(sysfs, address, queues, err);
    snprintf(err, ERR_BYTES,
             "port %s is the kernel's (driver %.60s): bind it to vfio-pci or uio_pci_generic, or "
             "name its interface",
             address, driver);
    return -EBUSY;
}

int xf_portcheck(const char *sysfs, const char *port, unsigned queues, unsigned *mtu, char *err)
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
        return check_pci(sysfs, spec.device, queues ? queues : 1, err);
    return 0;
}
