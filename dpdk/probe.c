/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "kernelif.h"
#include "spec.h"

#define PCI_CLASS_NETWORK 0x02u

__attribute__((format(printf, 3, 4))) static int refuse(struct xf_probe_port *p, int rc,
                                                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->why, sizeof(p->why), format, args);
    va_end(args);
    p->usable = false;
    return rc;
}

/* Before refuse(). */
__attribute__((format(printf, 3, 4))) static void mend(struct xf_probe_port *p, bool safe,
                                                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->mend, sizeof(p->mend), format, args);
    va_end(args);
    p->mend_is_safe = safe;
}

/* The kernel allows more in an interface's name than a shell's command line should hold. */
static bool is_plain(const char *name)
{
    return name[0] != '-' && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789._-") == strlen(name);
}

/* As much as fits. */
static void copy(char *out, size_t size, const char *text)
{
    size_t n = strnlen(text, size - 1);

    memcpy(out, text, n);
    out[n] = 0;
}

/* The file's number, in C's notation; false if there is none. */
static bool read_number(const char *dir, const char *name, long *value)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fscanf(f, "%li", value) == 1;
    fclose(f);
    return ok;
}

static bool exists(const char *dir, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return !access(path, F_OK);
}

/* The last word of what a link points to; "" if there is no link. */
static void read_link(const char *dir, const char *name, char *out, size_t size)
{
    char path[512], to[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    ssize_t n = readlink(path, to, sizeof(to) - 1);
    out[0] = 0;
    if (n <= 0)
        return;
    to[n] = 0;
    const char *last = strrchr(to, '/');
    copy(out, size, last ? last + 1 : to);
}

static unsigned count_queues(const char *dir)
{
    char path[512];
    unsigned n = 0;

    snprintf(path, sizeof(path), "%s/queues", dir);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += !strncmp(e->d_name, "rx-", 3);
    if (d)
        closedir(d);
    return n;
}

int xf_probe_interface(const char *sysfs, const char *name, struct xf_probe_port *out)
{
    char dir[256], master[32];
    long flags, number;

    memset(out, 0, sizeof(*out));
    snprintf(out->name, sizeof(out->name), "%s", name);
    snprintf(dir, sizeof(dir), "%s/class/net/%s", sysfs, name);
    if (!read_number(dir, "flags", &flags))
        return refuse(out, -ENODEV, "there is no such network interface");
    read_link(dir, "device", out->other, sizeof(out->other));
    read_link(dir, "device/driver", out->driver, sizeof(out->driver));
    out->up = flags & IFF_UP;
    out->link = out->up && read_number(dir, "carrier", &number) && number;
    out->mtu = read_number(dir, "mtu", &number) ? (uint32_t)number : 0;
    out->speed_mbps = read_number(dir, "speed", &number) && number > 0 ? (int)number : 0;
    out->queues = count_queues(dir);
    if (read_number(dir, "type", &number) && number != ARPHRD_ETHER)
        return refuse(out, -ENODEV, "no Ethernet");
    if (strlen(name) >= XF_SPEC_IF_BYTES)
        return refuse(out, -ENODEV, "the name is too long");
    if (exists(dir, "brport")) {
        if (is_plain(name))
            mend(out, false, "ip link set %s nomaster", name);
        return refuse(out, -EBUSY, "part of a bridge, which takes its packets");
    }
    read_link(dir, "master", master, sizeof(master));
    if (!strcmp(master, "ovs-system")) {
        if (is_plain(name))
            mend(out, false, "ovs-vsctl del-port %s", name);
        return refuse(out, -EBUSY, "part of an Open vSwitch, which takes its packets");
    }
    if (exists(dir, "bonding_slave"))
        return refuse(out, -EBUSY, "part of a bond, which takes its packets: name the bond");
    if (!out->up) {
        if (is_plain(name))
            mend(out, true, "ip link set %s up", name);
        return refuse(out, -ENETDOWN, "down");
    }
    if (!out->link)
        return refuse(out, -ENETDOWN, "no link: is its cable in?");
    out->usable = true;
    return 0;
}

/* What a test's sysfs shows is not this host's. */
static bool is_here(const char *sysfs)
{
    return !strcmp(sysfs, "/sys");
}

/* The command that gives it so many queues to receive by. */
static void mend_queues(struct xf_probe_port *p, const struct xf_kernel_if_queues *has,
                        unsigned queues)
{
    if (is_plain(p->name) && queues <= has->receive_max)
        mend(p, false, "ethtool -L %s %s %u", p->name, has->combined ? "combined" : "rx", queues);
}

static int check_queues(const struct xf_kernel_if_queues *has, unsigned queues,
                        struct xf_probe_port *p)
{
    if (queues > has->receive) {
        mend_queues(p, has, queues);
        return refuse(p, -EINVAL, "has %u receive queues, and xl-fast.conf wants %u", has->receive,
                      queues);
    }
    if (has->spread > queues && !has->steered) {
        mend_queues(p, has, queues);
        return refuse(p, -EINVAL,
                      "spreads what it receives over %u queues, of which AF_XDP reads %u: "
                      "the rest would be lost to it",
                      has->spread, queues);
    }
    return 0;
}

/* carries: what it must not be taken from. has: NULL where the interface does not say. */
static int check_af_xdp(const char *carries, const struct xf_kernel_if_queues *has, unsigned queues,
                        struct xf_probe_port *p)
{
    if (carries)
        return refuse(p, -EBUSY,
                      "carries %s, and AF_XDP takes all that an interface receives: name another, "
                      "or %s without af_xdp",
                      carries, p->name);
    if (p->mtu > XF_SPEC_AF_XDP_IF_MTU_MAX) {
        if (is_plain(p->name))
            mend(p, false, "ip link set %s mtu 3000", p->name); /* what all drivers take */
        return refuse(p, -EINVAL, "has an MTU of %u, and AF_XDP takes interfaces up to %u", p->mtu,
                      XF_SPEC_AF_XDP_IF_MTU_MAX);
    }
    return has ? check_queues(has, queues, p) : 0;
}

int xf_probe_af_xdp(const char *sysfs, const char *name, unsigned queues, struct xf_probe_port *out)
{
    int rc = xf_probe_interface(sysfs, name, out);
    struct xf_kernel_if_queues has = {
        .receive = out->queues,
        .spread = out->queues,
        .receive_max = out->queues,
        .combined = true,
    };
    const char *carries = NULL;
    bool known = out->queues; /* those in use, which sysfs shows */

    if (rc)
        return rc;
    if (is_here(sysfs)) {
        carries = xf_kernel_if_carries(name);
        known = !xf_kernel_if_queues(name, &has);
    }
    rc = check_af_xdp(carries, known ? &has : NULL, queues, out);
    out->usable = !rc;
    return rc;
}

int xf_probe_af_xdp_start(const char *name, uint32_t mtu, unsigned queues,
                          struct xf_probe_port *out)
{
    struct xf_kernel_if_queues has;
    bool known = !xf_kernel_if_queues(name, &has);

    memset(out, 0, sizeof(*out));
    copy(out->name, sizeof(out->name), name);
    out->mtu = mtu;
    return check_af_xdp(xf_kernel_if_carries(name), known ? &has : NULL, queues, out);
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
            copy(out, size, e->d_name);
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
static void mend_driver(struct xf_probe_port *p, bool virtual_function)
{
    char unbind[128] = "";

    if (virtual_function)
        return;
    if (p->driver[0])
        snprintf(unbind, sizeof(unbind), "echo %.20s >/sys/bus/pci/devices/%.20s/driver/unbind && ",
                 p->name, p->name);
    mend(p, !p->driver[0],
         "modprobe uio_pci_generic && "
         "echo uio_pci_generic >/sys/bus/pci/devices/%.20s/driver_override && "
         "%secho %.20s >/sys/bus/pci/drivers_probe",
         p->name, unbind, p->name);
}

static int check_driver(const char *sysfs, const char *dir, const struct xf_dpdk_host *host,
                        unsigned queues, struct xf_probe_port *out)
{
    const uint64_t needed = xf_eal_hugepages(queues);
    const char *or_name = out->other[0] ? ", or name " : "";

    if (is_one_of(out->driver, shared_drivers))
        return 0;
    if (host->pv_dom0)
        return refuse(
            out, -ENODEV,
            "in a PV dom0 DPDK cannot drive a PCI device: name a kernel interface%s%s, or "
            "boot Xen with dom0=pvh",
            out->other[0] ? ", here " : "", out->other);
    if (is_one_of(out->driver, iommu_drivers))
        return 0;
    if (!is_one_of(out->driver, uio_drivers)) {
        const char *carries =
            is_here(sysfs) && out->other[0] ? xf_kernel_if_carries(out->other) : NULL;

        if (carries)
            return refuse(out, -EBUSY,
                          "the kernel's driver %s has it, and its %s carries %s: name another",
                          out->driver, out->other, carries);
        mend_driver(out, exists(dir, "physfn"));
        return refuse(out, -EBUSY,
                      "the kernel's driver %s has it: bind it to vfio-pci or uio_pci_generic%s%s",
                      out->driver, or_name, out->other);
    }
    if (host->hugepages_free < needed) {
        mend(out, true, "sysctl -w vm.nr_hugepages=%llu",
             (unsigned long long)(host->hugepages + needed - host->hugepages_free));
        return refuse(out, -ENOMEM,
                      "needs %llu free hugepages of 2 MiB, %llu are free (better at boot, by "
                      "Linux' option hugepages=%llu)",
                      (unsigned long long)needed, (unsigned long long)host->hugepages_free,
                      (unsigned long long)needed);
    }
    return 0;
}

int xf_probe_pci(const char *sysfs, const char *address, const struct xf_dpdk_host *host,
                 unsigned queues, struct xf_probe_port *out)
{
    char dir[256];

    memset(out, 0, sizeof(*out));
    out->pci = true;
    snprintf(out->name, sizeof(out->name), "%s", address);
    snprintf(dir, sizeof(dir), "%s/bus/pci/devices/%s", sysfs, address);
    if (!exists(dir, ""))
        return refuse(out, -ENODEV, "there is no such PCI device");
    read_link(dir, "driver", out->driver, sizeof(out->driver));
    find_interface(dir, out->other, sizeof(out->other));
    if (!out->driver[0] && !host->pv_dom0) {
        mend_driver(out, exists(dir, "physfn"));
        return refuse(out, -ENODEV, "no driver: bind it to vfio-pci or uio_pci_generic");
    }

    int rc = check_driver(sysfs, dir, host, queues, out);
    out->usable = !rc;
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct xf_probe_port *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static bool is_network_device(const char *sysfs, const char *address)
{
    char dir[512];
    long class;

    snprintf(dir, sizeof(dir), "%s/bus/pci/devices/%.100s", sysfs, address);
    return read_number(dir, "class", &class) && (unsigned long)class >> 16 == PCI_CLASS_NETWORK;
}

unsigned xf_probe_ports(const char *sysfs, const struct xf_dpdk_host *host,
                        struct xf_probe_port *out, unsigned max)
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
            xf_probe_interface(sysfs, e->d_name, &out[n++]);
    if (d)
        closedir(d);
    qsort(out, n, sizeof(*out), by_name);
    interfaces = n;
    snprintf(path, sizeof(path), "%s/bus/pci/devices", sysfs);
    d = opendir(path);
    while (d && n < max && (e = readdir(d)))
        if (e->d_name[0] != '.' && is_network_device(sysfs, e->d_name))
            xf_probe_pci(sysfs, e->d_name, host, 1, &out[n++]);
    if (d)
        closedir(d);
    qsort(out + interfaces, n - interfaces, sizeof(*out), by_name);
    return n;
}
