/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Budget: how long the last round may take so that the whole downtime keeps what the user allows.
 * fixed_us is what the downtime has besides its pages: the guest's suspend, and what the toolstack
 * does at both ends.
 *
 * If that alone takes longer, no round can help: then the last round is held to max_downtime_us for
 * itself. Otherwise a guest would be sent round after round, or would stay (--on-busy=abort), for
 * what its memory cannot change. The caller says so.
 *
 * Pure. Threads: any.
 */
#ifndef XF_TRANSPORT_BUDGET_H
#define XF_TRANSPORT_BUDGET_H

#include <stdint.h>

static inline uint64_t xf_budget_copy_us(uint64_t max_downtime_us, uint64_t fixed_us)
{
    return fixed_us < max_downtime_us ? max_downtime_us - fixed_us : max_downtime_us;
}

#endif
