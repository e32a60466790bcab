/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rate: how a user writes one, and reads it: bits per second with decimal units, as tc(8) and
 * iperf3 do. One reading for the demo's command line, xl-fast.conf and xl migrate.
 */
#ifndef XF_TRANSPORT_BASE_RATE_H
#define XF_TRANSPORT_BASE_RATE_H

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * "500M", "2.5G", "800k", "1000000": bits per second; 0 is none. -EINVAL unless all of the text is
 * one such number, of at least a byte per second and below a petabit.
 */
static inline int xf_rate_parse(const char *text, uint64_t *bytes_per_s)
{
    static const char units[] = "kMG";
    /* strtod() takes more: signs, blanks, hexadecimal, exponents. */
    size_t digits = strspn(text, "0123456789.");
    char *end;
    double bits;

    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    bits = strtod(text, &end);
    if (end != text + digits)
        return -EINVAL;
    if (*end) {
        const char *unit = strchr(units, *end == 'K' ? 'k' : *end);

        if (!unit || end[1])
            return -EINVAL;
        for (const char *u = units; u <= unit; u++)
            bits *= 1000;
    }
    if (bits >= 1e15 || (bits > 0 && bits < 8))
        return -EINVAL;
    *bytes_per_s = (uint64_t)(bits / 8);
    return 0;
}

#endif
