/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Outcome: where the guest is after a migration that has not moved it: the last line on the screen,
 * and the word for `xl-fast cancel` (xl-plugin/screen/moving.h). Pure. Threads: any.
 */
#ifndef XF_MIGRATE_OUTCOME_H
#define XF_MIGRATE_OUTCOME_H

#include <stdbool.h>

struct xf_outcome {
    const char *left; /* xl-fast-domain's word of the guest here; "": it has not said one */
    bool ended;       /* by the save helper's word, which has failed then: so xl has told no target
                         to start the guest */
    const char *guest, *host, *ssh; /* ssh NULL: the usual one */
};

/* here, paused, suspended, ended or unknown. */
const char *xf_outcome_state(const struct xf_outcome *o);

/* To be freed; NULL without memory. */
char *xf_outcome_line(const struct xf_outcome *o);

#endif
