/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target state: the reason of a failure. */
#include "target_state.h"

#include <stdarg.h>
#include <stdio.h>

int xf_disks_target_fail(struct xf_disks_target *t, int rc, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(t->why, sizeof(t->why), format, ap);
    va_end(ap);
    return rc;
}
