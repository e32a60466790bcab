/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interface: its name, whether it is fit to be a port, and whether its link is up. */
#include "interface.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "kernelif.h"
#include "sysfs.h"

/* What the kernel allows in an interface's name, less what would confuse a vdev string. */
static bool parse_kernel_if(const char *name, char out[XF_SPEC_IF_BYTES])
{
    size_t len = strlen(name);

    if (len == 0 || len >= XF_SPEC_IF_BYTES || !strcmp(name, ".") || !strcmp(name, ".."))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)name[i]) || strchr("/:,=", name[i]))
            return false;
    memcpy(out, name, len + 1);
    return true;
}

int xf_interface_parse(struct xf_port_spec *spec, const char *name, const char *driver)
{
    if (!parse_kernel_if(name, spec->kernel_if))
        return -EINVAL;
    snprintf(spec->device, sizeof(spec->device), "%s_%s", driver, spec->kernel_if);
    return 0;
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

void xf_interface_measure(const char *sysfs, const char *name, struct xf_found *out)
{
    char dir[256];
    long number;

    snprintf(dir, sizeof(dir), "%s/class/net/%s", sysfs, name);
    out->speed_mbps = xf_sysfs_number(dir, "speed", &number) && number > 0 ? (int)number : 0;
    out->queues = count_queues(dir);
}

int xf_interface_probe(const char *sysfs, const char *name, struct xf_found *out)
{
    char dir[256], master[32];
    long flags, number;

    memset(out, 0, sizeof(*out));
    snprintf(out->name, sizeof(out->name), "%s", name);
    snprintf(dir, sizeof(dir), "%s/class/net/%s", sysfs, name);
    if (!xf_sysfs_number(dir, "flags", &flags))
        return xf_found_refuse(out, -ENODEV, "there is no such network interface");
    xf_sysfs_link(dir, "device", out->other, sizeof(out->other));
    xf_sysfs_link(dir, "device/driver", out->driver, sizeof(out->driver));
    out->up = flags & IFF_UP;
    out->link = out->up && xf_sysfs_number(dir, "carrier", &number) && number;
    out->mtu = xf_sysfs_number(dir, "mtu", &number) ? (uint32_t)number : 0;
    xf_interface_measure(sysfs, name, out);
    if (xf_sysfs_number(dir, "type", &number) && number != ARPHRD_ETHER)
        return xf_found_refuse(out, -ENODEV, "no Ethernet");
    if (strlen(name) >= XF_SPEC_IF_BYTES)
        return xf_found_refuse(out, -ENODEV, "the name is too long");
    if (xf_sysfs_exists(dir, "brport")) {
        if (xf_found_is_plain(name))
            xf_found_fix(out, false, "ip link set %s nomaster", name);
        return xf_found_refuse(out, -EBUSY, "part of a bridge, which takes its packets");
    }
    xf_sysfs_link(dir, "master", master, sizeof(master));
    if (!strcmp(master, "ovs-system")) {
        if (xf_found_is_plain(name))
            xf_found_fix(out, false, "ovs-vsctl del-port %s", name);
        return xf_found_refuse(out, -EBUSY, "part of an Open vSwitch, which takes its packets");
    }
    if (xf_sysfs_exists(dir, "bonding_slave"))
        return xf_found_refuse(out, -EBUSY,
                               "part of a bond, which takes its packets: name the bond");
    if (!out->up) {
        if (xf_found_is_plain(name))
            xf_found_fix(out, true, "ip link set %s up", name);
        return xf_found_refuse(out, -ENETDOWN, "down");
    }
    if (!out->link)
        return xf_found_refuse(out, -ENETDOWN, "no link: is its cable in?");
    out->usable = true;
    return 0;
}

int xf_interface_link_state(const struct xf_port_spec *spec)
{
    return xf_kernel_if_health(spec->kernel_if);
}
