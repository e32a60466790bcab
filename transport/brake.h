/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Brake: how a guest is slowed down and, whatever happens, gets all of its speed back.
 *
 * Threads: one.
 */
#ifndef XF_TRANSPORT_BRAKE_H
#define XF_TRANSPORT_BRAKE_H

#include <stdbool.h>

struct xf_brake {
    int (*throttle)(void *arg, unsigned percent); /* as of guest.h; 0 or -errno */
    void *arg;
    unsigned pct;       /* what the guest has of its CPU time; 100 = all */
    unsigned least_pct; /* that it had; 0 = all */
    bool refused;       /* the guest cannot be slowed down */
};

static inline void xf_brake_init(struct xf_brake *b, int (*throttle)(void *arg, unsigned percent),
                                 void *arg)
{
    *b = (struct xf_brake){.throttle = throttle, .arg = arg, .pct = 100};
}

static inline void xf_brake_set(struct xf_brake *b, unsigned pct)
{
    if (pct == b->pct)
        return;
    /* Also if it fails: it is given back in any case. */
    b->pct = pct;
    if (b->throttle(b->arg, pct))
        b->refused = true;
    else if (pct < 100 && (!b->least_pct || pct < b->least_pct))
        b->least_pct = pct;
}

static inline void xf_brake_release(struct xf_brake *b)
{
    if (b->pct && b->pct < 100)
        b->throttle(b->arg, 100);
    b->pct = 100;
}

#endif
