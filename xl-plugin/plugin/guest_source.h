/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest source: a running HVM or PVH domain of Xen as the transport reads it (transport/guest.h).
 * Log-dirty tells what changed, the type query what has content, foreign mappings give the bytes.
 *
 * One thread: that of the save helper, because suspend and log-dirty of the device model are
 * libxl's callbacks and xch logs to libxl. Lanes map by handles of their own.
 */
#ifndef XF_PLUGIN_GUEST_SOURCE_H
#define XF_PLUGIN_GUEST_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "transport/guest.h"

struct xf_xen_source;

/* Touches nothing of the guest yet. All arguments stay the caller's. early: its special pages do
   not travel (special.h). */
int xf_xen_source_new(struct xf_xen_source **out, xc_interface *xch, uint32_t domid,
                      const struct save_callbacks *callbacks, bool early);

struct xf_guest_source xf_xen_source_guest(struct xf_xen_source *x);

/* Log-dirty off again, in Xen and in the device model, whatever happened; the guest is as before
   but for being suspended, if it was. */
void xf_xen_source_free(struct xf_xen_source *x);

#endif
