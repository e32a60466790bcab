/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixed: what the downtime took besides copying and comparing pages in this host's earlier moves to
 * a host: freeze, context, devices and go. It is the median of the newest XF_FIXED_MOVES whose
 * downtime was measured whole, so that one bad moment does not count. Pure. Threads: any.
 */
#ifndef XF_MIGRATE_FIXED_H
#define XF_MIGRATE_FIXED_H

#include <stdbool.h>
#include <stdint.h>

#include "xl-plugin/screen/history.h"

#define XF_FIXED_MOVES 5u

/* Begins as {.host = ...}; xf_history_read() may call xf_fixed_take() with it. */
struct xf_fixed {
    const char *host; /* the target, as the user names it */
    bool early;       /* its hand-over: others took other times */
    unsigned moves;   /* that count, at most XF_FIXED_MOVES are kept */
    uint64_t us[XF_FIXED_MOVES];
};

void xf_fixed_take(void *arg, const struct xf_history_move *m);

/* 0 if there was no such move. */
uint64_t xf_fixed_us(const struct xf_fixed *f);

#endif
