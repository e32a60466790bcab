/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All fault points of a test build, by number. */
#ifndef XF_TESTS_FAULTS_POINTS_H
#define XF_TESTS_FAULTS_POINTS_H

#include "tests/soak/fault_points.h"
#include "transport/fault_points.h"
#include "xl-plugin/disks/fault_points.h"
#include "xl-plugin/plugin/fault_points.h"

#define XF_FAULT_POINTS(X)                                                                         \
    XF_FAULT_POINTS_TRANSPORT(X)                                                                   \
    XF_FAULT_POINTS_PLUGIN(X)                                                                      \
    XF_FAULT_POINTS_DISKS(X)                                                                       \
    XF_FAULT_POINTS_OWNER(X)

#define XF_FAULT_ENUM(name, when) XF_FAULT_##name,
enum xf_fault_number { XF_FAULT_POINTS(XF_FAULT_ENUM) XF_FAULT_POINT_COUNT };
#undef XF_FAULT_ENUM

#endif
