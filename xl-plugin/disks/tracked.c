/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tracked: reads and sends the disks of a guest that writes to them meanwhile. */
#include "tracked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "fault_points.h"
#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/disk/track.h"

#define fail xf_disks_source_fail

#define TAKE_MS    30000u /* for writes that are on their way */
#define WITNESS_MS 200u

static int no_stop(void *ctx)
{
    (void)ctx;
    return 0; /* it goes on writing; what it writes is tracked */
}

int xf_tracked_open(struct xf_tracked *t)
{
    struct xf_disks_source *s = &t->s;
    int rc = xf_rings_open(&t->rings, t->domid, s->why);

    if (!rc && posix_memalign(&t->run, XF_PAGE_BYTES, XF_LIVE_RUN_PAGES * XF_PAGE_BYTES))
        rc = fail(s, -ENOMEM, "%s", strerror(ENOMEM));
    for (unsigned i = 0; i < s->manifest.disks_n && !rc; i++) {
        rc = xf_disk_open(&t->disks[i], s->manifest.disks[i].path, XF_DISK_READ, s->why);
        rc = rc ?: xf_track_new(&t->tracks[i], t->devices[i], t->disks[i].bytes, s->why);
        if (!rc && !(t->dirty[i] = calloc(xf_bitmap_words(t->disks[i].pages), sizeof(uint64_t))))
            rc = fail(s, -ENOMEM, "%s", strerror(ENOMEM));
        t->writers[i] =
            (struct xf_disk_writers){.take = xf_track_take, .stop = no_stop, .ctx = t->tracks[i]};
        s->writers[i] = &t->writers[i];
    }
    return rc;
}

int xf_tracked_take_names(struct xf_tracked *t)
{
    int rc = xf_talk_say(&t->s.talk, "names");

    return rc ? fail(&t->s, rc, "%s has gone", t->s.o->host)
              : xf_talk_hear(&t->s.talk, "named", XF_MOVE_OFF_LIMIT_MS, t->s.why);
}

/* ---- rounds by the talk --------------------------------------------------------------------- */

int xf_tracked_read(struct xf_tracked *t, unsigned i, uint64_t page, uint64_t n, void *to)
{
    int rc = xf_disk_read(&t->disks[i], to, n * XF_PAGE_BYTES, page * XF_PAGE_BYTES);

    return rc ? fail(&t->s, rc, "%s: %s", t->s.manifest.disks[i].path, strerror(-rc)) : 0;
}

int xf_tracked_send(struct xf_tracked *t, unsigned i, uint64_t page, uint64_t n, const void *data)
{
    struct xf_disks_source *s = &t->s;
    struct json_object *message = xf_talk_message("pages");
    int rc;

    json_object_object_add(message, "disk", json_object_new_int((int)i));
    json_object_object_add(message, "page", json_object_new_uint64(page));
    json_object_object_add(message, "pages", json_object_new_uint64(n));
    rc = xf_talk_send(&s->talk, message) ?: xf_talk_send_bytes(&s->talk, data, n * XF_PAGE_BYTES);
    t->sent += n;
    return rc ? fail(s, rc, "%s has gone", t->s.o->host) : 0;
}

int xf_tracked_each_run(struct xf_tracked *t, unsigned i, xf_tracked_run *run, void *arg)
{
    const uint64_t pages = t->disks[i].pages, *marked = t->dirty[i];
    int rc = 0;

    for (uint64_t at = xf_bitmap_next(marked, pages, 0), end, n; at < pages && !rc;
         at = xf_bitmap_next(marked, pages, at)) {
        end = xf_bitmap_next_clear(marked, pages, at);
        for (; at < end && !rc; at += n) {
            n = end - at < XF_LIVE_RUN_PAGES ? end - at : XF_LIVE_RUN_PAGES;
            rc = run(t, i, at, n, arg);
        }
    }
    return rc;
}

static int send_run(struct xf_tracked *t, unsigned i, uint64_t page, uint64_t n, void *arg)
{
    (void)arg;
    return xf_tracked_read(t, i, page, n, t->run) ?: xf_tracked_send(t, i, page, n, t->run);
}

int xf_tracked_send_marked(struct xf_tracked *t, unsigned i)
{
    return xf_tracked_each_run(t, i, send_run, NULL);
}

int xf_tracked_take(struct xf_tracked *t, unsigned i, unsigned wait_ms, uint64_t *count)
{
    const uint64_t end_us = xf_now_us() + wait_ms * UINT64_C(1000);
    int rc;

    *count = 0;
    while ((rc = xf_track_take(t->tracks[i], t->dirty[i], count)) == -EAGAIN &&
           xf_now_us() < end_us)
        usleep(1000);
    if (rc && (rc != -EAGAIN || wait_ms))
        fail(&t->s, rc, "disk %s: what was written to it is not known for sure: %s",
             t->s.manifest.disks[i].vdev, strerror(-rc));
    return rc;
}

static int send_written(struct xf_tracked *t, unsigned i, bool wait)
{
    uint64_t count;
    int rc = xf_tracked_take(t, i, wait ? TAKE_MS : 0, &count);

    if (rc)
        return rc == -EAGAIN && !wait ? 0 : rc;
    return count && XF_FAULT(live_source_lost) ? 0 : xf_tracked_send_marked(t, i);
}

int xf_tracked_send_written(struct xf_tracked *t, bool wait)
{
    int rc = 0;

    for (unsigned i = 0; i < t->s.manifest.disks_n && !rc; i++)
        rc = send_written(t, i, wait);
    return rc;
}

int xf_tracked_drain(struct xf_tracked *t, unsigned limit_ms)
{
    const uint64_t end_us = xf_now_us() + limit_ms * UINT64_C(1000);

    while (xf_rings_are_busy(t->rings))
        if (xf_now_us() > end_us)
            return fail(&t->s, -ETIMEDOUT,
                        "a disk does not answer the guest's last request in %u s",
                        (limit_ms + 999) / 1000);
        else
            usleep(1000);
    return 0;
}

int xf_tracked_compare(struct xf_tracked *t, unsigned i)
{
    memset(t->dirty[i], 0, xf_bitmap_words(t->disks[i].pages) * sizeof(uint64_t));
    t->s.disk = i;
    return xf_disks_compare(&t->s, &t->disks[i], t->dirty[i]);
}

bool xf_tracked_is_witnessed(const struct xf_tracked *t, unsigned i)
{
    const struct xf_track *track = t->tracks[i];

    if (XF_FAULT(live_source_witness))
        return false;
    for (unsigned n = 0; n < WITNESS_MS && xf_track_has_witness(track); n++) {
        if (xf_track_agrees(track))
            return true;
        usleep(1000);
    }
    return false;
}

int xf_tracked_check_same(struct xf_tracked *t)
{
    struct xf_disks_source *s = &t->s;
    struct xf_manifest *now = calloc(1, sizeof(*now));
    char(*devices)[XF_GUEST_DISK_BYTES] = calloc(XF_MANIFEST_DISKS_MAX, sizeof(*devices));
    uint32_t domid = 0;
    int rc = now && devices ? xf_guest_disks_read(now, devices, t->uuid, &domid, NULL, s->why)
                            : fail(s, -ENOMEM, "%s", strerror(ENOMEM));
    bool same = !rc && domid == t->domid && now->disks_n == s->manifest.disks_n;

    for (unsigned i = 0; same && i < now->disks_n; i++)
        same = !strcmp(now->disks[i].path, s->manifest.disks[i].path) &&
               now->disks[i].bytes == s->manifest.disks[i].bytes &&
               !strcmp(devices[i], t->devices[i]);
    if (!rc && !same)
        rc = fail(s, -ESTALE, "the guest was started anew, or its disks have changed, meanwhile");
    if (now)
        xf_manifest_fini(now);
    free(now);
    free(devices);
    return rc;
}

void xf_tracked_close(struct xf_tracked *t)
{
    xf_rings_close(t->rings);
    t->rings = NULL;
    for (unsigned i = 0; i < t->s.manifest.disks_n; i++) {
        if (t->tracks[i])
            xf_track_free(t->tracks[i]);
        t->tracks[i] = NULL;
        if (t->dirty[i])
            xf_disk_close(&t->disks[i]);
        free(t->dirty[i]);
        t->dirty[i] = NULL;
    }
    free(t->run);
    t->run = NULL;
}
