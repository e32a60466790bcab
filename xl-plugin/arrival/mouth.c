/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mouth: a tap, and by rtnetlink(7) its qdisc, its filter, and that it is up. */
#include "mouth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr head;
    uint8_t body[512];
};

/* ---- messages ------------------------------------------------------------------------------ */

static void begin(struct request *r, unsigned type, unsigned flags, const void *body, size_t n)
{
    memset(r, 0, sizeof(*r));
    r->head.nlmsg_type = (uint16_t)type;
    r->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    r->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(n);
    memcpy(NLMSG_DATA(&r->head), body, n);
}

/* All of them fit: their number and lengths are this file's. */
static struct rtattr *add(struct request *r, unsigned type, const void *value, size_t n)
{
    struct rtattr *a = (struct rtattr *)((uint8_t *)r + NLMSG_ALIGN(r->head.nlmsg_len));

    a->rta_type = (uint16_t)type;
    a->rta_len = (uint16_t)RTA_LENGTH(n);
    if (n)
        memcpy(RTA_DATA(a), value, n);
    r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
    return a;
}

static void close_nest(struct request *r, struct rtattr *a)
{
    a->rta_len = (uint16_t)((uint8_t *)r + r->head.nlmsg_len - (uint8_t *)a);
}

/* 0 or -errno, as the kernel answers. */
static int ask(int netlink, struct request *r)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t more[512];
    } answer;
    ssize_t n;

    if (send(netlink, r, r->head.nlmsg_len, 0) < 0)
        return -errno;
    do
        n = recv(netlink, &answer, sizeof(answer), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if ((size_t)n < sizeof(answer.head) + sizeof(answer.error) ||
        answer.head.nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return answer.error.error;
}

/* ---- the tap ------------------------------------------------------------------------------- */

/* It is to say nothing of its own: no address of IPv6, no groups. */
static int keep_silent(int netlink, int tap)
{
    const struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = tap};
    const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    struct request r;
    struct rtattr *all, *inet6;

    begin(&r, RTM_NEWLINK, 0, &link, sizeof(link));
    all = add(&r, IFLA_AF_SPEC, NULL, 0);
    inet6 = add(&r, AF_INET6, NULL, 0);
    add(&r, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
    close_nest(&r, inet6);
    close_nest(&r, all);
    return ask(netlink, &r);
}

static int set_up(int netlink, int tap)
{
    const struct ifinfomsg link = {.ifi_family = AF_UNSPEC,
                                   .ifi_index = tap,
                                   .ifi_flags = IFF_UP | IFF_NOARP,
                                   .ifi_change = IFF_UP | IFF_NOARP | IFF_MULTICAST};
    struct request r;

    begin(&r, RTM_NEWLINK, 0, &link, sizeof(link));
    return ask(netlink, &r);
}

static int add_qdisc(int netlink, int tap)
{
    const struct tcmsg tc = {.tcm_family = AF_UNSPEC,
                             .tcm_ifindex = tap,
                             .tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
                             .tcm_parent = TC_H_INGRESS};
    struct request r;

    begin(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof(tc));
    add(&r, TCA_KIND, "ingress", sizeof("ingress"));
    return ask(netlink, &r);
}

/* All that comes in here has come in there. By u32, which every kernel with filters has. */
static int add_filter(int netlink, int tap, unsigned ifindex)
{
    const struct tcmsg tc = {.tcm_family = AF_UNSPEC,
                             .tcm_ifindex = tap,
                             .tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0),
                             .tcm_info = TC_H_MAKE(1u << 16, __builtin_bswap16(ETH_P_ALL))};
    const struct tc_mirred redirect = {
        .action = TC_ACT_STOLEN, .eaction = TCA_INGRESS_REDIR, .ifindex = ifindex};
    const struct tc_u32_sel sel = {.flags = TC_U32_TERMINAL, .nkeys = 1};
    /* Its key has no bits, so all match. */
    uint8_t match[sizeof(sel) + sizeof(struct tc_u32_key)] = {0};
    struct rtattr *options, *actions, *first, *inner;
    struct request r;

    memcpy(match, &sel, sizeof(sel));
    begin(&r, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof(tc));
    add(&r, TCA_KIND, "u32", sizeof("u32"));
    options = add(&r, TCA_OPTIONS, NULL, 0);
    add(&r, TCA_U32_SEL, match, sizeof(match));
    actions = add(&r, TCA_U32_ACT, NULL, 0);
    first = add(&r, 1, NULL, 0);
    add(&r, TCA_ACT_KIND, "mirred", sizeof("mirred"));
    inner = add(&r, TCA_ACT_OPTIONS, NULL, 0);
    add(&r, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
    close_nest(&r, inner);
    close_nest(&r, first);
    close_nest(&r, actions);
    close_nest(&r, options);
    return ask(netlink, &r);
}

/* Not to be kept: it ends with its file. */
static int make_tap(int *tap)
{
    struct ifreq named = {.ifr_name = "xlfast%d"};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), rc = 0;

    if (fd < 0)
        return -errno;
    named.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(fd, TUNSETIFF, &named))
        rc = -errno;
    *tap = rc ? 0 : (int)if_nametoindex(named.ifr_name);
    if (!rc && *tap > 0)
        return fd;
    close(fd);
    return rc ? rc : -ENODEV;
}

int xf_mouth_open(unsigned ifindex)
{
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), tap = 0, fd, rc;

    if (netlink < 0)
        return -errno;
    fd = rc = make_tap(&tap);
    if (fd >= 0) {
        keep_silent(netlink, tap); /* there may be no IPv6 */
        rc = add_qdisc(netlink, tap);
        if (!rc)
            rc = add_filter(netlink, tap, ifindex);
        if (!rc)
            rc = set_up(netlink, tap);
    }
    close(netlink);
    if (rc && fd >= 0)
        close(fd);
    return rc ? rc : fd;
}

int xf_mouth_say(int fd, const struct xf_frame *frame)
{
    return write(fd, frame->bytes, frame->len) == (ssize_t)frame->len ? 0 : -errno;
}
