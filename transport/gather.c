/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gather: the least of all, and the union of what is missing. */
#include "gather.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Where the reading of one target's ranges is. */
struct cursor {
    const struct xf_told *told;
    unsigned next;
};

static uint64_t start_of(const struct cursor *c)
{
    return c->told->fb.base + c->told->ranges[c->next].start;
}

static uint64_t end_of(const struct cursor *c)
{
    return start_of(c) + c->told->ranges[c->next].length;
}

/* Over the ranges that end before or at `at`. False: there are no more. */
static bool skip_to(struct cursor *c, uint64_t at)
{
    while (c->next < c->told->fb.ranges && end_of(c) <= at)
        c->next++;
    return c->next < c->told->fb.ranges;
}

/* The first sequence from `at` on that is missing somewhere; UINT64_MAX: none. */
static uint64_t first_missing(struct cursor *cursors, unsigned n, uint64_t at)
{
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < n; i++)
        if (skip_to(&cursors[i], at))
            first = least(first, start_of(&cursors[i]));
    return first < at ? at : first;
}

/* Where a stretch that is missing at `at` ends: all of it is missing somewhere. */
static uint64_t end_missing(struct cursor *cursors, unsigned n, uint64_t at)
{
    bool longer;

    do {
        longer = false;
        for (unsigned i = 0; i < n; i++)
            if (skip_to(&cursors[i], at) && start_of(&cursors[i]) <= at) {
                at = end_of(&cursors[i]);
                longer = true;
            }
    } while (longer);
    return at;
}

static void join_ranges(struct xf_told *into, struct cursor *cursors, unsigned n)
{
    struct xf_wire_feedback *fb = &into->fb;
    uint64_t at = fb->base;

    while ((at = first_missing(cursors, n, at)) < fb->horizon) {
        const uint64_t end = least(end_missing(cursors, n, at), fb->horizon);

        if (fb->ranges == XF_RANGES_MAX) {
            fb->horizon = at;
            return;
        }
        into->ranges[fb->ranges++] = (struct xf_wire_range){.start = (uint32_t)(at - fb->base),
                                                            .length = (uint32_t)(end - at)};
        at = end;
    }
}

void xf_gather(struct xf_told *into, const struct xf_told *const *of, unsigned n)
{
    struct cursor cursors[XF_MEMBERS_MAX];
    struct xf_wire_feedback *fb = &into->fb;

    *fb = of[0]->fb;
    fb->receiver = 0;
    fb->ranges = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct xf_wire_feedback *one = &of[i]->fb;

        cursors[i] = (struct cursor){.told = of[i]};
        if (one->round < fb->round || (one->round == fb->round && one->landed < fb->landed))
            fb->landed = one->landed;
        fb->round = (uint32_t)least(fb->round, one->round);
        fb->base = least(fb->base, one->base);
        fb->horizon = least(fb->horizon, one->horizon);
        fb->stamp_us = least(fb->stamp_us, one->stamp_us);
        fb->credit = (uint16_t)least(fb->credit, one->credit);
        fb->flags &= one->flags;
    }
    join_ranges(into, cursors, n);
}
