/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Found: the words for a port that cannot be used. */
#include "found.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int xf_found_refuse(struct xf_found *p, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->why, sizeof(p->why), format, args);
    va_end(args);
    p->usable = false;
    return rc;
}

void xf_found_fix(struct xf_found *p, bool safe, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->fix, sizeof(p->fix), format, args);
    va_end(args);
    p->fix_is_safe = safe;
}

bool xf_found_is_plain(const char *name)
{
    return name[0] != '-' && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789._-") == strlen(name);
}
