/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the caller of a PV guest's restore (tunnel_restore.h) hands over; all its parts see it. */
#ifndef XF_PLUGIN_TUNNEL_RESTORE_ARGS_H
#define XF_PLUGIN_TUNNEL_RESTORE_ARGS_H

#include <stdint.h>

#include "xl-plugin/plugin/restore.h"
#include "tunnel.h"

struct xf_tunnel_restore {
    int io_fd;
    uint32_t domid;
    struct restore_callbacks *callbacks;
    xf_stock_restore *stock; /* called once, in the caller's thread, if the port is up */
    void *arg;
    const struct xf_tunnel_port *port;
    unsigned compared_ms; /* the last page to compare -> it is compared; 0 = the default */
    unsigned patience_ms; /* pages are here -> their record; 0 = the default */
};

#endif
