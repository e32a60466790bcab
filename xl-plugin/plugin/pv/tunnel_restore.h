/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnel restore: the target end of `xl migrate --fast` of a PV guest. */
#ifndef XF_PLUGIN_TUNNEL_RESTORE_H
#define XF_PLUGIN_TUNNEL_RESTORE_H

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

/*
 * Builds the domain. 0: as xc_domain_restore(); nothing beyond END was read from io_fd. -errno: the
 * reason is said; the half-built domain is libxl's to destroy.
 */
int xf_tunnel_restore_run(const struct xf_tunnel_restore *params);

#endif
