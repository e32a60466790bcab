/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Predict, disks: prints each disk, or adds it to the JSON. */
#include "predict_disks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/screen/live.h"

#define PLAIN_BYTES 1100

static uint64_t sum_bytes(const struct xf_disks_asked *disks)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < disks->n; i++)
        bytes += xf_disk_asked_bytes(&disks->disks[i]);
    return bytes;
}

static bool are_changes(const struct xf_disks_asked *disks)
{
    for (unsigned i = 0; i < disks->n; i++)
        if (disks->disks[i].old_s)
            return true;
    return false;
}

static const char *show_when(char to[32], uint64_t s)
{
    time_t at = (time_t)s;
    struct tm tm;

    return localtime_r(&at, &tm) && strftime(to, 32, "%Y-%m-%d %H:%M", &tm) ? to : "?";
}

static void print_disk(const struct xf_disk_asked *d)
{
    char plain[PLAIN_BYTES], size[32], when[32];

    printf("  %-10s ", xf_live_plain(plain, sizeof(plain), d->vdev));
    if (d->kind[0])
        printf("%s, %s ", xf_number_show_size(size, sizeof(size), d->bytes),
               !strcmp(d->kind, "file")   ? "file"
               : !strcmp(d->kind, "thin") ? "thin volume"
                                          : "logical volume");
    printf("%s", xf_live_plain(plain, sizeof(plain), d->path));
    if (d->why[0]) {
        printf("; cannot move: %s\n", xf_live_plain(plain, sizeof(plain), d->why));
        return;
    }
    printf(", tracked live; ");
    if (d->old_s)
        printf("only what differs from the copy of %s there", show_when(when, d->old_s));
    else
        printf("at most %s to send",
               xf_number_show_size(size, sizeof(size), xf_disk_asked_bytes(d)));
    printf("; to %s", xf_live_plain(plain, sizeof(plain), d->place));
    printf(", which has %s free\n", xf_number_show_size(size, sizeof(size), d->free_bytes));
}

void xf_predict_disks_print(const struct xf_disks_asked *disks, uint64_t rate)
{
    const uint64_t bytes = sum_bytes(disks);
    char size[32], time[40] = "";

    printf("  disks      %u, at most %s to send", disks->n,
           xf_number_show_size(size, sizeof(size), bytes));
    if (are_changes(disks))
        printf(" and what has changed");
    if (rate)
        printf(", %s",
               xf_live_time(time, sizeof(time), (uint64_t)((double)bytes * 1e6 / (double)rate)));
    printf("\n");
    for (unsigned i = 0; i < disks->n; i++)
        print_disk(&disks->disks[i]);
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, *text ? xf_json_text(text) : NULL);
}

static void put_known(struct json_object *to, const char *key, bool known, uint64_t v)
{
    json_object_object_add(to, key, known ? json_object_new_uint64(v) : NULL);
}

void xf_predict_disks_put(struct json_object *to, const struct xf_disks_asked *disks)
{
    struct json_object *list = json_object_new_array();

    for (unsigned i = 0; i < disks->n; i++) {
        const struct xf_disk_asked *d = &disks->disks[i];
        struct json_object *o = json_object_new_object();

        put_text(o, "vdev", d->vdev);
        put_text(o, "path", d->path);
        put_text(o, "kind", d->kind);
        put_text(o, "why", d->why);
        put_text(o, "tracked", d->kind[0] && !d->why[0] ? "live" : "");
        put_text(o, "path_there", d->there);
        put_text(o, "place", d->place);
        put_known(o, "disk_bytes", d->bytes, d->bytes);
        put_known(o, "free_bytes", d->place[0], d->free_bytes);
        put_known(o, "need_bytes", d->place[0], d->need_bytes);
        put_known(o, "send_bytes", d->place[0] && !d->old_s, xf_disk_asked_bytes(d));
        put_known(o, "copy_time_us", d->old_s, d->old_s * 1000000);
        json_object_array_add(list, o);
    }
    json_object_object_add(to, "disks", list);
}
