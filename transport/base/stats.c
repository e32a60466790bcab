/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics: names. */
#include "stats.h"

#define NAME(name, meaning) [XF_REJECT_##name] = #name,
const char *const xf_reject_names[XF_REJECT_COUNT] = {XF_REJECTS(NAME)};
#undef NAME

const char *xf_phase_name(enum xf_phase phase)
{
    switch (phase) {
    case XF_PHASE_CONNECT:
        return "connect";
    case XF_PHASE_READY:
        return "ready";
    case XF_PHASE_LIVE:
        return "live";
    case XF_PHASE_FINAL:
        return "final";
    case XF_PHASE_DONE:
        return "done";
    case XF_PHASE_FAILED:
        return "failed";
    }
    return "?";
}
