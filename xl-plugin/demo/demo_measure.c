/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Demo, measure: as xl-plugin/plugin/dirty_rate.c, of a log that every look clears. */
#include "demo_measure.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "transport/base/bitmap.h"
#include "transport/base/clock.h"

static void wait_until(uint64_t at_us)
{
    struct timespec at = {.tv_sec = (time_t)(at_us / 1000000),
                          .tv_nsec = (long)(at_us % 1000000) * 1000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static int look(const struct xf_guest_source *g, uint64_t *now, uint64_t *all, uint64_t *pages)
{
    uint64_t count;
    int rc = g->ops->dirty(g->ctx, now, false, &count);

    for (uint64_t w = 0; !rc && w < xf_bitmap_words(g->page_count); w++)
        all[w] |= now[w];
    *pages = xf_bitmap_count(all, g->page_count);
    return rc;
}

int xf_demo_measure(struct xf_simguest *guest, uint64_t seconds, struct xf_demo_measured *m)
{
    struct xf_guest_source g = xf_simguest_source(guest);
    uint64_t *now = xf_bitmap_new(g.page_count), *all = xf_bitmap_new(g.page_count);
    uint64_t began_us, pages;
    int rc = now && all ? g.ops->dirty(g.ctx, now, false, &pages) : -ENOMEM;

    began_us = xf_now_us();
    for (m->n = 0; !rc && m->n < XF_DEMO_LOOKS; m->n++) {
        wait_until(began_us + (seconds * 1000000 >> (XF_DEMO_LOOKS - 1 - m->n)));
        rc = look(&g, now, all, &pages);
        m->looks[m->n] = (struct xf_written){.us = xf_now_us() - began_us, .pages = pages};
    }
    free(now);
    free(all);
    return rc;
}
