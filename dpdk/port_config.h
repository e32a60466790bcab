/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a port is opened with (port.h). */
#ifndef XF_DPDK_PORT_CONFIG_H
#define XF_DPDK_PORT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define XF_UDP_PORT_DEFAULT 7950

struct xf_port_config {
    const char *port;  /* as given to xf_dpdk_start() */
    uint32_t ipv4;     /* our address, host order */
    uint16_t udp_port; /* ours; 0 = XF_UDP_PORT_DEFAULT */
    unsigned queues;   /* wanted; 0 = 1. A port that has fewer is an error, but for: */
    bool fewer;        /* then it has those that there are */
    uint32_t mtu;      /* 0 = the largest the port takes, at most 9000 */
};

#endif
