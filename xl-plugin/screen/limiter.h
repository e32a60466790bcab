/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limiter: what kept a move from going faster, in a sentence, by what both ends know: where their
 * time went, what was lost, how fast it was and might be. Pure. Threads: any.
 */
#ifndef XF_SCREEN_LIMITER_H
#define XF_SCREEN_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/spent.h"

#define XF_LIMITER_BYTES 160

struct xf_limiter_end {
    bool known;
    unsigned lanes;
    struct xf_spent spent;
};

struct xf_limiter {
    struct xf_limiter_end source, target;
    uint64_t memory_us;     /* how long memory moved */
    uint64_t wire_bps;      /* what left meanwhile */
    uint64_t bandwidth_bps; /* the user's limit; 0: none */
    uint64_t path_bps;      /* what the path carries; 0: not known */
    uint64_t packets_sent, packets_lost;
    uint64_t target_dropped; /* packets that its port had no room for */
};

/* "the link: it carries 0.94 Gbit/s, lost 2 %". "": nothing is known. */
const char *xf_limiter_say(char to[XF_LIMITER_BYTES], const struct xf_limiter *l);

/* The same for a table: a second half goes to a line of its own. NULL: none. */
const char *xf_limiter_split(char *said);

struct json_object;
/* What "time_pct" of an event or of a result has; unknown members count as 0. */
void xf_limiter_take_time(struct xf_limiter_end *end, struct json_object *time_pct);

#endif
