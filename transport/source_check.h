/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source, checks: what may last for how long (PROTOCOL.md, section 8). Private to source.c. Returns
 * 0, or -errno with the session's error.
 */
#ifndef XF_TRANSPORT_SOURCE_CHECK_H
#define XF_TRANSPORT_SOURCE_CHECK_H

#include "source_state.h"

int xf_source_check_times(struct xf_source *s, uint64_t now_us);
/* The target has to count a round that was sent. */
int xf_source_check_round(struct xf_source *s, uint64_t now_us);

#endif
