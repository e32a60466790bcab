/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fixed: the median of what the newest moves to a host took besides their pages. */
#include "fixed.h"

#include <stdlib.h>
#include <string.h>

void xf_fixed_take(void *arg, const struct xf_history_move *m)
{
    struct xf_fixed *f = arg;
    const struct xf_downtime *d = &m->downtime;
    uint64_t pages_us = d->part_us[XF_DOWNTIME_COPY] + d->part_us[XF_DOWNTIME_VERIFY];

    if (m->early != f->early || xf_history_result(m) != XF_HISTORY_MOVED || !d->whole ||
        pages_us > d->us || strcmp(m->to, f->host) != 0)
        return;
    f->us[f->moves++ % XF_FIXED_MOVES] = d->us - pages_us;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

uint64_t xf_fixed_us(const struct xf_fixed *f)
{
    unsigned n = f->moves < XF_FIXED_MOVES ? f->moves : XF_FIXED_MOVES;
    struct xf_fixed sorted = *f;

    if (!n)
        return 0;
    qsort(sorted.us, n, sizeof(*sorted.us), compare);
    return n % 2 ? sorted.us[n / 2] : (sorted.us[n / 2 - 1] + sorted.us[n / 2]) / 2;
}
