/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Xen's own save of a PV guest writes, taken apart. */
#ifndef XF_PLUGIN_TUNNEL_SAVE_PUMP_H
#define XF_PLUGIN_TUNNEL_SAVE_PUMP_H

/* The pump's thread; arg is the struct xf_pv_save, the result an int. */
void *xf_tunnel_save_pump(void *arg);

#endif
