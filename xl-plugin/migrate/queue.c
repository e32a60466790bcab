/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One migration at a time has a port (xl-plugin/plugin/portlock.h). At this end the others wait for
 * their turn, in the order in which they came; at the target, by asking again. What was known of
 * the guest is asked anew after each wait. The lock is this process's: what it starts does not keep
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steps.h"
#include "say.h"
#include "xl-plugin/screen/moving.h"

/* So long the preflight of a source may look at it. */
#define LOOK_MS      300
#define LOOK_STEP_MS 20
/* Between two questions to the target; XL_FAST_POLL, in seconds, is for tests. */
#define ASK_MS 2000

/* The lock's file. -1: not a matter of the guest. Where this cannot be, the plug-in's own lock
   refuses the second. */
static int open_turn(const char *port)
{
    char path[XF_PATH_BYTES], name[300];

    if (xf_moving_path(path, sizeof(path), "") || (mkdir(path, 0700) && errno != EEXIST))
        return -1;
    snprintf(name, sizeof(name), "queue-%s", port);
    for (char *c = name; *c; c++)
        if (*c == '/')
            *c = '_';
    if (xf_moving_path(path, sizeof(path), name))
        return -1;
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
}

/* In a process of its own, so that a signal is heard meanwhile. The lock is that of the file which
   both have open. */
static int lock(void *arg)
{
    const pid_t *parent = arg;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != *parent)
        return 1;
    while (flock(STDIN_FILENO, LOCK_EX))
        if (errno != EINTR)
            return 1;
    return 0;
}

static enum xf_step wait_for_turn(struct xf_migrate *m)
{
    const int files[3] = {m->turn, -1, -1};
    pid_t parent = getpid(), pid = xf_process_fork(&m->signals, files, lock, &parent);
    int status;

    if (pid < 0 || xf_process_wait(&m->signals, pid, &status))
        return XF_STEP_ON;
    kill(pid, SIGKILL);
    xf_process_end(pid);
    return XF_STEP_CANCELLED;
}

enum xf_step xf_migrate_queue_here(struct xf_migrate *m)
{
    enum xf_step step;

    m->turn = open_turn(m->source.port);
    if (m->turn < 0)
        return XF_STEP_ON;
    for (int ms = 0; ms < LOOK_MS; ms += LOOK_STEP_MS) {
        if (!flock(m->turn, LOCK_EX | LOCK_NB))
            return XF_STEP_ON;
        if (xf_signals_wait(&m->signals, LOOK_STEP_MS))
            return XF_STEP_CANCELLED;
    }
    xf_migrate_events_wait(m, "source");
    XF_NOTE(m, "%s waits for its turn: another migration has %s", m->o.domain, m->source.port);
    step = wait_for_turn(m);
    return step == XF_STEP_ON ? xf_migrate_ask_source(m) : step;
}

void xf_migrate_queue_leave(struct xf_migrate *m)
{
    if (m->turn >= 0)
        close(m->turn);
    m->turn = -1;
}

static void say_busy(struct xf_migrate *m)
{
    const struct xf_answers *t = &m->target;

    xf_migrate_events_wait(m, "target");
    if (t->before[0] && strcmp(t->before, "0") != 0)
        XF_NOTE(m, "%s waits for its turn: %s migrations before it wait for %s at %s", m->o.domain,
                t->before, t->port, m->o.host);
    else if (strcmp(t->busy, "0") != 0)
        XF_NOTE(m, "%s waits: another migration has %s at %s (process %s there)", m->o.domain,
                t->port, m->o.host, t->busy);
    else
        XF_NOTE(m, "%s waits: another migration has %s at %s", m->o.domain, t->port, m->o.host);
}

static int ask_ms(void)
{
    const char *poll_s = getenv("XL_FAST_POLL");

    return poll_s && *poll_s ? (int)(strtod(poll_s, NULL) * 1000) : ASK_MS;
}

enum xf_step xf_migrate_queue_there(struct xf_migrate *m)
{
    bool told = false, lets_go;
    enum xf_step step;

    while ((step = xf_migrate_ask_target(m)) == XF_STEP_ON && m->target.busy[0]) {
        if (!told)
            say_busy(m);
        told = true;
        /* Of two hosts whose migrations wait for each other, one lets go (preflight_here.c). */
        lets_go = m->target.yield[0] && m->turn >= 0;
        if (lets_go)
            xf_migrate_queue_leave(m);
        if (xf_signals_wait(&m->signals, ask_ms()))
            return XF_STEP_CANCELLED;
        step = xf_migrate_ask_source(m);
        if (step == XF_STEP_ON && lets_go)
            step = xf_migrate_queue_here(m);
        if (step != XF_STEP_ON)
            return step;
    }
    return step;
}
