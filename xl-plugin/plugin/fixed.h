/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixed: what the downtime has besides its pages. xl-fast migrate knows it from earlier moves to
 * that host (xl-plugin/migrate/fixed.h), and says it in XL_FAST_FIXED_US. Threads: any.
 */
#ifndef XF_PLUGIN_FIXED_H
#define XF_PLUGIN_FIXED_H

#include <stdint.h>

/* Microseconds; XF_EVENTS_NOT_KNOWN before the first move to a host. */
uint64_t xf_fixed_from_environment(void);

/* For the policy, 0 if it is not known; says what it leaves for the last round
   (transport/budget.h). */
uint64_t xf_fixed_say(uint64_t max_downtime_us, uint64_t fixed_us);

#endif
