/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Multicast: whether it passes from this host to another. What a network does with it only a packet
 * shows, so `xl-fast bench link --multicast` sends some, as a child.
 */
#ifndef XF_DOCTOR_MULTICAST_H
#define XF_DOCTOR_MULTICAST_H

#include <stdbool.h>

#include "peers.h"

/* Takes seconds, and the ports of both hosts. ssh: words of the user's shell. */
void xf_multicast_test(const char *ssh, const char *host, struct xf_finding *f);

/* Whether the port is on a bridge of this host that snoops IGMP and sends no queries: then f is a
   note, for another host or switch may send them. */
bool xf_multicast_bridge(const char *sysfs, const char *port, struct xf_finding *f);

#endif
