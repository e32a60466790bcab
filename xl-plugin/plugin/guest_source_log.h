/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dirty log of a guest source: on, read and off. */
#ifndef XF_PLUGIN_GUEST_SOURCE_LOG_H
#define XF_PLUGIN_GUEST_SOURCE_LOG_H

#include "guest_source_state.h"

/* Each says what failed. */
int xf_xen_log_start(struct xf_xen_source *x);
int xf_xen_log_read(struct xf_xen_source *x, uint64_t *dirty, bool final);
void xf_xen_log_stop(struct xf_xen_source *x);

#endif
