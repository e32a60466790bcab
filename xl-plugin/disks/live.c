/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Live: the source's end of a guest that moves with its disks; see live.h. */
#include "live.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "fault_points.h"
#include "guest_disks.h"
#include "journal.h"
#include "rings.h"
#include "settle.h"
#include "sender.h"
#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/disk/track.h"
#include "volume.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/plugin/ports.h"

#define fail xf_disks_source_fail

#define ROUND_MS   200    /* between two looks at what was written */
#define DRAIN_MS   30000u /* for requests that are on their way */
#define TAKE_MS    30000u /* for writes that are on their way */
#define WITNESS_MS 200u
#define OPEN_S     60u /* for the domain to be gone */

struct live {
    const struct xf_live_options *o;
    struct xf_move_off_options off; /* what the sender goes by */
    struct xf_disks_source s;
    struct xf_talk parent;
    char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES];
    struct xf_track *tracks[XF_MANIFEST_DISKS_MAX];
    struct xf_disk_writers writers[XF_MANIFEST_DISKS_MAX];
    struct xf_disk disks[XF_MANIFEST_DISKS_MAX];
    uint64_t *dirty[XF_MANIFEST_DISKS_MAX];
    void *run;                /* XF_LIVE_RUN_PAGES of a disk, on their way into the talk */
    struct xf_manifest there; /* the target's */
    uint64_t sent;            /* pages, by the talk */
    uint32_t domid;           /* whose rings they are */
    struct xf_rings *rings;
    int listener, helper; /* sockets; -1 */
    char socket_path[108];
    bool synced; /* the helper was told so: the guest may go */
};

/* ---- the disks, while the guest runs -------------------------------------------------------- */

static int no_stop(void *ctx)
{
    (void)ctx;
    return 0; /* it goes on writing; what it writes is tracked */
}

static int open_disks(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    int rc = posix_memalign(&l->run, XF_PAGE_BYTES, XF_LIVE_RUN_PAGES * XF_PAGE_BYTES)
                 ? fail(s, -ENOMEM, "%s", strerror(ENOMEM))
                 : 0;

    for (unsigned i = 0; i < s->manifest.disks_n && !rc; i++) {
        rc = xf_disk_open(&l->disks[i], s->manifest.disks[i].path, XF_DISK_READ, s->why);
        rc = rc ?: xf_track_new(&l->tracks[i], l->devices[i], l->disks[i].bytes, s->why);
        if (!rc && !(l->dirty[i] = calloc(xf_bitmap_words(l->disks[i].pages), sizeof(uint64_t))))
            rc = fail(s, -ENOMEM, "%s", strerror(ENOMEM));
        l->writers[i] =
            (struct xf_disk_writers){.take = xf_track_take, .stop = no_stop, .ctx = l->tracks[i]};
        s->writers[i] = &l->writers[i];
    }
    return rc;
}

static int take_names(struct live *l)
{
    int rc = xf_talk_say(&l->s.talk, "names");

    return rc ? fail(&l->s, rc, "%s has gone", l->o->host)
              : xf_talk_hear(&l->s.talk, "named", XF_MOVE_OFF_LIMIT_MS, l->s.why);
}

/* ---- rounds by the talk --------------------------------------------------------------------- */

static int send_run(struct live *l, unsigned i, uint64_t page, uint64_t n)
{
    struct xf_disks_source *s = &l->s;
    struct json_object *message = xf_talk_message("pages");
    int rc = xf_disk_read(&l->disks[i], l->run, n * XF_PAGE_BYTES, page * XF_PAGE_BYTES);

    if (rc) {
        json_object_put(message);
        return fail(s, rc, "%s: %s", s->manifest.disks[i].path, strerror(-rc));
    }
    json_object_object_add(message, "disk", json_object_new_int((int)i));
    json_object_object_add(message, "page", json_object_new_uint64(page));
    json_object_object_add(message, "pages", json_object_new_uint64(n));
    rc = xf_talk_send(&s->talk, message) ?: xf_talk_send_bytes(&s->talk, l->run, n * XF_PAGE_BYTES);
    l->sent += n;
    return rc ? fail(s, rc, "%s has gone", l->o->host) : 0;
}

/* The pages whose bits are set. */
static int send_marked(struct live *l, unsigned i)
{
    const uint64_t pages = l->disks[i].pages, *marked = l->dirty[i];
    int rc = 0;

    for (uint64_t at = xf_bitmap_next(marked, pages, 0), end, n; at < pages && !rc;
         at = xf_bitmap_next(marked, pages, at)) {
        end = xf_bitmap_next_clear(marked, pages, at);
        for (; at < end && !rc; at += n) {
            n = end - at < XF_LIVE_RUN_PAGES ? end - at : XF_LIVE_RUN_PAGES;
            rc = send_run(l, i, at, n);
        }
    }
    return rc;
}

/* What was written to one disk since the last time. wait: until writes that are on their way have
   ended. */
static int send_written(struct live *l, unsigned i, bool wait)
{
    const uint64_t end_us = xf_now_us() + TAKE_MS * UINT64_C(1000);
    uint64_t count, *dirty = l->dirty[i];
    int rc;

    while ((rc = xf_track_take(l->tracks[i], dirty, &count)) == -EAGAIN && wait &&
           xf_now_us() < end_us)
        usleep(1000);
    if (rc == -EAGAIN && !wait)
        return 0;
    if (rc)
        return fail(&l->s, rc, "disk %s: what was written to it is not known for sure: %s",
                    l->s.manifest.disks[i].vdev, strerror(-rc));
    return count && XF_FAULT(live_source_lost) ? 0 : send_marked(l, i);
}

static int send_all_written(struct live *l, bool wait)
{
    int rc = 0;

    for (unsigned i = 0; i < l->s.manifest.disks_n && !rc; i++)
        rc = send_written(l, i, wait);
    return rc;
}

/* ---- the guest stands ----------------------------------------------------------------------- */

static int drain(struct live *l)
{
    const uint64_t end_us = xf_now_us() + DRAIN_MS * UINT64_C(1000);

    while (xf_rings_are_busy(l->rings))
        if (xf_now_us() > end_us)
            return fail(&l->s, -ETIMEDOUT,
                        "a disk does not answer the guest's last request in %u s", DRAIN_MS / 1000);
        else
            usleep(1000);
    return 0;
}

/* Marks the pages that differ. */
static int compare(struct live *l, unsigned i)
{
    memset(l->dirty[i], 0, xf_bitmap_words(l->disks[i].pages) * sizeof(uint64_t));
    l->s.disk = i;
    return xf_disks_compare(&l->s, &l->disks[i], l->dirty[i]);
}

/* Whether the kernel counts as many writes as were seen; it does so a moment after they are done.
 */
static bool is_witnessed(const struct xf_track *track)
{
    if (XF_FAULT(live_source_witness))
        return false;
    for (unsigned i = 0; i < WITNESS_MS && xf_track_has_witness(track); i++) {
        if (xf_track_agrees(track))
            return true;
        usleep(1000);
    }
    return false;
}

/* Of a disk whose writes may not all have been seen, all that differs is sent. */
static int mend(struct live *l)
{
    int rc = 0;

    for (unsigned i = 0; i < l->s.manifest.disks_n && !rc; i++) {
        if (is_witnessed(l->tracks[i]))
            continue;
        fprintf(stderr,
                "xl-fast: disks: %s is compared: the kernel's count of its writes is not "
                "known or another\n",
                l->s.manifest.disks[i].vdev);
        rc = compare(l, i) ?: send_marked(l, i);
    }
    return rc;
}

static int verify(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    int rc = 0;

    for (unsigned i = 0; i < s->manifest.disks_n && !rc; i++) {
        uint64_t first = 0;

        rc = compare(l, i);
        if (!rc)
            first = xf_bitmap_next(l->dirty[i], l->disks[i].pages, 0);
        if (!rc && first < l->disks[i].pages)
            rc = fail(s, -EILSEQ, "disk %s differs at the target, first about byte %llu",
                      s->manifest.disks[i].vdev, (unsigned long long)first * XF_PAGE_BYTES);
    }
    return rc;
}

/* A guest that has been started anew has other rings, and another loop device; and disks come and
   go. What was tracked is not theirs then. */
static int check_same_guest(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    struct xf_manifest *now = calloc(1, sizeof(*now));
    char(*devices)[XF_GUEST_DISK_BYTES] = calloc(XF_MANIFEST_DISKS_MAX, sizeof(*devices));
    uint32_t domid = 0;
    int rc = now && devices ? xf_guest_disks_read(now, devices, l->o->uuid, &domid, NULL, s->why)
                            : fail(s, -ENOMEM, "%s", strerror(ENOMEM));
    bool same = !rc && domid == l->domid && now->disks_n == s->manifest.disks_n;

    for (unsigned i = 0; same && i < now->disks_n; i++)
        same = !strcmp(now->disks[i].path, s->manifest.disks[i].path) &&
               now->disks[i].bytes == s->manifest.disks[i].bytes &&
               !strcmp(devices[i], l->devices[i]);
    if (!rc && !same)
        rc = fail(s, -ESTALE, "the guest was started anew, or its disks have changed, meanwhile");
    if (now)
        xf_manifest_fini(now);
    free(now);
    free(devices);
    return rc;
}

static int make_whole(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    int rc = XF_FAULT(live_source_stands) ?: check_same_guest(l);

    rc = rc ?: drain(l);
    rc = rc ?: send_all_written(l, true);
    rc = rc ?: mend(l);
    if (!rc && l->o->verify)
        rc = verify(l);
    rc = rc ?: xf_talk_say(&s->talk, "sync");
    rc = rc ?: xf_talk_hear(&s->talk, "synced", XF_MOVE_OFF_LIMIT_MS, s->why);
    return rc ?: XF_FAULT(live_source_synced);
}

/* The save helper's question, and our word. */
static int answer_helper(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    char said[16] = "", line[XF_TALK_WHY_BYTES + 16];
    uint64_t began_us = xf_now_us(), sent = l->sent;
    int rc = read(l->helper, said, sizeof(said) - 1) > 0 && !strcmp(said, "stands\n") && l->rings
                 ? make_whole(l)
                 : fail(s, -EPROTO, "the save helper asks for what is not known");

    /* From here on the guest may be the target's; a copied one stays. */
    if (!rc && !l->o->copy) {
        rc = xf_journal_write(XF_JOURNAL_LEAVING, l->o->host, &s->manifest)
                 ?: XF_FAULT(live_source_told);
        if (rc)
            xf_journal_remove(s->manifest.name);
    }
    snprintf(line, sizeof(line), rc ? "failed %s\n" : "done\n",
             s->why[0] ? s->why : strerror(rc ? -rc : 0));
    l->synced = !rc;
    /* A domain whose pages are mapped cannot be destroyed, which xl is about to do. */
    xf_rings_close(l->rings);
    l->rings = NULL;
    if (write(l->helper, line, strlen(line)) < 0)
        rc = rc ?: -errno;
    close(l->helper);
    l->helper = -1;
    fprintf(stderr, "xl-fast: disks: %s in %llu ms, with %llu pages\n", rc ? "not whole" : "whole",
            (unsigned long long)(xf_now_us() - began_us) / 1000,
            (unsigned long long)(l->sent - sent));
    return rc;
}

/* ---- until the guest has moved, or not ------------------------------------------------------- */

static int listen_here(struct live *l)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *run = getenv("XL_FAST_RUNDIR");

    snprintf(address.sun_path, sizeof(address.sun_path), "%.60s/xl-fast/disks-%s",
             run && *run ? run : "/run", l->o->uuid);
    l->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(address.sun_path);
    mode_t mask = umask(077);
    int rc = l->listener < 0 || bind(l->listener, (struct sockaddr *)&address, sizeof(address)) ||
                     listen(l->listener, 1)
                 ? -errno
                 : 0;

    umask(mask);
    if (rc)
        return fail(&l->s, rc, "%s: %s", address.sun_path, strerror(-rc));
    strcpy(l->socket_path, address.sun_path);
    return 0;
}

static int tell_ready(struct live *l)
{
    struct json_object *message = xf_talk_message("ready");

    json_object_object_add(message, "socket", json_object_new_string(l->socket_path));
    return xf_talk_send(&l->parent, message);
}

/* *moved: xl says so. -ECANCELED: it is not told; then the guest is as it is. */
static int follow(struct live *l, bool *moved)
{
    struct xf_disks_source *s = &l->s;
    int rc = 0;

    while (!rc) {
        struct pollfd in[] = {{.fd = l->parent.in, .events = POLLIN},
                              {.fd = l->helper >= 0 ? l->helper : l->listener, .events = POLLIN},
                              {.fd = s->talk.in, .events = POLLIN}};

        if (xf_disks_interrupted)
            return -EINTR;
        if (poll(in, 3, ROUND_MS) < 0)
            continue;
        if (in[0].revents) {
            struct json_object *message;

            rc = xf_talk_receive(&l->parent, NULL, 1000, &message, s->why);
            *moved = !rc && !strcmp(xf_talk_text(message, "kind"), "moved");
            bool stays = !rc && !strcmp(xf_talk_text(message, "kind"), "stays");
            json_object_put(message);
            if (!rc && !*moved && !stays)
                rc = fail(s, -ECANCELED,
                          "where the guest is, is not known: both hosts keep its disks");
            return rc;
        }
        if (in[2].revents) /* it says something only when it has failed */
            rc = xf_talk_hear(&s->talk, NULL, 1000, s->why) ?: -EPROTO;
        else if (in[1].revents && l->helper < 0)
            l->helper = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
        else if (in[1].revents)
            rc = answer_helper(l);
        else if (!l->synced)
            rc = send_all_written(l, false);
    }
    return rc;
}

/* The domain's backends let go of the volumes a moment after xl has ended. */
static int put_aside(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    int rc;

    for (unsigned i = 0;
         (rc = xf_domains_check(&s->manifest, XF_DOMAINS_IS_OFF, s->why)) && i < OPEN_S; i++)
        sleep(1);
    rc = rc ?: xf_settle_left(&s->manifest, false, s->why);
    return rc ?: xf_journal_write(XF_JOURNAL_LEFT, l->o->host, &s->manifest);
}

static void close_here(struct live *l)
{
    xf_rings_close(l->rings);
    l->rings = NULL;
    for (unsigned i = 0; i < l->s.manifest.disks_n; i++) {
        if (l->tracks[i])
            xf_track_free(l->tracks[i]);
        l->tracks[i] = NULL;
        if (l->dirty[i])
            xf_disk_close(&l->disks[i]);
        free(l->dirty[i]);
        l->dirty[i] = NULL;
    }
    free(l->run);
    l->run = NULL;
    if (l->listener >= 0)
        close(l->listener);
    if (l->socket_path[0])
        unlink(l->socket_path);
}

static int end_move(struct live *l, bool moved)
{
    struct xf_disks_source *s = &l->s;
    int rc;

    if (moved && !l->synced)
        return fail(s, -EPROTO,
                    "%s RUNS ON %s WITH DISKS THAT ARE NOT WHOLE: stop it there at once%s",
                    l->there.name, l->o->host, l->o->copy ? "" : ", and start it here");
    close_here(l);
    rc = xf_talk_say(&s->talk, moved ? "here" : "back");
    rc = rc ?: xf_talk_hear(&s->talk, "done", XF_MOVE_OFF_LIMIT_MS, s->why);
    if (rc || l->o->copy)
        return rc;
    return moved ? put_aside(l) : xf_journal_remove(s->manifest.name);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int prepare(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    int rc = xf_guest_disks_read(&s->manifest, l->devices, l->o->uuid, &l->domid, NULL, s->why);

    if (!rc && !s->manifest.disks_n)
        rc = fail(s, -ENOENT, "the guest has no disks: --with-disks is not for it");
    rc = rc ?: xf_domains_check(&s->manifest, XF_DOMAINS_MAY_RUN, s->why);
    rc = rc ?: xf_disks_lock(s);
    rc = rc ?: xf_disks_check_journal(s);
    rc = rc ?: xf_disks_check_left(s);
    rc = rc ?: xf_rings_open(&l->rings, l->domid, s->why);
    rc = rc ?: open_disks(l);
    rc = rc ?: xf_config_load(&s->config, NULL, s->why);
    rc = rc ?: xf_disks_start_there(s);
    rc = rc ?: xf_disks_plan_there(s, &l->there, l->o->copy, l->o->copy_uuid);
    rc = rc ?: xf_disks_send_manifest(s, &l->there, true, l->o->replace);
    rc = rc ?: xf_disks_receive_ready(s);
    rc = rc ?: xf_disks_send_all(s);
    rc = rc ?: take_names(l);
    return rc ?: listen_here(l);
}

static int run(struct live *l)
{
    struct xf_disks_source *s = &l->s;
    bool moved = false;
    int rc = prepare(l);

    if (rc)
        return rc;
    rc = tell_ready(l);
    rc = rc ?: follow(l, &moved);
    if (!rc)
        return end_move(l, moved);
    /* A helper that asks now hears nothing, and the guest goes on here. */
    if (l->helper >= 0)
        close(l->helper);
    if (!s->why[0])
        fail(s, rc, "%s", strerror(-rc));
    return rc;
}

static void on_signal(int sig)
{
    xf_disks_interrupted = sig;
}

int xf_disks_live(const struct xf_live_options *o)
{
    struct live *l = calloc(1, sizeof(*l));

    if (!l)
        return XF_EXIT_FAILED;
    l->o = o;
    l->off = (struct xf_move_off_options){.host = o->host, .ssh = o->ssh};
    l->s.o = &l->off;
    l->s.guest = XF_DOMAINS_MAY_RUN;
    l->s.talk = (struct xf_talk){.in = -1, .out = -1};
    l->s.reach = (struct xf_reach){.ssh = o->ssh, .host = o->host, .limit_s = XF_REACH_LIMIT_S};
    l->listener = l->helper = -1;
    gethostname(l->s.host, sizeof(l->s.host) - 1);
    xf_live_init(&l->s.live);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* xl-fast migrate acts on it */
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    int rc = xf_talk_init(&l->parent, STDIN_FILENO, dup(STDOUT_FILENO), "xl-fast migrate");

    dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is the talk's alone */
    if (!rc && xf_reach_find(&l->s.reach, "xl-fast-disks"))
        rc = fail(&l->s, -ENOENT,
                  "xl-fast-disks is in a folder that cannot be named to another host");
    rc = rc ?: run(l);
    if (rc) {
        if (xf_talk_say_failed(&l->parent, l->s.why[0] ? l->s.why : strerror(-rc)))
            fprintf(stderr, "xl-fast: disks: %s\n", l->s.why);
    } else {
        rc = xf_talk_say(&l->parent, "done");
    }
    close_here(l);
    if (l->s.link)
        xf_ports_close_whole(l->s.link);
    xf_talk_fini(&l->s.talk);
    if (l->s.ssh > 0)
        waitpid(l->s.ssh, NULL, 0);
    xf_talk_fini(&l->parent);
    xf_manifest_fini(&l->s.manifest);
    xf_manifest_fini(&l->there);
    free(l);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
