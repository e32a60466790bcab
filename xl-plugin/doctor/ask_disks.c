/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ask disks: runs xl-fast-disks describe and judge, and reads both. */
#include "ask_disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#define ANSWER_BYTES (4u << 20)
#define DISKS_MAX    64u
#define LIMIT_S      300u /* each guest's volumes are looked at by lvm's tools */

/* ---- asking -------------------------------------------------------------------------------- */

static int ask(const struct xf_reach *reach, bool there, const char *const *args, char **out,
               char why[XF_DISKS_WHY_BYTES])
{
    const char *end = there ? reach->host : "this host";
    struct xf_reach asking = *reach;

    asking.limit_s = LIMIT_S;
    *out = malloc(ANSWER_BYTES);
    int rc = *out ? xf_reach_run(&asking, there, args, *out, ANSWER_BYTES) : -ENOMEM;

    if (!rc)
        return 0;
    free(*out);
    *out = NULL;
    if (rc == 127 || rc == -ENOENT)
        snprintf(why, XF_DISKS_WHY_BYTES,
                 "%.200s: xl-fast-disks is not there: install the same xl-fast at both ends", end);
    else
        snprintf(why, XF_DISKS_WHY_BYTES, "%.200s: cannot be asked about disks: %s", end,
                 rc == -ETIMEDOUT ? "no answer in time"
                 : rc == -EFBIG   ? "the answer is too long"
                 : rc == -EBADMSG ? "it answers, and not as xl-fast does"
                 : rc < 0         ? strerror(-rc)
                                  : "xl-fast-disks failed, or the way to it");
    return rc < 0 ? rc : -EIO;
}

/* ---- reading ------------------------------------------------------------------------------- */

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *value;

    return o && json_object_object_get_ex(o, key, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : "";
}

/* 0 where there is none, or less. */
static uint64_t number_of(struct json_object *o, const char *key)
{
    struct json_object *value;

    return o && json_object_object_get_ex(o, key, &value) &&
                   json_object_is_type(value, json_type_int) && json_object_get_int64(value) > 0
               ? json_object_get_uint64(value)
               : 0;
}

static bool flag_of(struct json_object *o, const char *key)
{
    struct json_object *value;

    return o && json_object_object_get_ex(o, key, &value) && json_object_get_boolean(value);
}

static struct json_object *list_of(struct json_object *o, const char *key)
{
    struct json_object *value;

    return o && json_object_object_get_ex(o, key, &value) &&
                   json_object_is_type(value, json_type_array)
               ? value
               : NULL;
}

static size_t length_of(struct json_object *list)
{
    return list ? json_object_array_length(list) : 0;
}

/* The one of the list whose key has that text, or NULL. */
static struct json_object *find(struct json_object *list, const char *key, const char *text)
{
    for (size_t i = 0; i < length_of(list); i++)
        if (!strcmp(text_of(json_object_array_get_idx(list, i), key), text))
            return json_object_array_get_idx(list, i);
    return NULL;
}

#define PUT(to, text) snprintf(to, sizeof(to), "%s", text)

static void read_disk(struct xf_disk_asked *d, struct json_object *described,
                      struct json_object *judged)
{
    const char *why = text_of(described, "why");

    PUT(d->vdev, text_of(described, "vdev"));
    PUT(d->path, text_of(described, "path"));
    PUT(d->kind, text_of(described, "is"));
    d->bytes = number_of(described, "bytes");
    d->data_bytes = number_of(described, "data_bytes");
    PUT(d->there, text_of(judged, "path"));
    PUT(d->place, text_of(judged, "place"));
    d->old_s = number_of(judged, "old_s");
    d->free_bytes = number_of(judged, "free_bytes");
    d->need_bytes = number_of(judged, "need_bytes");
    d->thin = flag_of(judged, "thin");
    PUT(d->why, *why ? why : text_of(judged, "why"));
}

static int read_guest(struct xf_disks_asked *g, struct json_object *described,
                      struct json_object *judged)
{
    struct json_object *disks = list_of(described, "disks");
    const char *why = text_of(described, "why");

    *g = (struct xf_disks_asked){.shared = flag_of(judged, "shared")};
    PUT(g->uuid, text_of(described, "uuid"));
    PUT(g->why, *why ? why : text_of(judged, "why"));
    if (!xf_uuid_ok(g->uuid) || length_of(disks) > DISKS_MAX)
        return -EBADMSG;
    g->disks = calloc(length_of(disks) + 1, sizeof(*g->disks));
    if (!g->disks)
        return -ENOMEM;
    for (; g->n < length_of(disks); g->n++) {
        struct json_object *disk = json_object_array_get_idx(disks, g->n);

        read_disk(&g->disks[g->n], disk,
                  find(list_of(judged, "disks"), "vdev", text_of(disk, "vdev")));
    }
    return 0;
}

int xf_disks_asked_each(const char *text, const char *answer,
                        void (*take)(void *arg, const struct xf_disks_asked *guest), void *arg)
{
    struct json_object *described = json_tokener_parse(text),
                       *judged = answer ? json_tokener_parse(answer) : NULL,
                       *guests = list_of(described, "guests"),
                       *verdicts = list_of(judged, "guests");
    int rc = guests && (!answer || verdicts) ? 0 : -EBADMSG;

    for (size_t i = 0; i < length_of(guests) && !rc; i++) {
        struct json_object *guest = json_object_array_get_idx(guests, i),
                           *verdict = find(verdicts, "uuid", text_of(guest, "uuid"));
        struct xf_disks_asked g;

        rc = answer && !verdict ? -EBADMSG : read_guest(&g, guest, verdict);
        if (rc)
            break;
        take(arg, &g);
        free(g.disks);
    }
    json_object_put(described);
    json_object_put(judged);
    return rc;
}

/* ---- both ---------------------------------------------------------------------------------- */

static void take_none(void *arg, const struct xf_disks_asked *guest)
{
    (void)arg;
    (void)guest;
}

/* What cannot be read is none of ours. */
static int check(const char *end, const char *text, const char *answer,
                 char why[XF_DISKS_WHY_BYTES])
{
    int rc = xf_disks_asked_each(text, answer, take_none, NULL);

    if (rc)
        snprintf(why, XF_DISKS_WHY_BYTES,
                 "%.200s: unexpected output from xl-fast-disks: install the same xl-fast at both "
                 "ends",
                 end);
    return rc;
}

int xf_disks_ask_here(const struct xf_reach *reach, const char *const *args, char **text,
                      char why[XF_DISKS_WHY_BYTES])
{
    const char *words[8] = {"describe"};

    for (unsigned n = 1; *args && n < 7; n++)
        words[n] = *args++;
    return ask(reach, false, words, text, why) ?: check("this host", *text, NULL, why);
}

int xf_disks_ask_there(const struct xf_reach *reach, const char *text, char **answer,
                       char why[XF_DISKS_WHY_BYTES])
{
    static const char *const words[] = {"judge", NULL};
    struct xf_reach asking = *reach;

    asking.input = text;
    return ask(&asking, true, words, answer, why) ?: check(reach->host, text, *answer, why);
}

uint64_t xf_disk_asked_bytes(const struct xf_disk_asked *disk)
{
    return disk->old_s ? 0 : disk->data_bytes;
}
