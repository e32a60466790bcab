/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Findings: the words of the check that runs. */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>

void xf_findings_begin(struct xf_preflight *p)
{
    p->text[0] = p->fix[0] = 0;
    p->fix_is_safe = false;
}

static void say(struct xf_preflight *p, const char *format, va_list args)
{
    vsnprintf(p->text, sizeof(p->text), format, args);
}

int xf_refuse(struct xf_preflight *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(p, format, args);
    va_end(args);
    return -1;
}

int xf_note(struct xf_preflight *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(p, format, args);
    va_end(args);
    return 1;
}

int xf_pass(struct xf_preflight *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(p, format, args);
    va_end(args);
    return 0;
}

void xf_fix(struct xf_preflight *p, bool safe, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(p->fix, sizeof(p->fix), format, args);
    va_end(args);
    /* Half a command is another one. */
    if (n < 0 || (size_t)n >= sizeof(p->fix))
        p->fix[0] = 0;
    p->fix_is_safe = safe && p->fix[0];
}
