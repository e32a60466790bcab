/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fixed: reads what earlier moves took besides their pages, and says what is left for the copy. */
#include "fixed.h"

#include <stdlib.h>

#include "transport/budget.h"
#include "transport/events.h"
#include "say.h"

uint64_t xf_fixed_from_environment(void)
{
    const char *text = getenv("XL_FAST_FIXED_US");

    return text && *text ? strtoull(text, NULL, 10) : XF_EVENTS_NOT_KNOWN;
}

uint64_t xf_fixed_say(uint64_t max_downtime_us, uint64_t fixed_us)
{
    if (fixed_us == XF_EVENTS_NOT_KNOWN)
        return 0;
    if (fixed_us < max_downtime_us)
        xf_say("source: the last round may take %.0f ms of a downtime of %.0f: the rest took %.0f "
               "in earlier moves to this host",
               (double)xf_budget_copy_us(max_downtime_us, fixed_us) / 1e3,
               (double)max_downtime_us / 1e3, (double)fixed_us / 1e3);
    else
        xf_say("source: a downtime of %.0f ms cannot be kept: without the last round it was %.0f "
               "in earlier moves to this host; the last round alone is held to it",
               (double)max_downtime_us / 1e3, (double)fixed_us / 1e3);
    return fixed_us;
}
