/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel interface: asked by ioctl, see netdevice(7). */
#include "kernelif.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
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
    strncpy(ifr->ifr_name, name, sizeof(ifr->ifr_name) - 1);
    if (ioctl(fd, request, ifr))
        rc = -errno;
    close(fd);
    return rc;
}

int xf_kernel_if_mtu(const char *name, uint32_t *mtu)
{
    struct ifreq ifr = {0};
    int rc = ask(name, SIOCGIFMTU, &ifr);

    if (!rc)
        *mtu = (uint32_t)ifr.ifr_mtu;
    return rc;
}

int xf_kernel_if_health(const char *name)
{
    struct ifreq ifr = {0};
    int rc = ask(name, SIOCGIFFLAGS, &ifr);

    if (rc)
        return rc;
    return (ifr.ifr_flags & IFF_UP) && (ifr.ifr_flags & IFF_RUNNING) ? 0 : -ENETDOWN;
}

int xf_kernel_if_join(const char *name, uint32_t group)
{
    const struct ip_mreqn member = {
        .imr_multiaddr.s_addr = htonl(group),
        .imr_ifindex = (int)if_nametoindex(name),
    };
    int fd, rc;

    if (!member.imr_ifindex)
        return -errno;
    /* Bound to no port: it receives nothing. */
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof(member))) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

/* ---- queues --------------------------------------------------------------------------------- */

static int ask_ethtool(const char *name, void *question)
{
    struct ifreq ifr = {.ifr_data = question};

    return ask(name, SIOCETHTOOL, &ifr);
}

/* One more than the last queue that the table names; `all` where there is no table. */
static unsigned spread_over(const char *name, unsigned all)
{
    struct ethtool_rxfh_indir size = {.cmd = ETHTOOL_GRXFHINDIR}, *table;
    unsigned last = 0;

    if (ask_ethtool(name, &size) || !size.size || size.size > 65536)
        return all;
    table = calloc(1, sizeof(*table) + size.size * sizeof(table->ring_index[0]));
    if (!table)
        return all;
    table->cmd = ETHTOOL_GRXFHINDIR;
    table->size = size.size;
    if (ask_ethtool(name, table))
        last = all - 1;
    else
        for (unsigned i = 0; i < size.size; i++)
            last = table->ring_index[i] > last ? table->ring_index[i] : last;
    free(table);
    return last + 1;
}

int xf_kernel_if_queues(const char *name, struct xf_kernel_if_queues *queues)
{
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
    struct ethtool_rxnfc rules = {.cmd = ETHTOOL_GRXCLSRLCNT};
    int rc = ask_ethtool(name, &c);

    memset(queues, 0, sizeof(*queues));
    if (rc)
        return rc;
    queues->receive = c.rx_count + c.combined_count;
    if (!queues->receive)
        return -EOPNOTSUPP;
    queues->combined = c.combined_count > 0;
    queues->receive_max = queues->combined ? c.rx_count + c.max_combined : c.max_rx;
    queues->spread = spread_over(name, queues->receive);
    queues->steered = !ask_ethtool(name, &rules) && rules.rule_cnt;
    return 0;
}

/* ---- what depends on it --------------------------------------------------------------------- */

/* Whether a line of one of the kernel's tables of routes is a default route by the interface. */
static bool has_route(const char *table, const char *name, bool (*is_default)(const char *, char *))
{
    FILE *f = fopen(table, "re");
    char line[256], by[IFNAMSIZ + 1];
    bool has = false;

    while (f && !has && fgets(line, sizeof(line), f))
        has = is_default(line, by) && !strcmp(by, name);
    if (f)
        fclose(f);
    return has;
}

static bool is_ipv4_default(const char *line, char *by)
{
    unsigned to, mask;

    return sscanf(line, "%16s %x %*x %*x %*d %*d %*d %x", by, &to, &mask) == 3 && !to && !mask;
}

static bool is_ipv6_default(const char *line, char *by)
{
    char to[33];
    unsigned prefix;

    return sscanf(line, "%32s %x %*s %*s %*s %*s %*s %*s %*s %16s", to, &prefix, by) == 3 &&
           !prefix && strspn(to, "0") == 32;
}

/* SSH_CONNECTION: the client's address and port, then ours. */
static bool has_ssh(const char *name)
{
    const char *connection = getenv("SSH_CONNECTION");
    char ours[64], address[NI_MAXHOST];
    struct ifaddrs *all;
    bool has = false;

    if (!connection || sscanf(connection, "%*63s %*63s %63s", ours) != 1 || getifaddrs(&all))
        return false;
    for (const struct ifaddrs *a = all; a && !has; a = a->ifa_next) {
        sa_family_t family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;

        if (strcmp(a->ifa_name, name) || (family != AF_INET && family != AF_INET6) ||
            getnameinfo(a->ifa_addr,
                        family == AF_INET ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6),
                        address, sizeof(address), NULL, 0, NI_NUMERICHOST))
            continue;
        has = !strcmp(address, ours);
    }
    freeifaddrs(all);
    return has;
}

const char *xf_kernel_if_carries(const char *name)
{
    return has_route("/proc/net/route", name, is_ipv4_default) ||
                   has_route("/proc/net/ipv6_route", name, is_ipv6_default)
               ? "this host's default route"
           : has_ssh(name) ? "the ssh session that asks"
                           : NULL;
}
