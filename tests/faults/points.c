/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fault points of all rooms, numbered: each program of a test build is linked with this. */
#include "points.h"

#include <assert.h>

static_assert(XF_FAULT_POINT_COUNT <= XF_FAULT_POINTS_MAX, "fault.c counts all of them");

#define POINT(name, when) {#name, when},
const struct xf_fault_point xf_fault_points[] = {XF_FAULT_POINTS(POINT)};
const unsigned xf_fault_points_n = XF_FAULT_POINT_COUNT;

#define NUMBER(name, when) const unsigned xf_fault_at_##name = XF_FAULT_##name;
XF_FAULT_POINTS(NUMBER)
