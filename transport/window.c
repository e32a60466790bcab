/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Window: what has been received on a queue. Bits outside [base, horizon) are zero. */
#include "window.h"

#include <string.h>

#define MASK (XF_WINDOW_PACKETS - 1)

static int test(const struct xf_window *w, uint64_t s)
{
    return w->bits[(s & MASK) / 64] >> (s % 64) & 1;
}

static void clear(struct xf_window *w, uint64_t s)
{
    w->bits[(s & MASK) / 64] &= ~(UINT64_C(1) << (s % 64));
}

void xf_window_init(struct xf_window *w)
{
    memset(w, 0, sizeof(*w));
}

enum xf_window_verdict xf_window_look(const struct xf_window *w, uint64_t sequence)
{
    if (sequence < w->floor)
        return XF_WINDOW_STALE;
    if (sequence < w->base)
        return XF_WINDOW_REPLAYED;
    if (sequence - w->base >= XF_WINDOW_PACKETS)
        return XF_WINDOW_FAR;
    return test(w, sequence) ? XF_WINDOW_REPLAYED : XF_WINDOW_NEW;
}

/* Moves base over what has been received without a gap. */
static void advance(struct xf_window *w)
{
    while (w->base < w->horizon && test(w, w->base)) {
        clear(w, w->base);
        w->base++;
    }
}

void xf_window_mark(struct xf_window *w, uint64_t sequence)
{
    w->bits[(sequence & MASK) / 64] |= UINT64_C(1) << (sequence % 64);
    if (sequence >= w->horizon)
        w->horizon = sequence + 1;
    advance(w);
}

void xf_window_give_up(struct xf_window *w, uint64_t floor)
{
    if (floor <= w->floor)
        return;
    w->floor = floor;
    while (w->base < floor && w->base < w->horizon) {
        clear(w, w->base);
        w->base++;
    }
    if (w->base < floor) /* beyond all that was seen: nothing is marked there */
        w->base = w->horizon = floor;
    advance(w);
}

void xf_window_mark_sliding(struct xf_window *w, uint64_t sequence)
{
    xf_window_mark(w, sequence);
    if (w->horizon > XF_WINDOW_PACKETS / 2)
        xf_window_give_up(w, w->horizon - XF_WINDOW_PACKETS / 2);
}

unsigned xf_window_missing(const struct xf_window *w, struct xf_wire_range *ranges, unsigned max,
                           uint64_t *horizon)
{
    unsigned n = 0;
    uint64_t s = w->base;

    while (s < w->horizon) {
        if (test(w, s)) {
            /* Skips received stretches a word at a time. */
            if (s % 64 == 0 && w->bits[(s & MASK) / 64] == ~UINT64_C(0))
                s += 64;
            else
                s++;
            continue;
        }
        if (n == max)
            break;
        uint64_t start = s;

        while (s < w->horizon && !test(w, s))
            s++;
        ranges[n].start = (uint32_t)(start - w->base);
        ranges[n].length = (uint32_t)(s - start);
        n++;
    }
    *horizon = s < w->horizon ? s : w->horizon;
    return n;
}
