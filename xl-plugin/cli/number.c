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

/* A decimal number of digits and a point; *end is what follows it. */
static int read_decimal(const char *text, double *value, const char **end)
{
    size_t digits = strspn(text, "0123456789.");
    char *stop;

    if (!starts_well(text))
        return -EINVAL;
    *value = strtod(text, &stop);
    *end = text + digits;
    return stop == *end ? 0 : -EINVAL; /* it stops elsewhere at a second point, 0x and 1e5 */
}

/* As dd(1) has them: K and KiB are 1024, KB is 1000. */
static int read_size(const char *text, double *bytes, const char **end)
{
    static const char prefixes[] = "KMGT";
    const char *prefix;
    int rc = read_decimal(text, bytes, end);

    if (rc || !**end)
        return rc;
    prefix = strchr(prefixes, toupper((unsigned char)**end));
    if (!prefix) {
        *end += **end == 'B';
        return 0;
    }
    ++*end;
    if (**end == 'B') {
        for (const char *p = prefixes; p <= prefix; p++)
            *bytes *= 1000;
        ++*end;
    } else {
        *bytes = ldexp(*bytes, 10 * (int)(prefix - prefixes + 1));
        *end += !strncmp(*end, "iB", 2) ? 2 : 0;
    }
    return 0;
}

static int finish_size(double v, uint64_t *bytes)
{
    if (!(v >= 0 && v < 9.2e18)) /* below 2^63: it fits whatever type it is put in */
        return -EINVAL;
    *bytes = (uint64_t)v;
    return 0;
}

int xf_number_size(const char *text, uint64_t *bytes)
{
    const char *end;
    double v;

    if (read_size(text, &v, &end) || *end)
        return -EINVAL;
    return finish_size(v, bytes);
}

int xf_number_byte_rate(const char *text, uint64_t *bytes_per_s)
{
    const char *end;
    double v;

    if (read_size(text, &v, &end) || (*end && strcmp(end, "/s") != 0))
        return -EINVAL;
    return finish_size(v, bytes_per_s);
}

int xf_number_time(const char *text, uint64_t unit_us, uint64_t *us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"min", 60e6}, {"h", 3600e6}};
    double v, each = (double)unit_us;
    const char *end;

    if (read_decimal(text, &v, &end))
        return -EINVAL;
    if (*end) {
        each = 0;
        for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (!strcmp(end, units[i].name))
                each = units[i].us;
    }
    if (each <= 0 || v * each > 9e15)
        return -EINVAL;
    *us = (uint64_t)(v * each + 0.5);
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
    const char *end;
    double v;

    if (read_decimal(text, &v, &end) || (*end && strcmp(end, "%") != 0) || !(v >= 0 && v <= 100))
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
