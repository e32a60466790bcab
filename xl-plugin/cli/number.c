/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers of the command line. */
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strtod() and strtoull() take signs, spaces, "inf" and "nan"; a number here begins with a digit.
 */
static int starts_well(const char *text)
{
    return isdigit((unsigned char)text[0]);
}

int xf_number_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    int base = !strncmp(text, "0x", 2) ? 16 : 10;
    char *end;

    if (!starts_well(text))
        return -EINVAL;
    errno = 0;
    unsigned long long v = strtoull(text, &end, base);

    if (errno || *end || end == text || v < min || v > max)
        return -EINVAL;
    *value = v;
    return 0;
}

int xf_number_size(const char *text, uint64_t *bytes)
{
    static const char suffixes[] = "KMGT";
    const char *suffix;
    char *end;
    double v, limit = 9.2e18; /* below 2^63: it fits whatever type it is put in */

    if (!starts_well(text) || !strncmp(text, "0x", 2))
        return -EINVAL;
    v = strtod(text, &end);
    if (*end) {
        suffix = strchr(suffixes, toupper((unsigned char)*end));
        if (!suffix || end[1])
            return -EINVAL;
        v = ldexp(v, 10 * (int)(suffix - suffixes + 1));
    }
    if (!(v >= 0 && v < limit))
        return -EINVAL;
    *bytes = (uint64_t)v;
    return 0;
}

int xf_number_unsigned(const char *text, unsigned min, unsigned max, unsigned *value)
{
    uint64_t v;
    int rc = xf_number_u64(text, min, max, &v);

    if (!rc)
        *value = (unsigned)v;
    return rc;
}

int xf_number_percent(const char *text, double *value)
{
    char *end;
    double v;

    if (!starts_well(text) || !strncmp(text, "0x", 2))
        return -EINVAL;
    v = strtod(text, &end);
    if (*end || !(v >= 0 && v <= 100))
        return -EINVAL;
    *value = v;
    return 0;
}

const char *xf_number_show_size(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)bytes;
    unsigned u = 0;

    while (v >= 1024 && u < sizeof(units) / sizeof(units[0]) - 1) {
        v /= 1024;
        u++;
    }
    snprintf(out, size, u && v != (double)(uint64_t)v ? "%.1f %s" : "%.0f %s", v, units[u]);
    return out;
}
