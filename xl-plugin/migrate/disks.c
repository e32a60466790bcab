/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks: starts xl-fast-disks, for each copy one, waits until it has copied most, and tells it in
 * the end where the guest is. It speaks in lines of JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "say.h"
#include "steps.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/screen/live.h"

#define LINE_BYTES 4096

static int start(struct xf_migrate *m, struct xf_disks_child *child)
{
    char program[sizeof(m->lib) + 32];
    const char *argv[10] = {program, "live", m->source.uuid, m->o.host,
                            m->o.own_ssh ? m->o.ssh : XF_REACH_SSH};
    unsigned n = 5;
    struct xf_process p = {argv, NULL, {-1, -1, STDERR_FILENO}, XF_EARS_USUAL};
    int ends[2];

    if (m->o.verify)
        argv[n++] = "verify";
    if (m->copy) {
        argv[n++] = "copy";
        argv[n++] = m->copy->name;
        argv[n++] = m->copy->uuid;
        if (m->copy->replace)
            argv[n++] = "replace";
    }
    snprintf(program, sizeof(program), "%s/xl-fast-disks", m->lib);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return -errno;
    p.files[0] = p.files[1] = ends[1];
    pid_t pid = xf_process_start(&m->signals, &p);

    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return pid;
    }
    *child = (struct xf_disks_child){.pid = pid, .talk = ends[0]};
    return 0;
}

/* The next line, as JSON; NULL: it has ended, or a signal is there and is to end the wait. */
static struct json_object *hear(struct xf_migrate *m, const struct xf_disks_child *child,
                                bool by_signals)
{
    char line[LINE_BYTES];
    size_t n = 0;

    while (n < sizeof(line) - 1) {
        struct pollfd in[] = {{.fd = child->talk, .events = POLLIN},
                              {.fd = by_signals ? m->signals.fd : -1, .events = POLLIN}};

        if (poll(in, 2, -1) < 0 && errno == EINTR)
            continue;
        if (in[1].revents || read(child->talk, line + n, 1) != 1)
            return NULL;
        if (line[n++] == '\n')
            break;
    }
    line[n] = 0;
    return json_tokener_parse(line);
}

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *text;

    return o && json_object_object_get_ex(o, key, &text) && json_object_get_string(text)
               ? json_object_get_string(text)
               : "";
}

/* Its last word, with the reason if it has failed. */
static bool is(struct json_object *said, const char *kind)
{
    char plain[1024];

    if (!strcmp(text_of(said, "kind"), kind))
        return true;
    if (!said)
        xf_migrate_say("disks: xl-fast-disks has ended without a word: was it killed?");
    else
        xf_migrate_say("disks: %s", xf_live_plain(plain, sizeof(plain), text_of(said, "reason")));
    return false;
}

static void leave(struct xf_disks_child *child)
{
    close(child->talk);
    xf_process_end(child->pid);
    *child = (struct xf_disks_child){0};
}

/* To the host that is aimed at. */
static enum xf_step begin(struct xf_migrate *m, struct xf_disks_child *child)
{
    struct json_object *said;
    int rc;

    XF_NOTE(m, "%s's disks are copied to %s while it runs", m->o.domain, m->o.host);
    rc = start(m, child);
    if (rc) {
        xf_migrate_say("%s/xl-fast-disks: %s", m->lib, strerror(-rc));
        return XF_STEP_FAILED;
    }
    said = hear(m, child, true);
    bool cancelled = !said && xf_signals_wait(&m->signals, 0),
         ready = !cancelled && is(said, "ready");

    snprintf(child->socket, sizeof(child->socket), "%s", text_of(said, "socket"));
    json_object_put(said);
    if (ready)
        return XF_STEP_ON;
    if (cancelled)
        kill(child->pid, SIGTERM);
    leave(child);
    return cancelled ? XF_STEP_CANCELLED : XF_STEP_FAILED;
}

static enum xf_step begin_copies(struct xf_migrate *m)
{
    enum xf_step step = XF_STEP_ON;

    for (unsigned i = 0; i < m->copies->n && step == XF_STEP_ON; i++) {
        if (m->copies->of[i].status != XF_COPY_OPEN)
            continue;
        xf_migrate_copies_aim_at(m, i);
        step = begin(m, &m->disks[i]);
        if (step == XF_STEP_FAILED && xf_migrate_copies_leave_out(m, i, "see above"))
            step = XF_STEP_ON;
    }
    xf_migrate_copies_aim(m);
    return step;
}

enum xf_step xf_migrate_disks_begin(struct xf_migrate *m)
{
    enum xf_step step;

    /* After a turn that was missed they are there already. */
    if (!m->o.with_disks || m->disks[0].pid)
        return XF_STEP_ON;
    step = m->copies ? begin_copies(m) : begin(m, &m->disks[0]);
    if (step != XF_STEP_ON)
        xf_migrate_disks_end(m, XF_DISKS_STAYS);
    return step;
}

char *xf_migrate_disks_sockets(const struct xf_migrate *m)
{
    char *words = NULL;
    size_t size;
    FILE *f = open_memstream(&words, &size);

    for (unsigned i = 0; f && i < XF_MEMBERS_MAX; i++)
        if (m->disks[i].pid)
            fprintf(f, "%s%s=%s", ftell(f) ? " " : "",
                    m->copies ? m->copies->of[i].host : m->o.host, m->disks[i].socket);
    return f && !fclose(f) ? words : NULL;
}

static enum xf_disks_outcome outcome_of(int status)
{
    return !status                         ? XF_DISKS_MOVED
           : status == XF_EXIT_CANNOT_TELL ? XF_DISKS_UNKNOWN
                                           : XF_DISKS_STAYS;
}

static bool end(struct xf_migrate *m, struct xf_disks_child *child, enum xf_disks_outcome outcome)
{
    static const char *const words[] = {"{\"kind\":\"moved\"}\n", "{\"kind\":\"stays\"}\n",
                                        "{\"kind\":\"unknown\"}\n"};
    struct json_object *said;

    if (send(child->talk, words[outcome], strlen(words[outcome]), MSG_NOSIGNAL) < 0) {
        /* It has gone; what it has said last tells why. */
    }
    said = hear(m, child, false);
    bool done = is(said, "done");

    json_object_put(said);
    leave(child);
    return done;
}

int xf_migrate_disks_end(struct xf_migrate *m, enum xf_disks_outcome outcome)
{
    bool all = true, any = false;

    for (unsigned i = 0; i < XF_MEMBERS_MAX; i++) {
        if (!m->disks[i].pid)
            continue;
        any = true;
        const bool one_by_one = m->copies && outcome != XF_DISKS_STAYS;

        all =
            end(m, &m->disks[i], one_by_one ? outcome_of(m->copies->of[i].status) : outcome) && all;
    }
    if (any && all && outcome == XF_DISKS_MOVED && !m->copies)
        XF_NOTE(m, "its disks here are kept as *.xlfast-left: xl-fast disks --drop %s removes them",
                m->source.name);
    return all ? 0 : XF_EXIT_FAILED;
}
