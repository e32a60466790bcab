/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* List: what the journal has of guests that came and went, and its removal. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "domains.h"
#include "journal.h"
#include "move_off.h"
#include "settle.h"
#include "volume.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/number.h"

/* A process that ends lets go in moments. */
#define LOCK_WAIT_MS 30000u

struct list {
    struct json_object *guests;
    bool json;
    unsigned n;
};

static enum xf_volume_name name_in(enum xf_journal_state state)
{
    return state == XF_JOURNAL_INCOMING || state == XF_JOURNAL_REPLICA ? XF_VOLUME_INCOMING
           : state == XF_JOURNAL_LEFT                                  ? XF_VOLUME_LEFT
                                                                       : XF_VOLUME_OWN;
}

static int add(void *arg, const struct xf_journal *j)
{
    static const char *const says[XF_JOURNAL_STATES] = {
        [XF_JOURNAL_INCOMING] = "has not arrived from",
        [XF_JOURNAL_ARRIVING] = "may have come from",
        [XF_JOURNAL_HERE] = "has come from",
        [XF_JOURNAL_LEAVING] = "may have gone to",
        [XF_JOURNAL_LEFT] = "has gone to",
        [XF_JOURNAL_SYNCED] = "is synced to",
        [XF_JOURNAL_REPLICA] = "is synced from",
    };
    struct json_object *guest = json_object_new_object(), *disks = json_object_new_array();
    struct list *l = arg;
    char path[XF_VOLUME_PATH_BYTES], size[32], point[48] = "";
    const time_t point_s = (time_t)(j->point_us / 1000000);
    struct tm tm;

    if (j->point_us && localtime_r(&point_s, &tm))
        strftime(point, sizeof(point), ", as of %Y-%m-%d %H:%M:%S", &tm);
    if (!l->json)
        printf("%s %s %s%s\n", j->manifest.name, says[j->state], j->host, point);
    for (unsigned i = 0; i < j->manifest.disks_n; i++) {
        const struct xf_manifest_disk *d = &j->manifest.disks[i];
        struct json_object *disk = json_object_new_object();
        bool there = xf_volume_is_there(d, name_in(j->state));

        xf_volume_path(d, name_in(j->state), path);
        json_object_object_add(disk, "vdev", xf_json_text(d->vdev));
        json_object_object_add(disk, "path", xf_json_text(path));
        json_object_object_add(disk, "disk_bytes", json_object_new_uint64(d->bytes));
        json_object_object_add(disk, "there", json_object_new_boolean(there));
        json_object_array_add(disks, disk);
        if (!l->json)
            printf("    %-6s %s  %s%s\n", d->vdev,
                   xf_number_show_size(size, sizeof(size), d->bytes), path,
                   there ? "" : "  (is not there)");
    }
    json_object_object_add(guest, "guest", xf_json_text(j->manifest.name));
    json_object_object_add(guest, "state", xf_json_text(xf_journal_words[j->state]));
    json_object_object_add(guest, "host", xf_json_text(j->host));
    json_object_object_add(guest, "time_us", json_object_new_uint64(j->time_s * 1000000));
    if (j->point_us)
        json_object_object_add(guest, "point_us", json_object_new_uint64(j->point_us));
    json_object_object_add(guest, "disks", disks);
    json_object_array_add(l->guests, guest);
    l->n++;
    return 0;
}

static int list_all(bool json)
{
    struct json_object *o = json_object_new_object();
    struct list l = {.guests = json_object_new_array(), .json = json};
    int rc = xf_journal_each(add, &l);

    json_object_object_add(o, "guests", l.guests);
    if (rc)
        fprintf(stderr, "xl-fast disks: the journal cannot be read: %s\n", strerror(-rc));
    else if (json)
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    else if (!l.n)
        puts("no guest has come or gone with its disks");
    json_object_put(o);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}

static int drop_volumes(const struct xf_journal *j, char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = 0;

    if (j->state == XF_JOURNAL_SYNCED) /* nothing here is put aside */
        return xf_journal_remove(j->manifest.name);
    /* Both names: a move that was to come back may have begun to take over what was left. */
    for (unsigned i = 0; i < j->manifest.disks_n && !rc; i++)
        rc = xf_volume_remove(&j->manifest.disks[i], XF_VOLUME_INCOMING, why)
                 ?: xf_volume_remove(&j->manifest.disks[i], XF_VOLUME_LEFT, why);
    if (!rc && j->state == XF_JOURNAL_LEFT)
        xf_settle_forget_config(&j->manifest);
    if (!rc && (rc = xf_journal_remove(j->manifest.name)))
        snprintf(why, XF_MANIFEST_WHY_BYTES, "its journal cannot be removed: %s", strerror(-rc));
    return rc;
}

/* Of a move whose end was not seen. Where the guest runs now, its disks are: xl-fast recover says
   where that is. */
static int drop_unless_there(const struct xf_journal *j, char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = xf_domains_check(&j->manifest, XF_DOMAINS_IS_OFF, why);

    if (rc == -EEXIST) { /* it is this host's after all */
        rc = xf_journal_write(XF_JOURNAL_HERE, j->host, &j->manifest);
        snprintf(why, XF_MANIFEST_WHY_BYTES, "it runs here: nothing of it is dropped");
        return rc ?: -EEXIST;
    }
    if (rc)
        return rc;
    snprintf(why, XF_MANIFEST_WHY_BYTES,
             "its move was not seen to end: when it runs on %s, remove by hand what is listed here",
             j->host);
    return -EBUSY;
}

/* Only what no guest of this host has. */
static int drop(struct xf_journal *j, const char *name, char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = strchr(name, '/') ? -ENOENT : xf_journal_read(name, j);

    if (rc && rc != -ENOENT)
        snprintf(why, XF_MANIFEST_WHY_BYTES, "its journal cannot be read: %s", strerror(-rc));
    else if (rc || j->state == XF_JOURNAL_NONE)
        snprintf(why, XF_MANIFEST_WHY_BYTES, "it has left nothing here");
    else if (j->state == XF_JOURNAL_HERE)
        snprintf(why, XF_MANIFEST_WHY_BYTES, "it is this host's guest: nothing of it is dropped");
    else if (j->state == XF_JOURNAL_ARRIVING ||
             (j->state == XF_JOURNAL_LEAVING && !j->manifest.config[0]))
        return drop_unless_there(j, why);
    else if (j->state == XF_JOURNAL_LEAVING)
        snprintf(why, XF_MANIFEST_WHY_BYTES,
                 "it may be on %s or not: xl-fast move-off %s %s settles that", j->host,
                 j->manifest.config, j->host);
    else
        return drop_volumes(j, why);
    return rc ?: -EINVAL;
}

int xf_disks_list(const struct xf_disks_options *o)
{
    char why[XF_MANIFEST_WHY_BYTES];

    if (!o->drop)
        return list_all(o->json);
    struct xf_journal *j = calloc(1, sizeof(*j));
    int fd = strchr(o->drop, '/') ? -ENOENT : xf_journal_lock(o->drop, false, 0),
        rc = j ? drop(j, o->drop, why) : -ENOMEM;

    if (fd == -EBUSY)
        snprintf(why, sizeof(why), "it is being moved just now");
    if (fd < 0 || rc)
        fprintf(stderr, "xl-fast disks: '%s': %s\n", o->drop, why);
    if (j)
        xf_manifest_fini(&j->manifest);
    free(j);
    return fd < 0 || rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}

/* What was decided is done to its end before it is said. */
int xf_disks_say_state(const char *name)
{
    struct xf_journal *j = calloc(1, sizeof(*j));
    char why[XF_MANIFEST_WHY_BYTES] = "";
    int fd = strchr(name, '/') ? -EINVAL : xf_journal_lock(name, false, LOCK_WAIT_MS),
        rc = !j       ? -ENOMEM
             : fd < 0 ? fd
                      : xf_journal_read(name, j);

    if (!rc && j->state == XF_JOURNAL_HERE)
        rc = xf_settle_here(&j->manifest, why);
    if (rc)
        fprintf(stderr, "xl-fast-disks: '%s': %s\n", name, why[0] ? why : strerror(-rc));
    else
        puts(xf_journal_words[j->state]);
    if (j)
        xf_manifest_fini(&j->manifest);
    free(j);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
