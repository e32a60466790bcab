/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timing: where the cycles of both ends went, a page, by stage (transport/base/laps.h). */
#ifndef XF_SCREEN_TIMING_H
#define XF_SCREEN_TIMING_H

#include <json-c/json.h>

#include "transport/base/stats.h"

/* {"source": {STAGE: cycles a page, ..., "all": ..., "busy_pct": ...}, "target": ...}; the
   caller's. */
struct json_object *xf_timing_json(const struct xf_stats *source, const struct xf_stats *target);

/* The same as a table of 80 columns on stdout. */
void xf_timing_print(const struct xf_stats *source, const struct xf_stats *target);

#endif
