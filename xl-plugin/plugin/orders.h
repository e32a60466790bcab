/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Orders: what xl-fast set wants of the move under way, by the socket that XL_FAST_CONTROL names
 * (transport/control.h). Without one, or if it cannot be made, which is said, a move takes none.
 *
 * Threads: that of the session.
 */
#ifndef XF_PLUGIN_ORDERS_H
#define XF_PLUGIN_ORDERS_H

#include "transport/control.h"
#include "report.h"

void xf_orders_open(struct xf_control *control);

/* Hands an order that is there to steer(), which returns 0 or -errno; answers, and reports one that
   was taken. */
void xf_orders_look(struct xf_control *control, struct xf_report *report,
                    int (*steer)(void *arg, const struct xf_steer *to), void *arg);

#endif
