/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Steer: new values for a move that is under way, as the user sets them (xl-fast set): how they are
 * handed on, and shown.
 */
#ifndef XF_TRANSPORT_STEER_H
#define XF_TRANSPORT_STEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XF_STEER_TEXT_BYTES 128

/* What is set. */
enum xf_steer_what {
    XF_STEER_MAX_DOWNTIME = 1,
    XF_STEER_BANDWIDTH = 2,
    XF_STEER_THROTTLE = 4,
    XF_STEER_NOW = 8, /* suspend after the round under way, whatever the downtime */
    XF_STEER_ALL = 15,
};

#define XF_STEER_MAX_DOWNTIME_US UINT64_C(3600000000)

struct xf_steer {
    uint32_t what; /* bits of enum xf_steer_what */
    bool throttle;
    uint64_t max_downtime_us;
    uint64_t bandwidth_bytes_per_s; /* 0: no limit */
};

/* Adds what `more` sets to what is set already. */
void xf_steer_add(struct xf_steer *to, const struct xf_steer *more);

/* "max-downtime=50ms bandwidth=1Gbit/s throttle=on now", as the user types it. Returns text. */
const char *xf_steer_show(char text[XF_STEER_TEXT_BYTES], const struct xf_steer *steer);

#endif
