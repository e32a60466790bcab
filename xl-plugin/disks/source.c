/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source of a guest that is shut off: looks at it, sends its disks, and gives it away. What a try
 * that was broken off has left, the next one settles first.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "domains.h"
#include "fault_points.h"
#include "journal.h"
#include "move_off.h"
#include "settle.h"
#include "sender.h"
#include "source_config.h"
#include "talk.h"
#include "transport/base/clock.h"
#include "volume.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/cli/options.h"
#include "xl-plugin/plugin/config.h"
#include "xl-plugin/recover/recover_reach.h"
#include "xl-plugin/screen/live.h"

#define ASK_AGAIN 3u /* times, when the answer to "commit" was not heard */
#define ASK_BYTES 512
#define GONE_S    60u

#define fail xf_disks_source_fail

static void on_signal(int sig)
{
    xf_disks_interrupted = sig;
}

static void note(struct xf_disks_source *s, const char *text)
{
    if (!s->o->quiet)
        xf_live_note(&s->live, text);
}

/* ---- before anything is touched ------------------------------------------------------------ */

static int look_here(struct xf_disks_source *s)
{
    int rc = xf_source_config_read(&s->manifest, s->o->config, s->why);

    rc = rc ?: xf_disks_lock(s, false);
    rc = rc ?: xf_domains_check(&s->manifest, s->guest, s->why);
    rc = rc ?: xf_disks_check_left(s);
    for (unsigned i = 0; i < s->manifest.disks_n && !rc; i++)
        rc = xf_volume_stamp(&s->manifest.disks[i], &s->moved[i].stamp, s->why);
    return rc;
}

/* ---- the end ------------------------------------------------------------------------------- */

/* Nobody may have started the guest, or written to its disks, while they were read. */
static int check_untouched(struct xf_disks_source *s)
{
    int rc = xf_domains_check(&s->manifest, s->guest, s->why);

    for (unsigned i = 0; i < s->manifest.disks_n && !rc; i++) {
        const struct xf_manifest_disk *d = &s->manifest.disks[i];
        uint64_t stamp;

        rc = xf_volume_stamp(d, &stamp, s->why);
        if (!rc && stamp != s->moved[i].stamp)
            rc =
                fail(s, -EBUSY, "disk %s: %s was written to while it was copied", d->vdev, d->path);
    }
    if (!rc && xf_disks_interrupted)
        rc = fail(s, -EINTR, "interrupted by signal %d (%s)", xf_disks_interrupted,
                  strsignal(xf_disks_interrupted));
    return rc;
}

/* The target's own word, by a new connection. XF_JOURNAL_STATES: it cannot be had. */
static enum xf_journal_state ask_there(struct xf_disks_source *s, const char *name)
{
    const char *const args[] = {"state", name, NULL};
    char said[ASK_BYTES];

    for (unsigned i = 0; i < ASK_AGAIN; i++)
        if (!xf_reach_run(&s->reach, true, args, said, sizeof(said))) {
            said[strcspn(said, "\n")] = 0;
            for (unsigned state = 0; state < XF_JOURNAL_STATES; state++)
                if (!strcmp(said, xf_journal_words[state]))
                    return (enum xf_journal_state)state;
        }
    return XF_JOURNAL_STATES;
}

static int stays(const struct xf_manifest *m)
{
    char why[XF_MANIFEST_WHY_BYTES];
    int rc = xf_settle_stays(m, why);

    if (!rc)
        rc = xf_journal_remove(m->name);
    if (rc)
        fprintf(stderr,
                "xl-fast move-off: the guest stays here, but %s: %s%s is its configuration\n", why,
                m->config, XF_MOVE_OFF_ASIDE);
    return rc;
}

static int has_gone(struct xf_disks_source *s, const struct xf_manifest *m)
{
    int rc = xf_settle_left(m, s->o->delete_source, s->why) ?: XF_FAULT(off_source_left);

    if (!rc && s->o->delete_source) {
        xf_settle_forget_config(m);
        rc = xf_journal_remove(m->name);
    } else if (!rc) {
        rc = xf_journal_write(XF_JOURNAL_LEFT, s->o->host, m);
    }
    if (rc)
        fprintf(stderr,
                "xl-fast move-off: the guest is on %s now, but not all here is put away: "
                "%s; run the command again\n",
                s->o->host, s->why[0] ? s->why : strerror(-rc));
    return rc;
}

/* Gives it away; from the journal's "leaving" on a signal changes nothing. An exit status. */
static int give(struct xf_disks_source *s)
{
    const struct xf_manifest *m = &s->manifest;
    enum xf_journal_state there = XF_JOURNAL_HERE;
    int rc = check_untouched(s);

    if (rc)
        return XF_EXIT_FAILED;
    rc = xf_journal_write(XF_JOURNAL_LEAVING, s->o->host, m);
    if (rc) {
        fail(s, rc, "the journal cannot be written: %s", strerror(-rc));
        return XF_EXIT_FAILED;
    }
    s->talk.stop = NULL;
    rc = XF_FAULT(off_source_leaving) ?: xf_settle_leaving(m, s->why);
    rc = rc ?: XF_FAULT(off_source_aside);
    if (!rc) {
        rc = xf_talk_say(&s->talk, "commit") ?: XF_FAULT(off_source_commit);
        rc = rc ?: xf_talk_hear(&s->talk, "done", XF_MOVE_OFF_LIMIT_MS, s->why);
        if (rc == -ECANCELED) /* it has said so: nothing of the guest is there */
            there = XF_JOURNAL_NONE;
        else if (rc)
            there = ask_there(s, m->name);
    } else {
        there = XF_JOURNAL_NONE;
    }
    if (there == XF_JOURNAL_HERE && XF_FAULT(off_source_done))
        there = XF_JOURNAL_STATES;
    if (there == XF_JOURNAL_HERE) {
        s->why[0] = 0;
        return has_gone(s, m) ? XF_EXIT_FAILED : XF_EXIT_OK;
    }
    if (there == XF_JOURNAL_STATES) {
        fail(s, -EIO,
             "%s does not say whether it has the guest: run the command again when it can "
             "be reached; until then start '%s' on neither host",
             s->o->host, m->name);
        return XF_EXIT_CANNOT_TELL;
    }
    stays(m);
    return XF_EXIT_FAILED;
}

/* ---- what was broken off ------------------------------------------------------------------- */

struct broken {
    const char *config; /* its whole path */
    struct xf_journal *found;
};

static int take_broken(void *arg, const struct xf_journal *j)
{
    struct broken *b = arg;

    if ((j->state != XF_JOURNAL_LEAVING && j->state != XF_JOURNAL_LEFT) ||
        strcmp(j->manifest.config, b->config) != 0)
        return 0;
    *b->found = *j;
    b->found->manifest.text = strdup(j->manifest.text);
    return 1;
}

/* XF_GO_ON: the guest is here, or was never on its way; else the exit status. */
static int settle_broken(struct xf_disks_source *s)
{
    char aside[XF_VOLUME_PATH_BYTES], text[512], *whole;
    struct xf_journal *j = calloc(1, sizeof(*j));
    struct broken b = {.found = j};
    int status = XF_GO_ON;

    snprintf(aside, sizeof(aside), "%s%s", s->o->config, XF_MOVE_OFF_ASIDE);
    whole = realpath(aside, NULL) ?: realpath(s->o->config, NULL);
    if (j && whole) {
        if (strlen(whole) > strlen(XF_MOVE_OFF_ASIDE) &&
            !strcmp(whole + strlen(whole) - strlen(XF_MOVE_OFF_ASIDE), XF_MOVE_OFF_ASIDE))
            whole[strlen(whole) - strlen(XF_MOVE_OFF_ASIDE)] = 0;
        b.config = whole;
        xf_journal_each(take_broken, &b);
    }
    if (j && j->state == XF_JOURNAL_LEAVING) {
        s->reach.host = j->host;
        enum xf_journal_state there = ask_there(s, j->manifest.name);

        if (there == XF_JOURNAL_STATES) {
            fail(s, -EIO,
                 "%s does not say whether it has the guest, which was on its way there: "
                 "start '%s' on neither host until it does",
                 j->host, j->manifest.name);
            status = XF_EXIT_CANNOT_TELL;
        } else if (there == XF_JOURNAL_HERE) {
            note(s, "an earlier move was broken off when the guest had arrived");
            status = has_gone(s, &j->manifest) ? XF_EXIT_FAILED : XF_EXIT_OK;
        } else if (stays(&j->manifest)) {
            status = XF_EXIT_FAILED;
        }
        s->reach.host = s->o->host;
    } else if (j && j->state == XF_JOURNAL_LEFT && access(b.config, F_OK)) {
        snprintf(text, sizeof(text), "%s has gone to %s", j->manifest.name, j->host);
        note(s, text);
        status = strcmp(j->host, s->o->host) != 0 ? XF_EXIT_FAILED : XF_EXIT_OK;
    }
    if (j)
        xf_manifest_fini(&j->manifest);
    free(whole);
    free(j);
    return status;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void show(struct xf_disks_source *s)
{
    const struct xf_manifest *m = &s->manifest;
    struct json_object *o = json_object_new_object(), *disks = json_object_new_array();
    char size[32], took[32], text[XF_DISKS_MOVED_BYTES];

    for (unsigned i = 0; i < m->disks_n; i++) {
        const struct xf_disks_moved *moved = &s->moved[i];
        struct json_object *disk = json_object_new_object();

        json_object_object_add(disk, "vdev", xf_json_text(m->disks[i].vdev));
        json_object_object_add(disk, "path", xf_json_text(m->disks[i].path));
        json_object_object_add(disk, "disk_bytes", json_object_new_uint64(m->disks[i].bytes));
        if (!s->o->dry_run) {
            json_object_object_add(disk, "us", json_object_new_uint64(moved->us));
            json_object_object_add(disk, "bytes_wire",
                                   json_object_new_uint64(moved->stats.bytes_wire));
            json_object_object_add(disk, "bytes_same", json_object_new_uint64(moved->bytes_same));
            json_object_object_add(disk, "verified", json_object_new_boolean(s->o->verify));
        }
        json_object_array_add(disks, disk);
        if (!s->o->json && !s->o->quiet && s->o->dry_run)
            printf("%-6s %s  %s\n", m->disks[i].vdev,
                   xf_number_show_size(size, sizeof(size), m->disks[i].bytes), m->disks[i].path);
        else if (!s->o->json && !s->o->quiet)
            printf("%-6s %s%s  %s\n", m->disks[i].vdev, xf_disks_show_moved(s, i, text),
                   s->o->verify ? ", verified" : "", m->disks[i].path);
    }
    json_object_object_add(o, "guest", xf_json_text(m->name));
    json_object_object_add(o, "host", xf_json_text(s->o->host));
    json_object_object_add(o, "moved", json_object_new_boolean(!s->o->dry_run));
    json_object_object_add(o, "disks", disks);
    if (s->off_us)
        json_object_object_add(o, "off_us", json_object_new_uint64(s->off_us));
    if (s->o->json)
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    else if (!s->o->quiet)
        printf(s->o->dry_run ? "%s can move to %s\n"
               : s->o->start ? "%s runs on %s now\n"
                             : "%s is on %s now\n",
               m->name, s->o->host);
    if (s->off_us && !s->o->json && !s->o->quiet)
        printf("it was off for %s\n", xf_live_time(took, sizeof(took), s->off_us));
    json_object_put(o);
}

/* All that goes before the guest is given away. */
static int copy(struct xf_disks_source *s)
{
    int rc = look_here(s);

    rc = rc ?: xf_disks_start_there(s);
    rc = rc ?: xf_disks_send_manifest(s, &s->manifest, 0);
    rc = rc ?: xf_disks_receive_ready(s);
    if (rc || s->o->dry_run)
        return rc;
    return XF_FAULT(off_source_ready) ?: xf_disks_send_all(s);
}

static void end_there(struct xf_disks_source *s)
{
    xf_talk_fini(&s->talk);
    if (s->ssh > 0)
        waitpid(s->ssh, NULL, 0);
}

/* By another process, for DPDK starts once in one. What has come stays there when it ends. */
static int copy_before(struct xf_disks_source *s)
{
    int status;

    note(s, "its disks are copied while it runs");
    fflush(NULL);
    pid_t pid = fork();

    if (!pid) {
        s->guest = XF_DOMAINS_MAY_RUN;
        int rc = copy(s);

        if (rc)
            fprintf(stderr, "xl-fast move-off: %s\n", s->why);
        end_there(s);
        _exit(rc ? XF_EXIT_FAILED : XF_EXIT_OK);
    }
    if (pid < 0)
        return fail(s, -errno, "no process: %s", strerror(errno));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status ? fail(s, -ECANCELED, "the guest runs on, as before") : 0;
}

/* What xl says goes to stderr. */
static int run_xl(const char *const *argv)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid < 0 ? -errno : status ? -EIO : 0;
}

/* Whoever waits for its end removes the domain a moment later. */
static int shut_off(struct xf_disks_source *s)
{
    const char *const argv[] = {"xl", "shutdown", "-w", s->manifest.name, NULL};
    int rc;

    note(s, "it is shut off");
    if (run_xl(argv))
        return fail(s, -EIO, "'%s' has not shut off: see xl list", s->manifest.name);
    for (unsigned i = 0; (rc = xf_domains_check(&s->manifest, s->guest, s->why)) && i < GONE_S; i++)
        sleep(1);
    if (!rc)
        s->why[0] = 0;
    return rc;
}

/* *off: it was shut off by us. */
static int while_it_runs(struct xf_disks_source *s, bool *off)
{
    int rc;

    if (!s->o->shutdown || s->o->dry_run)
        return 0;
    rc = xf_source_config_read(&s->manifest, s->o->config, s->why);
    if (rc || !xf_domains_check(&s->manifest, XF_DOMAINS_IS_OFF, s->why)) /* it is off already */
        goto out;
    s->why[0] = 0; /* that it runs */
    rc = xf_domains_check(&s->manifest, XF_DOMAINS_MAY_RUN, s->why);
    rc = rc ?: copy_before(s);
    if (!rc) {
        s->off_us = xf_now_us();
        rc = shut_off(s);
        *off = !rc;
    }
out:
    xf_manifest_fini(&s->manifest);
    return rc;
}

/* Where the guest is now. */
static int start_again(struct xf_disks_source *s, bool here)
{
    const char *const argv[] = {"xl", "create", "-q", s->manifest.config, NULL},
                      *const there[] = {"start", s->manifest.config, NULL};
    char said[ASK_BYTES];
    int rc = here ? run_xl(argv) : xf_reach_run(&s->reach, true, there, said, sizeof(said));

    if (rc)
        fprintf(stderr, "xl-fast move-off: '%s' is on %s, and does not start there: xl create %s\n",
                s->manifest.name, here ? s->host : s->o->host, s->manifest.config);
    return rc;
}

static int run(struct xf_disks_source *s)
{
    int status = settle_broken(s), rc;
    bool off = false;

    if (status != XF_GO_ON)
        return status;
    rc = xf_config_load(&s->config, NULL, s->why);
    rc = rc ?: while_it_runs(s, &off);
    if (rc)
        return XF_EXIT_FAILED;
    rc = copy(s);
    if (s->o->dry_run) {
        if (!rc)
            show(s);
        return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
    }
    status = rc ? XF_EXIT_FAILED : give(s);
    if (status == XF_EXIT_OK && s->o->start && start_again(s, false))
        status = XF_EXIT_FAILED;
    else if (status == XF_EXIT_FAILED && off && s->o->start)
        start_again(s, true);
    else if (status == XF_EXIT_FAILED && off)
        fprintf(stderr, "xl-fast move-off: '%s' is shut off: xl create %s starts it here\n",
                s->manifest.name, s->manifest.config);
    if (off)
        s->off_us = xf_now_us() - s->off_us;
    if (status == XF_EXIT_OK)
        show(s);
    return status;
}

int xf_move_off_source(const struct xf_move_off_options *o)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    struct xf_disks_source *s = calloc(1, sizeof(*s));
    int status = XF_EXIT_FAILED;

    if (!s)
        return status;
    s->o = o;
    s->talk = (struct xf_talk){.in = -1, .out = -1};
    s->reach = (struct xf_reach){
        .ssh = o->ssh ? o->ssh : XF_REACH_SSH, .host = o->host, .limit_s = XF_REACH_LIMIT_S};
    gethostname(s->host, sizeof(s->host) - 1);
    xf_live_init(&s->live);
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        signal(ending[i], on_signal);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    if (xf_reach_find(&s->reach, "xl-fast-disks"))
        fail(s, -ENOENT, "xl-fast-disks is in a folder that cannot be named to another host");
    else
        status = run(s);
    xf_live_end(&s->live);
    end_there(s);
    if (status && status != XF_EXIT_USAGE)
        fprintf(stderr, "xl-fast move-off: %s\n", s->why[0] ? s->why : "it has failed");
    xf_manifest_fini(&s->manifest);
    free(s);
    return status;
}
