/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Window: which sequence numbers of a queue have been received. One structure is both the replay
 * window and the source of the missing ranges that feedback reports.
 *
 *     0 ........ floor ........ base ........................ horizon ........ base + WINDOW
 *      given up        received      received (1), missing (0)        unknown
 *
 * Everything below base was received or given up by the sender (who then sent its content anew).
 *
 * Threads: one queue, one thread.
 */
#ifndef XF_TRANSPORT_WINDOW_H
#define XF_TRANSPORT_WINDOW_H

#include <stdint.h>

#include "wire.h"

#define XF_WINDOW_PACKETS 32768u /* a power of two */

struct xf_window {
    uint64_t floor, base, horizon;
    uint64_t bits[XF_WINDOW_PACKETS / 64];
};

enum xf_window_verdict { XF_WINDOW_NEW, XF_WINDOW_REPLAYED, XF_WINDOW_STALE, XF_WINDOW_FAR };

void xf_window_init(struct xf_window *w);

/* What a sequence number is, before its packet is authenticated. Changes nothing. */
enum xf_window_verdict xf_window_look(const struct xf_window *w, uint64_t sequence);

/* Marks a number that look() called new, after its packet proved authentic. */
void xf_window_mark(struct xf_window *w, uint64_t sequence);

/* The same for a sender that repairs nothing, as a target: its gaps never fill, so the window
   slides on. */
void xf_window_mark_sliding(struct xf_window *w, uint64_t sequence);

/* The sender gave up all numbers below `floor`. Lower floors than known are ignored; the caller has
   checked that floor <= a sequence that was marked. */
void xf_window_give_up(struct xf_window *w, uint64_t floor);

/* Writes up to max missing ranges, lowest first, and in *horizon up to where they are complete. */
unsigned xf_window_missing(const struct xf_window *w, struct xf_wire_range *ranges, unsigned max,
                           uint64_t *horizon);

#endif
