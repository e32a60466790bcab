/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target of a guest that is shut off: makes its volumes, receives its disks, gives them their
 * names. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "domains.h"
#include "fault_points.h"
#include "journal.h"
#include "move_off.h"
#include "settle.h"
#include "talk.h"
#include "target_check.h"
#include "target_live.h"
#include "transport/disk/disk_copy.h"
#include "transport/disk/disk_units.h"
#include "volume.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/plugin/config.h"
#include "xl-plugin/plugin/ports.h"
#include "xl-plugin/recover/recover_reach.h"

/* An earlier try, whose source has gone, takes its time to remove what it made. */
#define LOCK_WAIT_MS 30000u

_Static_assert(XF_TALK_WHY_BYTES >= XF_MANIFEST_WHY_BYTES && XF_TALK_WHY_BYTES >= XF_DISK_ERR_BYTES,
               "one line serves all");

#define fail xf_disks_target_fail

/* ---- what is asked for --------------------------------------------------------------------- */

static int receive_manifest(struct xf_disks_target *t)
{
    struct json_object *message, *guest = NULL;
    int rc = xf_talk_receive(&t->talk, "manifest", XF_MOVE_OFF_LIMIT_MS, &message, t->why);

    if (rc)
        return rc;
    t->overwrite = xf_talk_flag(message, "overwrite");
    t->dry_run = xf_talk_flag(message, "dry_run");
    t->live = xf_talk_flag(message, "live");
    t->replace = xf_talk_flag(message, "replace");
    t->replica = xf_talk_flag(message, "replica");
    /* It is shown, and may be asked later. */
    snprintf(t->host, sizeof(t->host), "%s", xf_talk_text(message, "host"));
    if (!xf_reach_host_ok(t->host))
        strcpy(t->host, "?");
    json_object_object_get_ex(message, "guest", &guest);
    rc = xf_manifest_read(&t->manifest, guest, t->why);
    json_object_put(message);
    return rc;
}

/* ---- the volumes --------------------------------------------------------------------------- */

static int make_volumes(struct xf_disks_target *t)
{
    const struct xf_manifest *m = &t->manifest;
    int rc = xf_journal_write(XF_JOURNAL_INCOMING, t->host, m);

    if (rc)
        return fail(t, rc, "the journal cannot be written: %s", strerror(-rc));
    t->noted = true;
    rc = XF_FAULT(off_target_incoming);
    for (unsigned i = 0; i < m->disks_n && !rc; i++)
        if (m->disks[i].kind != XF_DISK_DEVICE && !t->old[i])
            rc = xf_volume_make(&m->disks[i], XF_VOLUME_INCOMING, &t->zeros[i], t->why);
    return rc;
}

/* All that this try has made; what was there before it stays, and so does the journal then. */
static void remove_volumes(struct xf_disks_target *t)
{
    char why[XF_MANIFEST_WHY_BYTES];
    bool kept = false;

    for (unsigned i = 0; i < t->manifest.disks_n; i++)
        kept |= t->old[i] || xf_volume_remove(&t->manifest.disks[i], XF_VOLUME_INCOMING, why);
    if (!kept) /* else `xl-fast disks` still names it */
        xf_journal_remove(t->manifest.name);
    t->noted = false;
}

static int open_port(struct xf_disks_target *t)
{
    struct xf_config config;
    int rc = xf_config_load(&config, NULL, t->why);

    return rc ?: xf_ports_open(&t->link, &config, t->why);
}

static int tell_ready(struct xf_disks_target *t)
{
    struct json_object *message = xf_talk_message("ready"), *zeros = json_object_new_array(),
                       *old = json_object_new_array();

    for (unsigned i = 0; i < t->manifest.disks_n; i++) {
        json_object_array_add(zeros, json_object_new_boolean(t->zeros[i]));
        json_object_array_add(old, json_object_new_boolean(t->old[i]));
    }
    json_object_object_add(message, "zeros", zeros);
    json_object_object_add(message, "old", old);
    int rc = xf_talk_send(&t->talk, message);

    return rc ? fail(t, rc, "the source has gone") : 0;
}

/* ---- a disk -------------------------------------------------------------------------------- */

static int send_hashes(struct xf_disks_target *t, const struct xf_disk *disk, uint64_t seed)
{
    const uint64_t units = xf_disk_units(disk);
    uint8_t *hashes = malloc(XF_DISK_UNITS_BATCH * XF_HASH_BYTES);
    int rc = hashes ? 0 : -ENOMEM;

    for (uint64_t at = 0, n; at < units && !rc; at += n) {
        struct json_object *message = xf_talk_message("hashes");

        n = units - at < XF_DISK_UNITS_BATCH ? units - at : XF_DISK_UNITS_BATCH;
        json_object_object_add(message, "units", json_object_new_uint64(n));
        rc = xf_disk_hash_units(disk, seed, at, n, hashes);
        if (rc)
            json_object_put(message);
        else
            rc = xf_talk_send(&t->talk, message)
                     ?: xf_talk_send_bytes(&t->talk, hashes, n * XF_HASH_BYTES);
    }
    free(hashes);
    return rc;
}

/* The source is told what is there of the disk, and sends what is not. */
static int compare_disk(struct xf_disks_target *t, unsigned i, uint64_t seed)
{
    char path[XF_VOLUME_PATH_BYTES];
    struct xf_disk disk;

    xf_volume_path(&t->manifest.disks[i],
                   t->named && !t->replica ? XF_VOLUME_OWN : XF_VOLUME_INCOMING, path);
    int rc = xf_disk_open(&disk, path, XF_DISK_READ, t->why);

    if (rc)
        return rc;
    rc = send_hashes(t, &disk, seed);
    xf_disk_close(&disk);
    return rc ? fail(t, rc, "%s: %s", path, strerror(-rc)) : 0;
}

/* The source says nothing meanwhile but that it has failed. */
static int look(void *arg)
{
    const struct xf_disks_target *t = arg;

    return xf_talk_pending(&t->talk) ? -ECONNABORTED : 0;
}

static void on_landed(void *arg, const struct xf_stats *stats)
{
    (void)arg;
    (void)stats;
}

static bool was_seen(void *arg)
{
    const struct xf_disks_target *t = arg;

    return xf_talk_pending(&t->talk);
}

static int receive_pages(struct xf_disks_target *t, unsigned i, struct xf_disk *disk,
                         const struct xf_offer *offer)
{
    const struct xf_disk_copy copy = {
        .link = t->link,
        .threads = xf_ports_threads(),
        .look = look,
        .landed = on_landed,
        .seen = was_seen,
        .arg = t,
    };
    struct xf_disk_sink *sink;
    int rc =
        offer->page_count == disk->pages ? xf_disk_sink_new(&sink, disk, t->zeros[i]) : -EBADMSG;

    if (rc)
        return fail(t, rc, "disk %s: %s", t->manifest.disks[i].vdev, strerror(-rc));
    rc = xf_disk_copy_receive(&copy, sink, offer, t->why);
    xf_disk_sink_free(sink);
    return rc;
}

static int receive_disk(struct xf_disks_target *t, unsigned i)
{
    char path[XF_VOLUME_PATH_BYTES], why[XF_TALK_WHY_BYTES];
    uint8_t wire[XF_OFFER_BYTES];
    struct xf_offer offer;
    struct xf_disk disk;
    int rc = xf_talk_receive_bytes(&t->talk, wire, sizeof(wire), XF_MOVE_OFF_LIMIT_MS, t->why);

    rc = rc ?: xf_offer_decode(&offer, wire, sizeof(wire), t->why);
    explicit_bzero(wire, sizeof(wire));
    if (rc)
        return rc;
    xf_volume_path(&t->manifest.disks[i], XF_VOLUME_INCOMING, path);
    rc = xf_disk_open(&disk, path, XF_DISK_WRITE, t->why);
    t->begun = true;
    if (!rc) {
        rc = receive_pages(t, i, &disk, &offer);
        xf_disk_close(&disk);
    }
    xf_offer_wipe(&offer);
    /* What the source has to say of it counts for more. */
    if (rc && xf_talk_hear(&t->talk, "seen", 1000, why) != -ETIMEDOUT)
        strcpy(t->why, why);
    rc = rc ?: xf_talk_hear(&t->talk, "seen", XF_MOVE_OFF_LIMIT_MS, t->why);
    rc = rc ?: XF_FAULT(off_target_landed);
    t->landed[i] = !rc;
    if (!rc && xf_talk_say(&t->talk, "landed"))
        rc = fail(t, -EPIPE, "the source has gone");
    return rc;
}

/* ---- the end ------------------------------------------------------------------------------- */

/* With the journal's word the guest is this host's. */
static int commit(struct xf_disks_target *t)
{
    const struct xf_manifest *m = &t->manifest;
    int rc = XF_FAULT(off_target_commit) ?: xf_domains_check(m, XF_DOMAINS_IS_OFF, t->why);

    for (unsigned i = 0; i < m->disks_n && !rc; i++)
        if (!t->landed[i])
            rc = fail(t, -EINVAL, "disk %s has not arrived", m->disks[i].vdev);
    if (!rc && !access(m->config, F_OK))
        rc = fail(t, -EEXIST, "%s is there already", m->config);
    if (rc)
        return rc;
    rc = xf_journal_write(XF_JOURNAL_HERE, t->host, m);
    if (rc)
        return fail(t, rc, "the journal cannot be written: %s", strerror(-rc));
    rc = XF_FAULT(off_target_here) ?: xf_settle_here(m, t->why);
    rc = rc ?: XF_FAULT(off_target_settled);
    if (rc) {
        xf_settle_back(m);
        xf_journal_write(XF_JOURNAL_INCOMING, t->host, m);
        return rc;
    }
    t->noted = false;
    return xf_talk_say(&t->talk, "done");
}

static int serve(struct xf_disks_target *t)
{
    struct json_object *message = NULL;
    int rc = 0;

    for (;;) {
        rc = xf_talk_receive(&t->talk, NULL, XF_MOVE_OFF_LIMIT_MS, &message, t->why);
        if (rc)
            break;
        const char *kind = xf_talk_text(message, "kind");
        unsigned long long i = xf_talk_number(message, "disk");
        bool last = !strcmp(kind, "commit");

        if (t->live && (rc = xf_disks_target_live(t, message)) != -ENOMSG) {
            last = rc > 0;
            rc = rc > 0 ? 0 : rc;
        } else if (last && !t->live) {
            rc = commit(t);
        } else if (!strcmp(kind, "compare") && i < t->manifest.disks_n)
            rc = compare_disk(t, (unsigned)i, xf_talk_number(message, "seed"));
        else if (!strcmp(kind, "offer") && i < t->manifest.disks_n)
            rc = receive_disk(t, (unsigned)i);
        else
            rc = fail(
                t, -EPROTO,
                "what the source asks for is not known: install the same xl-fast at both ends");
        json_object_put(message);
        if (rc || last)
            break;
    }
    return rc;
}

/* Until this process ends. */
static int lock_guest(struct xf_disks_target *t)
{
    int fd = xf_journal_lock(t->manifest.name, false, LOCK_WAIT_MS);

    return fd >= 0
               ? 0
               : fail(t, fd, "'%s' is being moved already: %s", t->manifest.name, strerror(-fd));
}

static int run(struct xf_disks_target *t)
{
    int rc = receive_manifest(t);

    if (!rc)
        rc = lock_guest(t);
    rc = rc ?: xf_disks_target_check(t);
    if (t->dry_run)
        return rc ?: tell_ready(t);
    rc = rc ?: make_volumes(t);
    rc = rc ?: XF_FAULT(off_target_made);
    rc = rc ?: open_port(t);
    rc = rc ?: tell_ready(t);
    return rc ?: serve(t);
}

int xf_move_off_target(int in, int out)
{
    struct xf_disks_target *t = calloc(1, sizeof(*t));

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* ssh's end shows in the talk */
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    if (!t || xf_talk_init(&t->talk, in, dup(out), "the source"))
        return XF_EXIT_FAILED;
    dup2(STDERR_FILENO, out); /* stdout is the talk's alone */
    int rc = run(t);

    if (rc && !t->why[0])
        fail(t, rc, "%s", strerror(-rc));
    if (rc && xf_talk_say_failed(&t->talk, t->why)) {
        /* It has gone, and needs no reason. */
    }
    if (t->link)
        xf_ports_close_whole(t->link);
    if (t->live)
        xf_disks_target_live_end(t);
    if (t->noted && !t->begun) /* what has come is there for the next try */
        remove_volumes(t);
    xf_talk_fini(&t->talk);
    xf_manifest_fini(&t->manifest);
    free(t);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
