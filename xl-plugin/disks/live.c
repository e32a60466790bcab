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
#include "journal.h"
#include "settle.h"
#include "tracked.h"
#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/plugin/ports.h"

#define fail xf_disks_source_fail

#define ROUND_MS 200    /* between two looks at what was written */
#define DRAIN_MS 30000u /* for requests that are on their way */
#define OPEN_S   60u    /* for the domain to be gone */

struct live {
    const struct xf_live_options *o;
    struct xf_tracked t;
    struct xf_talk parent;
    int listener, helper; /* sockets; -1 */
    char socket_path[108];
    bool synced; /* the helper was told so: the guest may go */
};

/* ---- the guest stands ----------------------------------------------------------------------- */

/* Of a disk whose writes may not all have been seen, all that differs is sent. */
static int mend(struct live *l)
{
    int rc = 0;

    for (unsigned i = 0; i < l->t.s.manifest.disks_n && !rc; i++) {
        if (xf_tracked_is_witnessed(&l->t, i))
            continue;
        fprintf(stderr,
                "xl-fast: disks: %s is compared: the kernel's count of its writes is not "
                "known or another\n",
                l->t.s.manifest.disks[i].vdev);
        rc = xf_tracked_compare(&l->t, i) ?: xf_tracked_send_marked(&l->t, i);
    }
    return rc;
}

static int verify(struct live *l)
{
    struct xf_disks_source *s = &l->t.s;
    int rc = 0;

    for (unsigned i = 0; i < s->manifest.disks_n && !rc; i++) {
        uint64_t first = 0;

        rc = xf_tracked_compare(&l->t, i);
        if (!rc)
            first = xf_bitmap_next(l->t.dirty[i], l->t.disks[i].pages, 0);
        if (!rc && first < l->t.disks[i].pages)
            rc = fail(s, -EILSEQ, "disk %s differs at the target, first about byte %llu",
                      s->manifest.disks[i].vdev, (unsigned long long)first * XF_PAGE_BYTES);
    }
    return rc;
}

static int make_whole(struct live *l)
{
    struct xf_disks_source *s = &l->t.s;
    int rc = XF_FAULT(live_source_stands) ?: xf_tracked_check_same(&l->t);

    rc = rc ?: xf_tracked_drain(&l->t, DRAIN_MS);
    rc = rc ?: xf_tracked_send_written(&l->t, true);
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
    struct xf_disks_source *s = &l->t.s;
    char said[16] = "", line[XF_TALK_WHY_BYTES + 16];
    uint64_t began_us = xf_now_us(), sent = l->t.sent;
    int rc = read(l->helper, said, sizeof(said) - 1) > 0 && !strcmp(said, "stands\n") && l->t.rings
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
    xf_rings_close(l->t.rings);
    l->t.rings = NULL;
    if (write(l->helper, line, strlen(line)) < 0)
        rc = rc ?: -errno;
    close(l->helper);
    l->helper = -1;
    fprintf(stderr, "xl-fast: disks: %s in %llu ms, with %llu pages\n", rc ? "not whole" : "whole",
            (unsigned long long)(xf_now_us() - began_us) / 1000,
            (unsigned long long)(l->t.sent - sent));
    return rc;
}

/* ---- until the guest has moved, or not ------------------------------------------------------- */

static int listen_here(struct live *l)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *run = getenv("XL_FAST_RUNDIR");

    snprintf(address.sun_path, sizeof(address.sun_path), "%.60s/xl-fast/disks-%s",
             run && *run ? run : "/run", l->o->copy ? l->o->copy_uuid : l->o->uuid);
    l->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(address.sun_path);
    mode_t mask = umask(077);
    int rc = l->listener < 0 || bind(l->listener, (struct sockaddr *)&address, sizeof(address)) ||
                     listen(l->listener, 1)
                 ? -errno
                 : 0;

    umask(mask);
    if (rc)
        return fail(&l->t.s, rc, "%s: %s", address.sun_path, strerror(-rc));
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
    struct xf_disks_source *s = &l->t.s;
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
            rc = xf_tracked_send_written(&l->t, false);
    }
    return rc;
}

/* The domain's backends let go of the volumes a moment after xl has ended. */
static int put_aside(struct live *l)
{
    struct xf_disks_source *s = &l->t.s;
    int rc;

    for (unsigned i = 0;
         (rc = xf_domains_check(&s->manifest, XF_DOMAINS_IS_OFF, s->why)) && i < OPEN_S; i++)
        sleep(1);
    rc = rc ?: xf_settle_left(&s->manifest, false, s->why);
    return rc ?: xf_journal_write(XF_JOURNAL_LEFT, l->o->host, &s->manifest);
}

static void close_here(struct live *l)
{
    xf_tracked_close(&l->t);
    if (l->listener >= 0)
        close(l->listener);
    if (l->socket_path[0])
        unlink(l->socket_path);
}

static int end_move(struct live *l, bool moved)
{
    struct xf_disks_source *s = &l->t.s;
    int rc;

    if (moved && !l->synced)
        return fail(s, -EPROTO,
                    "%s RUNS ON %s WITH DISKS THAT ARE NOT WHOLE: stop it there at once%s",
                    l->t.there.name, l->o->host, l->o->copy ? "" : ", and start it here");
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
    struct xf_disks_source *s = &l->t.s;
    char text[XF_DISKS_MOVED_BYTES];
    int rc = xf_guest_disks_read(&s->manifest, l->t.devices, l->o->uuid, &l->t.domid, NULL, s->why);

    if (!rc && !s->manifest.disks_n)
        rc = fail(s, -ENOENT, "the guest has no disks: --with-disks is not for it");
    rc = rc ?: xf_domains_check(&s->manifest, XF_DOMAINS_MAY_RUN, s->why);
    rc = rc ?: xf_disks_lock(s, l->o->copy);
    rc = rc ?: xf_disks_check_journal(s);
    rc = rc ?: xf_disks_check_left(s);
    rc = rc ?: xf_tracked_open(&l->t);
    rc = rc ?: xf_config_load(&s->config, NULL, s->why);
    rc = rc ?: xf_disks_start_there(s);
    rc = rc ?: xf_disks_plan_there(s, &l->t.there, l->o->copy, l->o->copy_uuid);
    rc = rc
             ?: xf_disks_send_manifest(s, &l->t.there,
                                       XF_SEND_LIVE | (l->o->replace ? XF_SEND_REPLACE : 0));
    rc = rc ?: xf_disks_receive_ready(s);
    rc = rc ?: xf_disks_send_all(s);
    for (unsigned i = 0; i < s->manifest.disks_n && !rc; i++)
        fprintf(stderr, "xl-fast: disks: %s: %s\n", s->manifest.disks[i].vdev,
                xf_disks_show_moved(s, i, text));
    rc = rc ?: xf_tracked_take_names(&l->t);
    return rc ?: listen_here(l);
}

static int run(struct live *l)
{
    struct xf_disks_source *s = &l->t.s;
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
    l->t.uuid = o->uuid;
    l->t.off = (struct xf_move_off_options){.host = o->host, .ssh = o->ssh};
    l->t.s.o = &l->t.off;
    l->t.s.guest = XF_DOMAINS_MAY_RUN;
    l->t.s.talk = (struct xf_talk){.in = -1, .out = -1};
    l->t.s.reach = (struct xf_reach){.ssh = o->ssh, .host = o->host, .limit_s = XF_REACH_LIMIT_S};
    l->listener = l->helper = -1;
    gethostname(l->t.s.host, sizeof(l->t.s.host) - 1);
    xf_live_init(&l->t.s.live);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* xl-fast migrate acts on it */
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    int rc = xf_talk_init(&l->parent, STDIN_FILENO, dup(STDOUT_FILENO), "xl-fast migrate");

    dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is the talk's alone */
    if (!rc && xf_reach_find(&l->t.s.reach, "xl-fast-disks"))
        rc = fail(&l->t.s, -ENOENT,
                  "xl-fast-disks is in a folder that cannot be named to another host");
    rc = rc ?: run(l);
    if (rc) {
        if (xf_talk_say_failed(&l->parent, l->t.s.why[0] ? l->t.s.why : strerror(-rc)))
            fprintf(stderr, "xl-fast: disks: %s\n", l->t.s.why);
    } else {
        rc = xf_talk_say(&l->parent, "done");
    }
    close_here(l);
    if (l->t.s.link)
        xf_ports_close_whole(l->t.s.link);
    xf_talk_fini(&l->t.s.talk);
    if (l->t.s.ssh > 0)
        waitpid(l->t.s.ssh, NULL, 0);
    xf_talk_fini(&l->parent);
    xf_manifest_fini(&l->t.s.manifest);
    xf_manifest_fini(&l->t.there);
    free(l);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
