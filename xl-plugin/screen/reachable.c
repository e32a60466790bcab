/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reachable: of each interface, as text and as members of an object of JSON. */
#include "reachable.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "live.h"

/* Beyond it no sum is right any more; nothing real comes near. */
#define US_MAX  (INT64_C(1) << 53)
#define VIF_MAX 65535

struct xf_reachable_vif *xf_reachable_find(struct xf_reachable *r, unsigned vif)
{
    for (unsigned i = 0; i < r->n; i++)
        if (r->at[i].vif == vif)
            return &r->at[i];
    if (r->n == XF_REACHABLE_MAX)
        return NULL;
    r->at[r->n] = (struct xf_reachable_vif){.vif = vif};
    return &r->at[r->n++];
}

bool xf_reachable_all(const struct xf_reachable *r, uint64_t *after_us)
{
    *after_us = 0;
    for (unsigned i = 0; i < r->n; i++) {
        if (!r->at[i].seen)
            return false;
        if (r->at[i].after_us > *after_us)
            *after_us = r->at[i].after_us;
    }
    return r->n;
}

char *xf_reachable_show(char to[XF_REACHABLE_BYTES], const struct xf_reachable *r)
{
    char text[40];
    size_t len = 0;

    to[0] = 0;
    for (unsigned i = 0; i < r->n && len < XF_REACHABLE_BYTES; i++) {
        const struct xf_reachable_vif *v = &r->at[i];

        len += (size_t)snprintf(to + len, XF_REACHABLE_BYTES - len, "%s%s", i ? ", " : "",
                                v->seen ? "after " : "not seen in ");
        if (len < XF_REACHABLE_BYTES)
            len += (size_t)snprintf(
                to + len, XF_REACHABLE_BYTES - len, "%s",
                xf_live_time(text, sizeof(text),
                             v->seen ? v->after_us : XF_REACHABLE_S * UINT64_C(1000000)));
        if (r->n > 1 && len < XF_REACHABLE_BYTES)
            len += (size_t)snprintf(to + len, XF_REACHABLE_BYTES - len, " (vif %u)", v->vif);
    }
    return to;
}

bool xf_reachable_mac_ok(const char *text)
{
    for (unsigned i = 0; i < XF_REACHABLE_MAC - 1; i++)
        if (i % 3 == 2 ? text[i] != ':' : !text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    return !text[XF_REACHABLE_MAC - 1];
}

bool xf_reachable_take(struct xf_reachable *r, struct json_object *from)
{
    struct xf_reachable_vif *to;
    struct json_object *v;
    int64_t vif = -1, us = -1;

    if (json_object_object_get_ex(from, "vif", &v) && json_object_is_type(v, json_type_int))
        vif = json_object_get_int64(v);
    to = vif >= 0 && vif <= VIF_MAX ? xf_reachable_find(r, (unsigned)vif) : NULL;
    if (!to)
        return false;
    if (json_object_object_get_ex(from, "mac", &v) && json_object_is_type(v, json_type_string) &&
        xf_reachable_mac_ok(json_object_get_string(v)))
        strcpy(to->mac, json_object_get_string(v));
    if (json_object_object_get_ex(from, "reachable_after_us", &v) &&
        json_object_is_type(v, json_type_int))
        us = json_object_get_int64(v);
    to->seen = us >= 0;
    to->after_us = us < 0 ? 0 : (uint64_t)(us < US_MAX ? us : US_MAX);
    return true;
}

void xf_reachable_take_all(struct xf_reachable *r, struct json_object *array)
{
    size_t n = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *one = json_object_array_get_idx(array, i);

        if (json_object_is_type(one, json_type_object))
            xf_reachable_take(r, one);
    }
}

struct json_object *xf_reachable_json(const struct xf_reachable *r)
{
    struct json_object *array = json_object_new_array();

    for (unsigned i = 0; i < r->n; i++) {
        const struct xf_reachable_vif *v = &r->at[i];
        struct json_object *one = json_object_new_object();

        json_object_object_add(one, "vif", json_object_new_uint64(v->vif));
        if (v->mac[0])
            json_object_object_add(one, "mac", json_object_new_string(v->mac));
        json_object_object_add(one, "reachable_after_us",
                               v->seen ? json_object_new_uint64(v->after_us) : NULL);
        json_object_array_add(array, one);
    }
    return array;
}
