/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnel restore: the target end of `xl migrate --fast` of a PV guest. */
#ifndef XF_PLUGIN_TUNNEL_RESTORE_H
#define XF_PLUGIN_TUNNEL_RESTORE_H

#include "tunnel_restore_args.h"

/*
 * Builds the domain. 0: as xc_domain_restore(); nothing beyond END was read from io_fd. -errno: the
 * reason is said; the half-built domain is libxl's to destroy.
 */
int xf_tunnel_restore_run(const struct xf_tunnel_restore *params);

#endif
