/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plan: looks as a move does, by the same pieces, and says what it has seen as JSON. */
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "guest_disks.h"
#include "journal.h"
#include "sender.h"
#include "target_check.h"
#include "transport/disk/track.h"
#include "volume.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/cli/json_text.h"

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, xf_json_text(text));
}

static void put_number(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

static int print(struct json_object *guests)
{
    struct json_object *o = json_object_new_object();

    json_object_object_add(o, "guests", guests);
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
    return fflush(stdout) ? XF_EXIT_FAILED : XF_EXIT_OK;
}

/* ---- the source ---------------------------------------------------------------------------- */

struct describe {
    struct xf_disks_source s;
    struct xf_manifest there;
    struct xf_guest_refused refused;
    char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES];
};

/* Nobody else has to do with it now; it is not held. */
static int is_free(struct xf_disks_source *s)
{
    int fd = xf_journal_lock(s->manifest.name, false, 0);

    if (fd < 0)
        return xf_disks_source_fail(s, fd, "'%s' is being moved already: %s", s->manifest.name,
                                    strerror(-fd));
    close(fd);
    return 0;
}

static uint64_t data_bytes(const struct xf_manifest_disk *d)
{
    uint64_t taken = xf_volume_taken(d, XF_VOLUME_OWN);

    return taken < d->bytes ? taken : d->bytes;
}

/* Of the first disk that cannot move the reason is the guest's, too. */
static struct json_object *describe_disks(struct describe *d, int *rc)
{
    static const char *const kinds[XF_DISK_KINDS] = {"file", "volume", "device"};
    struct json_object *disks = json_object_new_array();
    char why[XF_DISK_ERR_BYTES];

    for (unsigned i = 0; i < d->s.manifest.disks_n; i++) {
        const struct xf_manifest_disk *disk = &d->s.manifest.disks[i];
        struct json_object *o = json_object_new_object();

        put_text(o, "vdev", disk->vdev);
        put_text(o, "path", disk->path);
        put_text(o, "is", disk->kind == XF_DISK_LV && disk->pool[0] ? "thin" : kinds[disk->kind]);
        put_number(o, "bytes", disk->bytes);
        put_number(o, "data_bytes", data_bytes(disk));
        int track = xf_track_check(d->devices[i], disk->bytes, why);

        if (track)
            put_text(o, "why", why);
        if (track && !*rc)
            *rc = xf_disks_source_fail(&d->s, track, "disk %s: %s", disk->vdev, why);
        json_object_array_add(disks, o);
    }
    for (unsigned i = 0; i < d->refused.n; i++) {
        struct json_object *o = json_object_new_object();

        put_text(o, "vdev", d->refused.disks[i].vdev);
        put_text(o, "path", d->refused.disks[i].path);
        put_text(o, "why", d->refused.disks[i].why);
        if (!*rc)
            *rc = xf_disks_source_fail(&d->s, -ENOTSUP, "%s", d->refused.disks[i].why);
        json_object_array_add(disks, o);
    }
    return disks;
}

static struct json_object *describe_guest(const struct xf_live_options *options, const char *uuid)
{
    struct json_object *o = json_object_new_object();
    struct describe *d = calloc(1, sizeof(*d));
    struct xf_disks_source *s;
    uint32_t domid;

    put_text(o, "uuid", uuid);
    json_object_object_add(o, "replace", json_object_new_boolean(options->replace));
    if (!d) {
        put_text(o, "why", strerror(ENOMEM));
        return o;
    }
    s = &d->s;
    int rc = xf_guest_disks_read(&s->manifest, d->devices, uuid, &domid, &d->refused, s->why);

    if (!rc) {
        json_object_object_add(o, "disks", describe_disks(d, &rc));
        int plan = xf_disks_plan_there(s, &d->there, options->copy, options->copy_uuid);

        if (!plan)
            json_object_object_add(o, "guest", xf_manifest_print(&d->there));
        rc = rc ?: plan;
        rc = rc ?: xf_domains_check(&s->manifest, XF_DOMAINS_MAY_RUN, s->why);
        rc = rc ?: is_free(s);
        rc = rc ?: xf_disks_check_journal(s);
        rc = rc ?: options->copy ? 0 : xf_disks_check_left(s);
    }
    if (rc)
        put_text(o, "why", s->why);
    xf_manifest_fini(&s->manifest);
    xf_manifest_fini(&d->there);
    free(d);
    return o;
}

int xf_disks_describe(const struct xf_live_options *o)
{
    struct json_object *guests = json_object_new_array();
    char(*uuids)[40] = NULL, why[XF_MANIFEST_WHY_BYTES];
    int n = o->uuid ? 0 : xf_guest_disks_list(&uuids, why);

    if (o->uuid)
        json_object_array_add(guests, describe_guest(o, o->uuid));
    for (int i = 0; i < n; i++)
        json_object_array_add(guests, describe_guest(o, uuids[i]));
    free(uuids);
    if (n < 0) {
        fprintf(stderr, "xl-fast-disks: %s\n", why);
        json_object_put(guests);
        return XF_EXIT_FAILED;
    }
    return print(guests);
}

/* ---- the target ---------------------------------------------------------------------------- */

static bool is_there(const char *path)
{
    return !path[0] || !access(path, F_OK);
}

/* All of its disks, also those of which the manifest has none. */
static bool is_shared(const struct xf_manifest *m, struct json_object *disks)
{
    bool all = json_object_is_type(disks, json_type_array);

    for (size_t i = 0; all && i < json_object_array_length(disks); i++)
        all = is_there(xf_talk_text(json_object_array_get_idx(disks, i), "path"));
    for (unsigned i = 0; i < m->needs_n && all; i++)
        all = is_there(m->needs[i].path);
    return all;
}

static struct json_object *judge_disks(const struct xf_disks_target *t)
{
    struct json_object *disks = json_object_new_array();

    for (unsigned i = 0; i < t->manifest.disks_n; i++) {
        struct json_object *o = json_object_new_object();
        const struct xf_target_disk *d = &t->disks[i];

        put_text(o, "vdev", t->manifest.disks[i].vdev);
        put_text(o, "path", t->manifest.disks[i].path);
        put_number(o, "old_s", d->old_s);
        put_text(o, "place", d->place.name);
        put_number(o, "free_bytes", d->place.free_bytes);
        put_number(o, "need_bytes", d->need_bytes);
        json_object_object_add(o, "thin", json_object_new_boolean(d->place.thin));
        if (d->rc)
            put_text(o, "why", d->why);
        json_object_array_add(disks, o);
    }
    return disks;
}

static struct json_object *judge_guest(struct json_object *asked)
{
    struct json_object *o = json_object_new_object(), *guest = NULL, *disks = NULL;
    struct xf_disks_target *t = calloc(1, sizeof(*t));

    put_text(o, "uuid", xf_talk_text(asked, "uuid"));
    if (!t) {
        put_text(o, "why", strerror(ENOMEM));
        return o;
    }
    t->live = t->dry_run = true;
    t->replace = xf_talk_flag(asked, "replace");
    json_object_object_get_ex(asked, "guest", &guest);
    json_object_object_get_ex(asked, "disks", &disks);
    /* One that the source could not describe has its reason there. */
    int rc = guest ? xf_manifest_read(&t->manifest, guest, t->why) : 0;

    json_object_object_add(o, "shared",
                           json_object_new_boolean(!rc && is_shared(&t->manifest, disks)));
    if (!rc && guest) {
        rc = xf_disks_target_check(t);
        json_object_object_add(o, "disks", judge_disks(t));
    }
    if (rc)
        put_text(o, "why", t->why);
    xf_manifest_fini(&t->manifest);
    free(t);
    return o;
}

int xf_disks_judge(int in)
{
    struct json_object *asked = json_object_from_fd(in), *list = NULL,
                       *guests = json_object_new_array();
    bool ok = asked && json_object_object_get_ex(asked, "guests", &list) &&
              json_object_is_type(list, json_type_array);

    for (size_t i = 0; ok && i < json_object_array_length(list); i++)
        json_object_array_add(guests, judge_guest(json_object_array_get_idx(list, i)));
    json_object_put(asked);
    if (!ok) {
        fprintf(stderr, "xl-fast-disks: what is to come is not said as this xl-fast does: install "
                        "the same xl-fast at both ends\n");
        json_object_put(guests);
        return XF_EXIT_FAILED;
    }
    return print(guests);
}
