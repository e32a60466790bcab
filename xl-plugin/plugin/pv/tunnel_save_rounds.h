/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Xen's own save of a PV guest asks: the caller's thread, between its callbacks. */
#ifndef XF_PLUGIN_TUNNEL_SAVE_ROUNDS_H
#define XF_PLUGIN_TUNNEL_SAVE_ROUNDS_H

#include "tunnel_save_state.h"

/* Sets the callbacks that the stock function is to have. */
void xf_tunnel_save_wrap(struct xf_pv_save *s, struct save_callbacks *wrapped);
/* Of what has landed since the last one. */
void xf_tunnel_save_say_round(struct xf_pv_save *s, const char *what,
                              const struct xf_tunnel_counts *now, uint64_t us);

#endif
