/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel interface: asked by ioctl, see netdevice(7). */
#include "kernelif.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(const char *name, unsigned long request, struct ifreq *ifr)
{
    int rc = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    memset(ifr, 0, sizeof(*ifr));
    strncpy(ifr->ifr_name, name, sizeof(ifr->ifr_name) - 1);
    if (ioctl(fd, request, ifr))
        rc = -errno;
    close(fd);
    return rc;
}

int xf_kernel_if_mtu(const char *name, uint32_t *mtu)
{
    struct ifreq ifr;
    int rc = ask(name, SIOCGIFMTU, &ifr);

    if (!rc)
        *mtu = (uint32_t)ifr.ifr_mtu;
    return rc;
}

int xf_kernel_if_health(const char *name)
{
    struct ifreq ifr;
    int rc = ask(name, SIOCGIFFLAGS, &ifr);

    if (rc)
        return rc;
    return (ifr.ifr_flags & IFF_UP) && (ifr.ifr_flags & IFF_RUNNING) ? 0 : -ENETDOWN;
}
