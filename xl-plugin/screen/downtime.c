/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downtime: its parts, as text and as members of an object of JSON. */
#include "downtime.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

/* Beyond it no sum is right any more; nothing real comes near. */
#define US_MAX (INT64_C(1) << 53)

const char *const xf_downtime_names[XF_DOWNTIME_PARTS] = {"freeze",  "copy",    "verify",
                                                          "context", "devices", "go"};

uint64_t xf_downtime_sum_us(const struct xf_downtime *d)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++)
        sum += d->have[i] ? d->part_us[i] : 0;
    return sum;
}

bool xf_downtime_any(const struct xf_downtime *d)
{
    bool any = false;

    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++)
        any = any || d->have[i];
    return any;
}

static const char *ms(char to[40], uint64_t us)
{
    snprintf(to, 40, us < 10000 ? "%.1f" : "%.0f", (double)us / 1e3);
    return to;
}

char *xf_downtime_show(char to[XF_DOWNTIME_BYTES], const struct xf_downtime *d)
{
    char text[40];
    size_t n;

    n = (size_t)snprintf(to, XF_DOWNTIME_BYTES, "%s%s ms", d->whole ? "" : "at least ",
                         ms(text, d->whole ? d->us : xf_downtime_sum_us(d)));
    for (unsigned i = 0, shown = 0; i < XF_DOWNTIME_PARTS; i++)
        if (d->have[i] && n < XF_DOWNTIME_BYTES)
            n += (size_t)snprintf(to + n, XF_DOWNTIME_BYTES - n, "%s %s %s", shown++ ? "," : ":",
                                  xf_downtime_names[i], ms(text, d->part_us[i]));
    return to;
}

static const char *key(char to[20], unsigned part)
{
    snprintf(to, 20, "%s_us", xf_downtime_names[part]);
    return to;
}

void xf_downtime_take(struct xf_downtime *d, struct json_object *from)
{
    struct json_object *v;
    char name[20];

    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++) {
        int64_t us = json_object_object_get_ex(from, key(name, i), &v) &&
                             json_object_is_type(v, json_type_int)
                         ? json_object_get_int64(v)
                         : -1;

        if (us < 0)
            continue;
        d->have[i] = true;
        d->part_us[i] = (uint64_t)(us < US_MAX ? us : US_MAX);
    }
}

void xf_downtime_put(struct json_object *to, const struct xf_downtime *d)
{
    char name[20];

    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++)
        if (d->have[i])
            json_object_object_add(to, key(name, i), json_object_new_uint64(d->part_us[i]));
}
