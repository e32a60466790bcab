/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sender: the target's end is started, and told what comes; then each disk is compared and sent. */
#include "sender.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <json-c/json.h>

#include "fault_points.h"
#include "journal.h"
#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/disk/disk_copy.h"
#include "transport/disk/disk_units.h"
#include "xl-plugin/cli/number.h"
#include "volume.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/plugin/ports.h"

#define START_LIMIT_MS 60000u
#define BLAME_LIMIT_MS 2000u

volatile sig_atomic_t xf_disks_interrupted;

int xf_disks_source_fail(struct xf_disks_source *s, int rc, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(s->why, sizeof(s->why), format, ap);
    va_end(ap);
    return rc;
}

#define fail xf_disks_source_fail

int xf_disks_lock(struct xf_disks_source *s, bool shared)
{
    int fd = xf_journal_lock(s->manifest.name, shared, 0);

    return fd >= 0
               ? 0
               : fail(s, fd, "'%s' is being moved already: %s", s->manifest.name, strerror(-fd));
}

int xf_disks_check_left(struct xf_disks_source *s)
{
    for (unsigned i = 0; i < s->manifest.disks_n; i++) {
        const struct xf_manifest_disk *d = &s->manifest.disks[i];

        if (d->kind != XF_DISK_DEVICE && xf_volume_is_there(d, XF_VOLUME_LEFT))
            return fail(s, -EEXIST,
                        "disk %s: what an earlier move has left is still there: xl-fast "
                        "disks --drop %s",
                        d->vdev, s->manifest.name);
    }
    return 0;
}

int xf_disks_check_journal(struct xf_disks_source *s)
{
    struct xf_journal *j = calloc(1, sizeof(*j));
    int rc = j ? xf_journal_read(s->manifest.name, j) : -ENOMEM;

    if (rc)
        rc = fail(s, rc, "the journal of '%s' cannot be read: %s", s->manifest.name, strerror(-rc));
    else if (j->state == XF_JOURNAL_LEAVING)
        rc = fail(s, -EBUSY, "a move of '%s' from here to %s was not seen to end: xl-fast disks",
                  s->manifest.name, j->host);
    if (j)
        xf_manifest_fini(&j->manifest);
    free(j);
    return rc;
}

int xf_disks_plan_there(struct xf_disks_source *s, struct xf_manifest *there, const char *copy,
                        const char *copy_uuid)
{
    const struct xf_manifest *m = &s->manifest;
    int rc = xf_manifest_of_copy(there, m, copy ? copy : m->name, copy ? copy_uuid : m->uuid);

    if (rc == -ENOTSUP)
        return fail(s, rc,
                    "a logical volume is cloned only if the guest's configuration calls it "
                    "/dev/GROUP/NAME");
    return rc ? fail(s, rc, "%s", strerror(-rc)) : 0;
}

int xf_disks_start_there(struct xf_disks_source *s)
{
    static const char *const args[] = {"receive", NULL};
    int fd;

    s->ssh = xf_reach_start(&s->reach, args, &fd);
    if (s->ssh < 0)
        return fail(s, s->ssh, "ssh cannot be started: %s", strerror(-s->ssh));
    int rc = xf_talk_init(&s->talk, fd, fd, s->o->host);

    if (rc)
        return fail(s, rc, "%s", strerror(-rc));
    s->talk.stop = &xf_disks_interrupted;
    return xf_talk_await_start(&s->talk, START_LIMIT_MS, s->why);
}

int xf_disks_send_manifest(struct xf_disks_source *s, const struct xf_manifest *there,
                           unsigned flags)
{
    struct json_object *message = xf_talk_message("manifest");

    json_object_object_add(message, "host", xf_json_text(s->host));
    json_object_object_add(message, "overwrite", json_object_new_boolean(s->o->overwrite));
    json_object_object_add(message, "dry_run", json_object_new_boolean(s->o->dry_run));
    json_object_object_add(message, "live", json_object_new_boolean(flags & XF_SEND_LIVE));
    json_object_object_add(message, "replace", json_object_new_boolean(flags & XF_SEND_REPLACE));
    json_object_object_add(message, "replica", json_object_new_boolean(flags & XF_SEND_REPLICA));
    json_object_object_add(message, "guest", xf_manifest_print(there));
    int rc = xf_talk_send(&s->talk, message);

    /* It may have said why it went. */
    return rc ? xf_talk_hear(&s->talk, NULL, BLAME_LIMIT_MS, s->why) ?: rc : 0;
}

static void take_flags(struct json_object *message, const char *key, bool *flags, unsigned n)
{
    struct json_object *list;

    if (json_object_object_get_ex(message, key, &list) &&
        json_object_is_type(list, json_type_array))
        for (unsigned i = 0; i < n; i++)
            flags[i] = json_object_get_boolean(json_object_array_get_idx(list, i));
}

/* It is written over now. */
static int forget_point(struct xf_disks_source *s)
{
    struct xf_journal *j = calloc(1, sizeof(*j));
    int rc = j ? xf_journal_read(s->manifest.name, j) : -ENOMEM;

    if (!rc && j->state == XF_JOURNAL_SYNCED && !strcmp(j->host, s->o->host))
        rc = xf_journal_remove(s->manifest.name);
    if (j)
        xf_manifest_fini(&j->manifest);
    free(j);
    return rc ? fail(s, rc, "the journal of '%s': %s", s->manifest.name, strerror(-rc)) : 0;
}

int xf_disks_receive_ready(struct xf_disks_source *s)
{
    struct json_object *message;
    int rc = xf_talk_receive(&s->talk, "ready", XF_MOVE_OFF_LIMIT_MS, &message, s->why);

    if (rc)
        return rc;
    take_flags(message, "zeros", s->zeros, s->manifest.disks_n);
    take_flags(message, "old", s->old, s->manifest.disks_n);
    json_object_put(message);
    return s->o->dry_run ? 0 : forget_point(s);
}

static int open_port(struct xf_disks_source *s)
{
    int rc = xf_ports_open(&s->link, &s->config, s->why);

    if (s->o->bandwidth_bytes_per_s)
        s->config.bandwidth_bytes_per_s = s->o->bandwidth_bytes_per_s;
    if (s->o->compress_given)
        s->config.compress = s->o->compress;
    return rc;
}

/* ---- a disk -------------------------------------------------------------------------------- */

static void on_progress(void *arg, const struct xf_progress *p)
{
    struct xf_disks_source *s = arg;
    struct xf_disks_moved *m = &s->moved[s->disk];
    struct xf_live_now now = {
        .pages_total = p->stats->pages_total,
        .pages = p->stats->pages_total,
        .pages_done = p->stats->pages_sent,
        .done_known = true,
        .round_us = p->now_us - s->began_us,
        .bytes = p->stats->bytes_wire,
    };

    if (s->o->quiet || s->o->json)
        return;
    snprintf(now.phase, sizeof(now.phase), "%.15s", s->manifest.disks[s->disk].vdev);
    if (now.round_us)
        now.bps =
            (uint64_t)((double)(now.bytes - m->stats.bytes_wire) * 8e6 / (double)now.round_us);
    xf_live_show(&s->live, &now);
}

static int look(void *arg)
{
    struct xf_disks_source *s = arg;

    return xf_disks_interrupted ? -EINTR : xf_talk_pending(&s->talk) ? -ECANCELED : 0;
}

static int send_offer(struct xf_disks_source *s, const struct xf_disk *disk, struct xf_offer *offer)
{
    struct json_object *message = xf_talk_message("offer");
    uint8_t wire[XF_OFFER_BYTES];
    int rc = xf_offer_new(offer, s->link, disk->pages);

    json_object_object_add(message, "disk", json_object_new_int((int)s->disk));
    if (rc) {
        json_object_put(message);
        return fail(s, rc, "no offer: %s", strerror(-rc));
    }
    offer->features = xf_offer_features(s->o->verify, s->config.compress);
    xf_offer_encode(offer, wire);
    rc = xf_talk_send(&s->talk, message);
    rc = rc ?: xf_talk_send_bytes(&s->talk, wire, sizeof(wire));
    explicit_bzero(wire, sizeof(wire));
    return rc ? fail(s, rc, "%s has gone", s->o->host) : 0;
}

/* Sets the bits of what differs. */
static int compare_batch(struct xf_disks_source *s, const struct xf_disk *disk, uint64_t seed,
                         uint64_t at, uint64_t n,
                         uint8_t hashes[2][XF_DISK_UNITS_BATCH * XF_HASH_BYTES], uint64_t *pages)
{
    struct json_object *message;
    int rc = xf_disk_hash_units(disk, seed, at, n, hashes[0]);

    if (rc)
        return fail(s, rc, "%s: %s", s->manifest.disks[s->disk].path, strerror(-rc));
    rc = xf_talk_receive(&s->talk, "hashes", XF_MOVE_OFF_LIMIT_MS, &message, s->why);
    if (!rc && xf_talk_number(message, "units") != n)
        rc = fail(s, -EBADMSG, "%s compares another disk", s->o->host);
    json_object_put(message);
    rc = rc
             ?: xf_talk_receive_bytes(&s->talk, hashes[1], n * XF_HASH_BYTES, XF_MOVE_OFF_LIMIT_MS,
                                      s->why);
    for (uint64_t i = 0; i < n && !rc; i++) {
        uint64_t first = (at + i) * XF_DISK_UNIT_PAGES, left = disk->pages - first;

        if (memcmp(hashes[0] + i * XF_HASH_BYTES, hashes[1] + i * XF_HASH_BYTES, XF_HASH_BYTES) !=
            0)
            xf_bitmap_set_range(pages, first,
                                left < XF_DISK_UNIT_PAGES ? left : XF_DISK_UNIT_PAGES);
    }
    return rc;
}

static void show_compare(struct xf_disks_source *s, uint64_t done, uint64_t all)
{
    const struct xf_live_now now = {.phase = "compare",
                                    .pages = all,
                                    .pages_total = all,
                                    .pages_done = done,
                                    .done_known = true};

    if (!s->o->quiet && !s->o->json)
        xf_live_show(&s->live, &now);
}

/* Of an older copy only what differs is sent: its pages. Both ends read their disk meanwhile. */
int xf_disks_compare(struct xf_disks_source *s, const struct xf_disk *disk, uint64_t *pages)
{
    const uint64_t units = xf_disk_units(disk);
    struct json_object *message = xf_talk_message("compare");
    uint8_t(*hashes)[XF_DISK_UNITS_BATCH * XF_HASH_BYTES] = malloc(2 * sizeof(*hashes));
    uint64_t seed = 0;
    int rc = hashes && getrandom(&seed, sizeof(seed), 0) == sizeof(seed) ? 0 : -ENOMEM;

    seed >>= 1; /* JSON's numbers have a sign */
    json_object_object_add(message, "disk", json_object_new_int((int)s->disk));
    json_object_object_add(message, "seed", json_object_new_uint64(seed));
    if (rc)
        json_object_put(message);
    else
        rc = xf_talk_send(&s->talk, message);
    if (rc)
        fail(s, rc, "%s", strerror(-rc));
    for (uint64_t at = 0, n; at < units && !rc; at += n) {
        n = units - at < XF_DISK_UNITS_BATCH ? units - at : XF_DISK_UNITS_BATCH;
        rc = compare_batch(s, disk, seed, at, n, hashes, pages);
        show_compare(s, at + n, units);
    }
    free(hashes);
    return rc;
}

static int send_pages(struct xf_disks_source *s, struct xf_disk *disk, const uint64_t *only)
{
    const struct xf_disk_copy copy = {
        .link = s->link,
        .threads = xf_ports_threads(),
        .bandwidth_bytes_per_s = s->config.bandwidth_bytes_per_s,
        .compress = s->config.compress,
        .verify = s->o->verify,
        .progress = on_progress,
        .look = look,
        .arg = s,
    };
    struct xf_disk_source *source;
    struct xf_offer offer;
    char why[XF_TALK_WHY_BYTES];
    int rc = xf_disk_source_new(&source, disk, s->zeros[s->disk]);

    if (rc)
        return fail(s, rc, "%s", strerror(-rc));
    xf_disk_source_only(source, only);
    if (s->writers[s->disk])
        xf_disk_source_written(source, s->writers[s->disk]);
    rc = send_offer(s, disk, &offer);
    if (!rc) {
        rc = xf_disk_copy_send(&copy, source, &offer, &s->moved[s->disk].stats, s->why);
        xf_offer_wipe(&offer);
        /* What the target has to say of it counts for more. */
        if (rc && rc != -EINTR && xf_talk_hear(&s->talk, NULL, BLAME_LIMIT_MS, why) == -ECANCELED)
            strcpy(s->why, why);
    }
    xf_disk_source_free(source);
    return rc;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int send_disk(struct xf_disks_source *s)
{
    struct xf_disks_moved *m = &s->moved[s->disk];
    const char *path = s->manifest.disks[s->disk].path;
    uint64_t *only = NULL;
    struct xf_disk disk;
    int rc = xf_disk_open(&disk, path, XF_DISK_READ, s->why);

    if (rc)
        return rc;
    s->began_us = xf_now_us();
    if (s->old[s->disk]) {
        only = calloc(xf_bitmap_words(disk.pages), sizeof(*only));
        rc = only ? xf_disks_compare(s, &disk, only) : fail(s, -ENOMEM, "%s", strerror(ENOMEM));
        if (!rc)
            m->bytes_same =
                disk.bytes - min_u64(disk.bytes, xf_bitmap_count(only, disk.pages) * XF_PAGE_BYTES);
    }
    rc = rc ?: send_pages(s, &disk, only);
    free(only);
    xf_disk_close(&disk);
    rc = rc ?: xf_talk_say(&s->talk, "seen") ? fail(s, -EPIPE, "%s has gone", s->o->host) : 0;
    rc = rc ?: xf_talk_hear(&s->talk, "landed", XF_MOVE_OFF_LIMIT_MS, s->why);
    m->us = xf_now_us() - s->began_us;
    return rc ?: XF_FAULT(off_source_landed);
}

int xf_disks_send_all(struct xf_disks_source *s)
{
    int rc = open_port(s);

    for (s->disk = 0; s->disk < s->manifest.disks_n && !rc; s->disk++)
        rc = send_disk(s);
    xf_live_end(&s->live);
    if (s->link)
        xf_ports_close_whole(s->link);
    s->link = NULL;
    return rc;
}

const char *xf_disks_show_moved(const struct xf_disks_source *s, unsigned i,
                                char to[XF_DISKS_MOVED_BYTES])
{
    const struct xf_disks_moved *moved = &s->moved[i];
    char size[32], took[32], wire[32], same[32] = "";

    if (moved->bytes_same)
        xf_number_show_size(same, sizeof(same), moved->bytes_same);
    snprintf(to, XF_DISKS_MOVED_BYTES, "%s in %s, %s over the link%s%s",
             xf_number_show_size(size, sizeof(size), s->manifest.disks[i].bytes),
             xf_live_time(took, sizeof(took), moved->us),
             xf_number_show_size(wire, sizeof(wire), moved->stats.bytes_wire),
             same[0] ? ", there were " : "", same);
    return to;
}
