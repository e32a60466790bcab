/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port by a PCI address: DPDK's own driver, full kernel bypass. */
#include "pci.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "interface.h"
#include "kernelif.h"
#include "sysfs.h"

static bool parse_hex(const char **p, unsigned digits_min, unsigned digits_max, unsigned *value)
{
    unsigned n = 0;

    for (*value = 0; n < digits_max && isxdigit((unsigned char)**p); n++, (*p)++) {
        int c = tolower((unsigned char)**p);

        *value = *value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return n >= digits_min;
}

/* [domain:]bus:device.function */
static bool parse_address(const char *port, char out[XF_SPEC_DEVICE_BYTES])
{
    unsigned domain = 0, bus, dev, fn;
    const char *p = port;

    if (strlen(port) > 8) {
        if (!parse_hex(&p, 4, 8, &domain) || *p++ != ':')
            return false;
    }
    if (!parse_hex(&p, 2, 2, &bus) || *p++ != ':' || !parse_hex(&p, 2, 2, &dev) || *p++ != '.' ||
        !parse_hex(&p, 1, 1, &fn) || *p)
        return false;
    if (dev > 31 || fn > 7)
        return false;
    snprintf(out, XF_SPEC_DEVICE_BYTES, "%.4x:%.2x:%.2x.%x", domain, bus, dev, fn);
    return true;
}

static int parse(struct xf_port_spec *spec, const char *port)
{
    return parse_address(port, spec->device) ? 0 : -ENOENT;
}

static bool is_one_of(const char *driver, const char *const *known)
{
    for (; *known; known++)
        if (!strcmp(*known, driver))
            return true;
    return false;
}

/* These DPDK drives beside the kernel's own driver; these through an IOMMU; and these by physical
   addresses, which it has only of hugepages. */
static const char *const shared_drivers[] = {"mlx5_core", "mlx4_core", "mana", NULL};
static const char *const iommu_drivers[] = {"vfio-pci", NULL};
static const char *const uio_drivers[] = {"uio_pci_generic", "igb_uio", NULL};

/* The interface that the kernel has of a PCI device; virtio puts one folder more between. */
static void find_interface(const char *dir, char *out, size_t size)
{
    char path[512];
    struct dirent *e;

    snprintf(path, sizeof(path), "%s/net", dir);
    DIR *d = opendir(path);
    for (; d && !out[0] && (e = readdir(d));)
        if (e->d_name[0] != '.')
            xf_sysfs_copy(out, size, e->d_name);
    if (d)
        closedir(d);
    if (out[0] || !(d = opendir(dir)))
        return;
    while (!out[0] && (e = readdir(d)))
        if (!strncmp(e->d_name, "virtio", 6) && strlen(e->d_name) < 32 && strlen(dir) < 400) {
            snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
            find_interface(path, out, size);
        }
    closedir(d);
}

/* Not vfio-pci: dom0 has no IOMMU to its own use. For this boot. A virtual function has no legacy
   interrupt, which uio_pci_generic wants. */
static void fix_driver(struct xf_found *p, bool virtual_function)
{
    char unbind[128] = "";

    if (virtual_function)
        return;
    if (p->driver[0])
        snprintf(unbind, sizeof(unbind), "echo %.20s >/sys/bus/pci/devices/%.20s/driver/unbind && ",
                 p->name, p->name);
    xf_found_fix(p, !p->driver[0],
                 "modprobe uio_pci_generic && "
                 "echo uio_pci_generic >/sys/bus/pci/devices/%.20s/driver_override && "
                 "%secho %.20s >/sys/bus/pci/drivers_probe",
                 p->name, unbind, p->name);
}

static int check_driver(const char *sysfs, const char *dir, const struct xf_dpdk_host *host,
                        unsigned queues, struct xf_found *out)
{
    const uint64_t needed = xf_eal_hugepages(queues);
    const char *or_name = out->other[0] ? ", or name " : "";

    if (is_one_of(out->driver, shared_drivers))
        return 0;
    if (host->pv_dom0)
        return xf_found_refuse(
            out, -ENODEV,
            "in a PV dom0 DPDK cannot drive a PCI device: name a kernel interface%s%s, or "
            "boot Xen with dom0=pvh",
            out->other[0] ? ", here " : "", out->other);
    if (is_one_of(out->driver, iommu_drivers))
        return 0;
    if (!is_one_of(out->driver, uio_drivers)) {
        const char *carries =
            xf_sysfs_is_here(sysfs) && out->other[0] ? xf_kernel_if_carries(out->other) : NULL;

        if (carries)
            return xf_found_refuse(
                out, -EBUSY, "the kernel's driver %s has it, and its %s carries %s: name another",
                out->driver, out->other, carries);
        fix_driver(out, xf_sysfs_exists(dir, "physfn"));
        return xf_found_refuse(
            out, -EBUSY,
            "the kernel's driver %s has it: bind it to vfio-pci or uio_pci_generic%s%s",
            out->driver, or_name, out->other);
    }
    if (host->hugepages_free < needed) {
        xf_found_fix(out, true, "sysctl -w vm.nr_hugepages=%llu",
                     (unsigned long long)(host->hugepages + needed - host->hugepages_free));
        return xf_found_refuse(
            out, -ENOMEM,
            "needs %llu free hugepages of 2 MiB, %llu are free (better at boot, by "
            "Linux' option hugepages=%llu)",
            (unsigned long long)needed, (unsigned long long)host->hugepages_free,
            (unsigned long long)needed);
    }
    return 0;
}

int xf_pci_probe(const char *sysfs, const char *address, const struct xf_dpdk_host *host,
                 unsigned queues, struct xf_found *out)
{
    char dir[256];

    memset(out, 0, sizeof(*out));
    out->pci = true;
    snprintf(out->name, sizeof(out->name), "%s", address);
    snprintf(dir, sizeof(dir), "%s/bus/pci/devices/%s", sysfs, address);
    if (!xf_sysfs_exists(dir, ""))
        return xf_found_refuse(out, -ENODEV, "there is no such PCI device");
    xf_sysfs_link(dir, "driver", out->driver, sizeof(out->driver));
    find_interface(dir, out->other, sizeof(out->other));
    if (out->other[0])
        xf_interface_measure(sysfs, out->other, out);
    if (!out->driver[0] && !host->pv_dom0) {
        fix_driver(out, xf_sysfs_exists(dir, "physfn"));
        return xf_found_refuse(out, -ENODEV, "no driver: bind it to vfio-pci or uio_pci_generic");
    }

    int rc = check_driver(sysfs, dir, host, queues, out);
    out->usable = !rc;
    return rc;
}

static int probe(const char *sysfs, const struct xf_port_spec *spec,
                 const struct xf_dpdk_host *host, unsigned queues, struct xf_found *found)
{
    return xf_pci_probe(sysfs, spec->device, host, queues, found);
}

/* It is allowed by its address. */
static int vdev(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                char out[XF_SPEC_VDEV_BYTES])
{
    (void)spec;
    (void)queues;
    (void)if_mtu;
    out[0] = 0;
    return 0;
}

static void missing(const char *port, const struct xf_dpdk_host *host, bool no_huge, char *err,
                    size_t size)
{
    if (host->pv_dom0)
        snprintf(err, size,
                 "port %s: in a PV dom0 DPDK drives only NICs that share with the kernel (mlx5); "
                 "name the kernel's interface instead, e.g. eth1",
                 port);
    else if (no_huge)
        snprintf(err, size,
                 "port %s: no driver of DPDK took it; it needs free hugepages (vm.nr_hugepages)%s",
                 port, host->root ? "" : " and root");
    else
        snprintf(err, size,
                 "port %s: no driver of DPDK took it; is it there and bound to vfio-pci or "
                 "uio_pci_generic (dpdk-devbind.py -s)?",
                 port);
}

static uint32_t mtu(const struct xf_port_spec *spec, const struct xf_port_device *device)
{
    (void)spec;
    return device->max_mtu < XF_SPEC_MTU_MAX ? device->max_mtu : XF_SPEC_MTU_MAX;
}

static uint32_t room(const struct xf_port_spec *spec, uint32_t mtu, uint32_t largest)
{
    (void)spec;
    (void)largest;
    return xf_port_dma_room(mtu);
}

/*
 * A driver may make shorter rings than it was asked for, and not say so (virtio-net: the device's
 * own, 256 as a rule): what it has filled them with is gone from the pool.
 */
static uint32_t rx_ring(const struct xf_port_spec *spec, uint32_t if_mtu, uint32_t asked,
                        uint32_t filled)
{
    (void)spec;
    (void)if_mtu;
    return filled && filled < asked ? filled : asked;
}

const struct xf_port_kind xf_port_pci = {
    .parse = parse,
    .probe = probe,
    .dma = true,
    .vdev = vdev,
    .missing = missing,
    .sets_mtu = true,
    .mtu = mtu,
    .room = room,
    .rx_ring = rx_ring,
};
