/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON values: any bytes become a string, and a number has one digit after the point. */
#include "json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "quote.h"

struct json_object *xf_json_text(const char *text)
{
    struct json_object *o;
    char *valid = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&valid, &size);

    if (!f)
        return NULL;
    while (*text) {
        unsigned n = xf_quote_utf8(text);

        if (n || ((unsigned char)*text < 0x80)) /* control characters json-c escapes */
            fwrite(text, 1, n ? n : 1, f);
        else
            fputs("\xef\xbf\xbd", f);
        text += n ? n : 1;
    }
    o = fclose(f) ? NULL : json_object_new_string_len(valid, (int)size);
    free(valid);
    return o;
}

struct json_object *xf_json_tenths(double v)
{
    char text[64];

    if (!isfinite(v) || snprintf(text, sizeof(text), "%.1f", v) >= (int)sizeof(text))
        return NULL;
    return json_object_new_double_s(v, text);
}
