/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timing: cycles per page by stage, as JSON or as a table. */
#include "timing.h"

#include <stdio.h>

#include "xl-plugin/cli/json_text.h"

static double per_page(uint64_t cycles, const struct xf_stats *s)
{
    return s->pages_sent ? (double)cycles / (double)s->pages_sent : 0;
}

/* How much of its time an end had something to do. */
static double busy_pct(const struct xf_laps *l, uint64_t cycles)
{
    return l->ended > l->began ? 100.0 * (double)cycles / (double)(l->ended - l->began) : 0;
}

static struct json_object *timing_of(const struct xf_stats *s)
{
    struct json_object *j = json_object_new_object();
    uint64_t cycles[XF_STAGE_COUNT], all = xf_laps_read(&s->laps, cycles);

    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        json_object_object_add(j, xf_stage_names[i], xf_json_tenths(per_page(cycles[i], s)));
    json_object_object_add(j, "all", xf_json_tenths(per_page(all, s)));
    json_object_object_add(j, "busy_pct", xf_json_tenths(busy_pct(&s->laps, all)));
    return j;
}

struct json_object *xf_timing_json(const struct xf_stats *source, const struct xf_stats *target)
{
    struct json_object *j = json_object_new_object();

    json_object_object_add(j, "source", timing_of(source));
    json_object_object_add(j, "target", timing_of(target));
    return j;
}

void xf_timing_print(const struct xf_stats *s, const struct xf_stats *t)
{
    uint64_t source[XF_STAGE_COUNT], target[XF_STAGE_COUNT];
    uint64_t source_all = xf_laps_read(&s->laps, source),
             target_all = xf_laps_read(&t->laps, target);

    puts("\n  cycles a page   source   target");
    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        printf("    %-12s %8.0f %8.0f   %s\n", xf_stage_names[i], per_page(source[i], s),
               per_page(target[i], t), xf_stage_what[i]);
    printf("    all          %8.0f %8.0f\n", per_page(source_all, s), per_page(target_all, t));
    printf("    busy         %7.0f%% %7.0f%%   of its time\n\n", busy_pct(&s->laps, source_all),
           busy_pct(&t->laps, target_all));
}
