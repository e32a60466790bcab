/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steer: what the user sets of a move under way, added up and as text. */
#include "steer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void xf_steer_add(struct xf_steer *to, const struct xf_steer *more)
{
    to->what |= more->what;
    if (more->what & XF_STEER_MAX_DOWNTIME)
        to->max_downtime_us = more->max_downtime_us;
    if (more->what & XF_STEER_BANDWIDTH)
        to->bandwidth_bytes_per_s = more->bandwidth_bytes_per_s;
    if (more->what & XF_STEER_THROTTLE)
        to->throttle = more->throttle;
}

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
    size_t n = strlen(text);
    va_list args;

    if (n && n + 1 < XF_STEER_TEXT_BYTES)
        text[n++] = ' ';
    va_start(args, format);
    vsnprintf(text + n, XF_STEER_TEXT_BYTES - n, format, args);
    va_end(args);
}

static void add_bandwidth(char *text, uint64_t bytes_per_s)
{
    static const char *const units[] = {"", "k", "M", "G"};
    double bits = (double)bytes_per_s * 8;
    unsigned unit = 0;

    while (bits >= 1000 && unit < sizeof(units) / sizeof(units[0]) - 1) {
        bits /= 1000;
        unit++;
    }
    if (bytes_per_s)
        add(text, "bandwidth=%.4g%sbit/s", bits, units[unit]);
    else
        add(text, "bandwidth=none");
}

const char *xf_steer_show(char text[XF_STEER_TEXT_BYTES], const struct xf_steer *steer)
{
    text[0] = 0;
    if (steer->what & XF_STEER_MAX_DOWNTIME)
        add(text, "max-downtime=%" PRIu64 "ms", steer->max_downtime_us / 1000);
    if (steer->what & XF_STEER_BANDWIDTH)
        add_bandwidth(text, steer->bandwidth_bytes_per_s);
    if (steer->what & XF_STEER_THROTTLE)
        add(text, "throttle=%s", steer->throttle ? "on" : "off");
    if (steer->what & XF_STEER_NOW)
        add(text, "now");
    return text;
}
