/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Membership: what a port does to receive a group's frames: it opens the filter of the interface or
 * of the NIC, and says when switches are to be told again (multicast.h) that there is a member.
 *
 * Switches forget a member of whom they have not heard for minutes. Reports without being asked are
 * more than RFC 2236 wants, but need no ear for queries: an AF_XDP port takes them from the kernel,
 * and a NIC that DPDK drives has no kernel.
 *
 * Threads: xf_membership_join() and xf_membership_leave() while no other uses the port; the rest by
 * the thread that sends. All zero: no member. Private to dpdk/.
 */
#ifndef XF_DPDK_MEMBERSHIP_H
#define XF_DPDK_MEMBERSHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "kind.h"
#include "transport/link.h"

/* A report may be lost, as while a switch does not forward yet: the second comes soon, and each
   time between two is twice the one before, up to the last. */
#define XF_MEMBERSHIP_AGAIN_US UINT64_C(500000)
#define XF_MEMBERSHIP_EVERY_US UINT64_C(10000000)

/* How the group's frames come through. */
enum xf_membership_filter {
    XF_FILTER_NONE,        /* of a port without a filter */
    XF_FILTER_KERNEL,      /* the kernel is a member, and has told the interface */
    XF_FILTER_LIST,        /* the NIC has the group's MAC in its list */
    XF_FILTER_ALL_GROUPS,  /* it takes all groups' frames */
    XF_FILTER_PROMISCUOUS, /* it takes all frames */
};

struct xf_membership {
    bool joined;
    struct xf_link_addr group;
    enum xf_membership_filter filter;
    int kernel_fd; /* with XF_FILTER_KERNEL */
    unsigned reports;
    uint64_t due_us; /* when to report next */
};

/*
 * Opens the filter of a started port for a group that is valid. `said`: one line, how, or why not.
 * 0; -EOPNOTSUPP: DPDK's driver has nothing that would do it; another -errno.
 */
int xf_membership_join(struct xf_membership *m, uint16_t port, const struct xf_port_spec *spec,
                       const struct xf_link_addr *group, char said[XF_LINK_SAID_BYTES]);
/* Closes it again. */
void xf_membership_leave(struct xf_membership *m, uint16_t port);

static inline const struct xf_link_addr *xf_membership_group(const struct xf_membership *m)
{
    return m->joined ? &m->group : NULL;
}

/* Whether a report is due; and that one was tried: has it been sent? */
static inline bool xf_membership_is_due(const struct xf_membership *m, uint64_t now_us)
{
    return now_us >= m->due_us;
}
void xf_membership_reported(struct xf_membership *m, uint64_t now_us, bool sent);

#endif
