/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Laps: names, and dividing what was not told apart. */
#include "laps.h"

#define NAME(name, what) [XF_STAGE_##name] = #name,
const char *const xf_stage_names[XF_STAGE_COUNT] = {XF_STAGES(NAME)};
#undef NAME

#define WHAT(name, what) [XF_STAGE_##name] = what,
const char *const xf_stage_what[XF_STAGE_COUNT] = {XF_STAGES(WHAT)};
#undef WHAT

uint64_t xf_laps_read(const struct xf_laps *l, uint64_t cycles[XF_STAGE_COUNT])
{
    const uint64_t mixed = l->spent[XF_STAGE_MIXED];
    uint64_t split = 0, given = 0, sum = 0;

    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        split += l->split[i];
    for (unsigned i = 0; i < XF_STAGE_COUNT; i++) {
        uint64_t part = split ? (uint64_t)((double)mixed * (double)l->split[i] / (double)split) : 0;

        /* Rounding must not make more of it than there is. */
        if (part > mixed - given)
            part = mixed - given;
        given += part;
        cycles[i] = l->spent[i] + part;
        sum += cycles[i];
    }
    cycles[XF_STAGE_bookkeeping] += mixed - given;
    return sum + mixed - given;
}
