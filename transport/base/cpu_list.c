/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU list: reads and shows one. */
#include "cpu_list.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Digits only; NULL: none are at `at`, or they are no CPU's number. */
static const char *take_number(const char *at, unsigned *cpu)
{
    char *end;

    if (!isdigit((unsigned char)*at))
        return NULL;
    unsigned long v = strtoul(at, &end, 10);
    if (v >= XF_CPU_MAX)
        return NULL;
    *cpu = (unsigned)v;
    return end;
}

static bool add(struct xf_cpu_list *out, unsigned first, unsigned last)
{
    if (last < first)
        return false;
    for (unsigned cpu = first; cpu <= last; cpu++) {
        if (xf_cpu_list_has(out, cpu))
            return false;
        out->cpus[out->n++] = (uint16_t)cpu;
    }
    return true;
}

int xf_cpu_list_parse(const char *text, struct xf_cpu_list *out)
{
    unsigned first, last;

    out->n = 0;
    for (const char *at = text;; at++) {
        at = take_number(at, &first);
        last = first;
        if (at && *at == '-')
            at = take_number(at + 1, &last);
        if (!at || !add(out, first, last) || (*at && *at != ','))
            break;
        if (!*at)
            return 0;
    }
    out->n = 0;
    return -EINVAL;
}

bool xf_cpu_list_has(const struct xf_cpu_list *list, unsigned cpu)
{
    for (unsigned i = 0; i < list->n; i++)
        if (list->cpus[i] == cpu)
            return true;
    return false;
}

const char *xf_cpu_list_show(const struct xf_cpu_list *list, char *out, size_t size)
{
    size_t len = 0;

    out[0] = 0;
    for (unsigned i = 0, to; i < list->n && len < size; i = to + 1) {
        for (to = i; to + 1 < list->n && list->cpus[to + 1] == list->cpus[to] + 1;)
            to++;
        len += (size_t)snprintf(out + len, size - len, "%s%u", i ? "," : "", list->cpus[i]);
        if (to > i && len < size)
            len += (size_t)snprintf(out + len, size - len, "-%u", list->cpus[to]);
    }
    return out;
}
