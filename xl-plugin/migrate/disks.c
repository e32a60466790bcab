/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks: starts xl-fast-disks, waits until it has copied most, and tells it in the end where the
 * guest is. It speaks in lines of JSON.
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

static int start(struct xf_migrate *m)
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
    m->disks = pid;
    m->disks_talk = ends[0];
    return 0;
}

/* The next line, as JSON; NULL: it has ended, or a signal is there and is to end the wait. */
static struct json_object *hear(struct xf_migrate *m, bool by_signals)
{
    char line[LINE_BYTES];
    size_t n = 0;

    while (n < sizeof(line) - 1) {
        struct pollfd in[] = {{.fd = m->disks_talk, .events = POLLIN},
                              {.fd = by_signals ? m->signals.fd : -1, .events = POLLIN}};

        if (poll(in, 2, -1) < 0 && errno == EINTR)
            continue;
        if (in[1].revents || read(m->disks_talk, line + n, 1) != 1)
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

static void leave(struct xf_migrate *m)
{
    close(m->disks_talk);
    xf_process_end(m->disks);
    m->disks = 0;
    m->disks_socket[0] = 0;
}

enum xf_step xf_migrate_disks_begin(struct xf_migrate *m)
{
    struct json_object *said;
    int rc;

    if (!m->o.with_disks || m->disks)
        return XF_STEP_ON;
    XF_NOTE(m, "%s's disks are copied to %s while it runs", m->o.domain, m->o.host);
    rc = start(m);
    if (rc) {
        xf_migrate_say("%s/xl-fast-disks: %s", m->lib, strerror(-rc));
        return XF_STEP_FAILED;
    }
    said = hear(m, true);
    bool cancelled = !said && xf_signals_wait(&m->signals, 0),
         ready = !cancelled && is(said, "ready");

    snprintf(m->disks_socket, sizeof(m->disks_socket), "%s", text_of(said, "socket"));
    json_object_put(said);
    if (ready)
        return XF_STEP_ON;
    if (cancelled)
        kill(m->disks, SIGTERM);
    leave(m);
    return cancelled ? XF_STEP_CANCELLED : XF_STEP_FAILED;
}

int xf_migrate_disks_end(struct xf_migrate *m, enum xf_disks_outcome outcome)
{
    static const char *const words[] = {"{\"kind\":\"moved\"}\n", "{\"kind\":\"stays\"}\n",
                                        "{\"kind\":\"unknown\"}\n"};
    struct json_object *said;

    if (!m->disks)
        return 0;
    if (send(m->disks_talk, words[outcome], strlen(words[outcome]), MSG_NOSIGNAL) < 0) {
        /* It has gone; what it has said last tells why. */
    }
    said = hear(m, false);
    bool done = is(said, "done");

    json_object_put(said);
    leave(m);
    if (done && outcome == XF_DISKS_MOVED && !m->copy)
        XF_NOTE(m, "its disks here are kept as *.xlfast-left: xl-fast disks --drop %s removes them",
                m->source.name);
    return done ? 0 : XF_EXIT_FAILED;
}
