/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnel save: the source end of `xl migrate --fast` of a PV guest. */
#ifndef XF_PLUGIN_TUNNEL_SAVE_H
#define XF_PLUGIN_TUNNEL_SAVE_H

#include "tunnel_save_args.h"

/*
 * Moves the domain. 0: as xc_domain_save(): END is written, the guest suspended, and every page has
 * landed at the target. -errno: the reason is said; the domain may be suspended and is libxl's to
 * resume. io_fd is what it was, or what a signal handler has put in its place.
 */
int xf_tunnel_save_run(const struct xf_tunnel_save *params);

#endif
