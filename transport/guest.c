/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest: stubs for what a kind of guest does not need, and whether a table is whole. */
#include "guest.h"

#include <errno.h>

int xf_guest_lanes(void *ctx, unsigned lanes)
{
    (void)ctx;
    (void)lanes;
    return 0;
}

int xf_guest_still(void *ctx, uint64_t *pages)
{
    (void)ctx;
    (void)pages;
    return 0;
}

int xf_guest_present(void *ctx, uint64_t *candidates)
{
    (void)ctx;
    (void)candidates;
    return 0;
}

int xf_guest_no_throttle(void *ctx, unsigned percent)
{
    (void)ctx;
    return percent < 100 ? -EOPNOTSUPP : 0;
}

static int no_suspend(void *ctx)
{
    (void)ctx;
    return -EOPNOTSUPP;
}

const struct xf_guest_control_ops xf_guest_uncontrolled = {
    .throttle = xf_guest_no_throttle,
    .suspend = no_suspend,
};

int xf_sink_populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    (void)ctx;
    (void)lane;
    (void)first;
    (void)count;
    return 0;
}

int xf_sink_map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    (void)ctx;
    (void)lane;
    (void)first;
    *base = NULL;
    return -ENOTSUP;
}

void xf_sink_unmap_part(void *ctx, unsigned lane, uint64_t first, void *base)
{
    (void)ctx;
    (void)lane;
    (void)first;
    (void)base;
}

void xf_sink_wrote(void *ctx, unsigned lane, uint64_t first, uint64_t count, void *base)
{
    (void)ctx;
    (void)lane;
    (void)first;
    (void)count;
    (void)base;
}

int xf_sink_end_round(void *ctx, uint64_t count)
{
    (void)ctx;
    (void)count;
    return 0;
}

bool xf_guest_source_whole(const struct xf_guest_source *guest)
{
    const struct xf_guest_source_ops *o = guest->ops;
    const struct xf_guest_control_ops *c = guest->control;

    return o && c && o->lanes && o->start && o->dirty && o->present && o->map && o->unmap &&
           o->keep_still && c->throttle && c->suspend;
}

bool xf_guest_sink_whole(const struct xf_guest_sink *guest)
{
    const struct xf_guest_sink_ops *o = guest->ops;

    return o && o->lanes && o->populate && o->map_chunk && o->unmap_chunk && o->map_part &&
           o->unmap_part && o->wrote && o->end_round;
}
