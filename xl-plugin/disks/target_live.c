/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target, live: while the guest's memory moves, its disks have their own names, for xl looks at
 * them before it opens them, and what the guest writes at the source comes by the talk.
 */
#include "target_live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "fault_points.h"
#include "journal.h"
#include "move_off.h"
#include "settle.h"
#include "transport/guest.h"
#include "volume.h"
#include "xl-plugin/plugin/ports.h"

static void close_disks(struct xf_disks_target *t)
{
    for (unsigned i = 0; i < t->manifest.disks_n; i++)
        xf_disk_close(&t->open[i]);
}

static int note(struct xf_disks_target *t, enum xf_journal_state state)
{
    int rc = xf_journal_write(state, t->host, &t->manifest);

    return rc ? xf_disks_target_fail(t, rc, "the journal cannot be written: %s", strerror(-rc)) : 0;
}

/* The port is the memory's from now on. */
static int take_names(struct xf_disks_target *t)
{
    char path[XF_VOLUME_PATH_BYTES];
    int rc = 0;

    if (t->named)
        return xf_disks_target_fail(t, -EPROTO, "the disks have their names");
    if (t->link)
        xf_ports_close_whole(t->link);
    t->link = NULL;
    for (unsigned i = 0; i < t->manifest.disks_n && !rc; i++)
        if (!t->landed[i])
            rc = xf_disks_target_fail(t, -EINVAL, "disk %s has not arrived",
                                      t->manifest.disks[i].vdev);
    if (!rc && !t->replica)
        rc = note(t, XF_JOURNAL_ARRIVING);
    t->named = !rc;
    if (!rc && !t->replica)
        rc = xf_settle_here(&t->manifest, t->why);
    for (unsigned i = 0; i < t->manifest.disks_n && !rc; i++) {
        xf_volume_path(&t->manifest.disks[i], t->replica ? XF_VOLUME_INCOMING : XF_VOLUME_OWN,
                       path);
        rc = xf_disk_open(&t->open[i], path, XF_DISK_WRITE, t->why);
    }
    return rc ?: xf_talk_say(&t->talk, "named");
}

/* Runs of pages, each with where it begins. */
static int take_pages(struct xf_disks_target *t, struct json_object *message)
{
    const unsigned long long i = xf_talk_number(message, "disk"),
                             page = xf_talk_number(message, "page"),
                             n = xf_talk_number(message, "pages");
    void *data = NULL;
    int rc = 0;

    if (!t->named || i >= t->manifest.disks_n || !n || n > XF_LIVE_RUN_PAGES ||
        page >= t->open[i].pages || n > t->open[i].pages - page)
        return xf_disks_target_fail(t, -EBADMSG, "the source sends pages of no disk");
    if (posix_memalign(&data, XF_PAGE_BYTES, n * XF_PAGE_BYTES))
        return xf_disks_target_fail(t, -ENOMEM, "%s", strerror(ENOMEM));
    t->synced = false;
    rc = xf_talk_receive_bytes(&t->talk, data, n * XF_PAGE_BYTES, XF_MOVE_OFF_LIMIT_MS, t->why);
    if (!rc && (rc = xf_disk_write(&t->open[i], data, n * XF_PAGE_BYTES, page * XF_PAGE_BYTES)))
        xf_disks_target_fail(t, rc, "%s: %s", t->manifest.disks[i].path, strerror(-rc));
    free(data);
    return rc;
}

static int sync_all(struct xf_disks_target *t)
{
    int rc = t->named ? XF_FAULT(live_target_sync) : -EPROTO;

    for (unsigned i = 0; i < t->manifest.disks_n && !rc; i++)
        rc = xf_disk_sync(&t->open[i]);
    if (rc)
        return xf_disks_target_fail(t, rc, "the disks cannot be synced: %s", strerror(-rc));
    t->synced = true;
    return xf_talk_say(&t->talk, "synced");
}

/* The guest stays, or was never on its way. */
static int go_back(struct xf_disks_target *t)
{
    close_disks(t);
    if (!t->replica) /* of which nothing has its own name */
        xf_settle_back(&t->manifest);
    t->named = t->synced = false;
    return note(t, XF_JOURNAL_INCOMING);
}

static int stay(struct xf_disks_target *t, uint64_t point_us)
{
    close_disks(t);
    int rc = !t->synced || (t->replica && !point_us) ? -EPROTO
             : t->replica
                 ? xf_journal_write_point(XF_JOURNAL_REPLICA, t->host, &t->manifest, point_us)
                 : note(t, XF_JOURNAL_HERE);

    if (rc)
        return rc;
    t->named = t->noted = false;
    return xf_talk_say(&t->talk, "done");
}

int xf_disks_target_live(struct xf_disks_target *t, struct json_object *message)
{
    const char *kind = xf_talk_text(message, "kind");
    int rc;

    if (!strcmp(kind, "names"))
        return take_names(t);
    if (!strcmp(kind, "pages"))
        return take_pages(t, message);
    if (!strcmp(kind, "sync"))
        return sync_all(t);
    if (!strcmp(kind, "here"))
        rc = stay(t, xf_talk_number(message, "point_us"));
    else if (!strcmp(kind, "back"))
        rc = go_back(t) ?: xf_talk_say(&t->talk, "done");
    else
        return -ENOMSG;
    return rc ?: 1;
}

void xf_disks_target_live_end(struct xf_disks_target *t)
{
    /* Until the disks are whole the source does not let the guest go. */
    if (t->named && !t->synced)
        go_back(t);
    close_disks(t);
}
