/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spent: cycles and counted waits as shares of the time. */
#include "spent.h"

#define STAGE(name, what) [XF_STAGE_##name] = #name,
#define WAIT(name, what)  [XF_STAGE_COUNT + XF_WAIT_##name] = "wait_" #name,
const char *const xf_spent_names[XF_SPENT_COUNT] = {XF_STAGES(STAGE) XF_WAITS(WAIT)};
#undef STAGE
#undef WAIT

static double share(double part, double of)
{
    return of > 0 ? part / of : 0;
}

/* Cycles while memory moved: the laps begin with the session, which first waits for the other end.
 */
static double moving_cycles(const struct xf_stats *s)
{
    double all_us = s->done_us > s->start_us ? (double)(s->done_us - s->start_us) : 0;
    double live_us =
        s->live_us && s->done_us > s->live_us ? (double)(s->done_us - s->live_us) : all_us;

    if (s->laps.ended <= s->laps.began)
        return 0;
    return (double)(s->laps.ended - s->laps.began) * (all_us > live_us ? live_us / all_us : 1);
}

void xf_spent_of(struct xf_spent *spent, const struct xf_stats *s)
{
    uint64_t cycles[XF_STAGE_COUNT], waits = 0;
    double busy = (double)xf_laps_read(&s->laps, cycles);
    double time = moving_cycles(s) * (s->threads ? s->threads : 1);

    *spent = (struct xf_spent){0};
    if (time <= 0)
        return;
    if (time < busy)
        time = busy;
    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        spent->pct[i] = (unsigned)(100 * share((double)cycles[i], time) + .5);
    for (unsigned i = 0; i < XF_WAIT_COUNT; i++)
        waits += s->waits[i];
    for (unsigned i = 0; i < XF_WAIT_COUNT; i++)
        spent->pct[XF_STAGE_COUNT + i] =
            (unsigned)(100 * share(time - busy, time) * share((double)s->waits[i], (double)waits) +
                       .5);
}

unsigned xf_spent_busy_pct(const struct xf_spent *spent)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        sum += spent->pct[i];
    return sum < 100 ? sum : 100;
}
