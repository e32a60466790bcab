/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On busy: what becomes of a guest that writes too fast for its downtime, as the user says it. */
#ifndef XF_TRANSPORT_BASE_ON_BUSY_H
#define XF_TRANSPORT_BASE_ON_BUSY_H

#include <errno.h>
#include <string.h>

enum xf_on_busy {
    XF_ON_BUSY_GO,    /* it moves all the same, and stands for longer: as by plain xl migrate */
    XF_ON_BUSY_ABORT, /* it goes on at the source */
};

static inline const char *xf_on_busy_name(enum xf_on_busy on_busy)
{
    static const char *const names[] = {"go", "abort"};

    return names[on_busy];
}

/* -EINVAL if it is none of the names. */
static inline int xf_on_busy_parse(const char *text, enum xf_on_busy *on_busy)
{
    for (unsigned i = XF_ON_BUSY_GO; i <= XF_ON_BUSY_ABORT; i++) {
        if (!strcmp(text, xf_on_busy_name((enum xf_on_busy)i))) {
            *on_busy = (enum xf_on_busy)i;
            return 0;
        }
    }
    return -EINVAL;
}

#endif
