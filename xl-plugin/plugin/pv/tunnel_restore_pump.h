/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the source's xl wrote becomes what Xen's own restore of a PV guest reads. */
#ifndef XF_PLUGIN_TUNNEL_RESTORE_PUMP_H
#define XF_PLUGIN_TUNNEL_RESTORE_PUMP_H

/* The pump's thread; arg is the struct xf_pv_restore, the result an int. */
void *xf_tunnel_restore_pump(void *arg);

#endif
