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

/* What follows the number and its prefix: bits a second, or bytes said to be such. 0: neither. */
static inline double xf_rate_unit(const char *unit)
{
    static const char *const bits[] = {"", "bit", "bit/s", "bps"};

    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        if (!strcmp(unit, bits[i]))
            return 1;
    return strcmp(unit, "B/s") ? 0 : 8;
}

/*
 * "500M", "2.5Gbit", "10Mbit/s", "800k", "10MB/s", "1000000": bits per second; 0 is none. -EINVAL
 * unless all of the text is one such number, of at least a byte per second and below a petabit.
 */
static inline int xf_rate_parse(const char *text, uint64_t *bytes_per_s)
{
    static const char units[] = "KMG";
    /* strtod() takes more: signs, blanks, hexadecimal, exponents. */
    size_t digits = strspn(text, "0123456789.");
    const char *unit;
    char *end;
    double bits;

    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    bits = strtod(text, &end);
    if (end != text + digits)
        return -EINVAL;
    /* tc(8)'s "10mbit", but not "10m". */
    unit = *end == 'k' || (*end && end[1] == 'b') ? strchr(units, toupper((unsigned char)*end))
           : *end                                 ? strchr(units, *end)
                                                  : NULL;
    if (unit)
        end++;
    for (const char *u = units; unit && u <= unit; u++)
        bits *= 1000;
    bits *= xf_rate_unit(end);
    if (!xf_rate_unit(end) || bits >= 1e15 || (bits > 0 && bits < 8))
        return -EINVAL;
    *bytes_per_s = (uint64_t)(bits / 8);
    return 0;
}

#endif
