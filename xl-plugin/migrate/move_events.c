/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plug-in writes events to a file, which never holds it up; what they become is read from
 * there, by processes that may be held up: the screen (xl-fast follow), or who copies them to
 * stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steps.h"
#include "say.h"
#include "transport/events.h"
#include "xl-plugin/screen/moving.h"

#define COPY_MS    100
#define LINE_BYTES (64u << 10) /* no event is as long */
#define LATE_MS    500         /* for what was written before the last event could not be */

static const char exit_event[] = "\"event\":\"exit\"";

bool xf_migrate_can_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

bool xf_migrate_events_each(const struct xf_migrate *m, bool (*take)(void *arg, const char *line),
                            void *arg)
{
    FILE *f = m->events[0] ? fopen(m->events, "re") : NULL;
    char *line = NULL;
    size_t size = 0;
    bool taken = false;

    if (f && !fseeko(f, (off_t)m->from, SEEK_SET))
        while (!taken && getline(&line, &size, f) > 0)
            taken = take(arg, line);
    free(line);
    if (f)
        fclose(f);
    return taken;
}

static bool is_start(void *arg, const char *line)
{
    (void)arg;
    return strstr(line, "\"event\":\"start\"");
}

bool xf_migrate_events_began(const struct xf_migrate *m)
{
    return xf_migrate_events_each(m, is_start, NULL);
}

/* Its words: xl-plugin/plugin/ended.h. */
static bool is_end_of_guest(void *arg, const char *line)
{
    const char *failed = strstr(line, "\"event\":\"failed\"");

    (void)arg;
    return failed && strstr(failed, "the guest has ended while it moved");
}

bool xf_migrate_events_guest_ended(const struct xf_migrate *m)
{
    return xf_migrate_events_each(m, is_end_of_guest, NULL);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static bool write_all(int fd, const char *text, size_t n)
{
    return write(fd, text, n) == (ssize_t)n;
}

/* Only into the file that was begun: nobody reads another that has taken its place. */
static bool append(const struct xf_migrate *m, const char *line)
{
    int fd = open(m->events, O_WRONLY | O_APPEND | O_CLOEXEC);
    struct stat st;
    bool ok = fd >= 0 && !fstat(fd, &st) && st.st_dev == m->events_dev &&
              st.st_ino == m->events_ino && write_all(fd, line, strlen(line));

    if (fd >= 0)
        close(fd);
    return ok;
}

void xf_migrate_events_wait(struct xf_migrate *m, const char *port_of)
{
    char line[100];
    int fd;

    snprintf(line, sizeof(line), "{\"version\":%d,\"event\":\"wait\",\"port_of\":\"%s\"}\n",
             XF_EVENTS_VERSION, port_of);
    if (m->o.json && !write_all(STDOUT_FILENO, line, strlen(line)))
        return; /* nobody reads */
    if (!m->record[0])
        return;
    fd = open(m->events, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    write_all(fd, line, strlen(line)); /* or status does not see it */
    close(fd);
}

void xf_migrate_events_copy(const struct xf_migrate *m, const struct xf_copy *copy)
{
    struct xf_events events;
    struct stat st;

    xf_events_init(&events);
    if (!m->events[0] || stat(m->events, &st) || st.st_dev != m->events_dev ||
        st.st_ino != m->events_ino || xf_events_open(&events, m->events))
        return;
    xf_events_copy(&events, copy->name, copy->host, copy->status);
    xf_events_close(&events);
}

/* ---- who shows them ---------------------------------------------------------------------------
 */

struct copier {
    const char *path;
    uint64_t from;
    pid_t parent;
};

/* To stdout, whole lines, until the last one or the migration's end. Its stdin is not used. */
static int copy_events(void *arg)
{
    const struct copier *c = arg;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC);
    char *line = malloc(LINE_BYTES);
    size_t n = 0;
    bool gone = false;

    prctl(PR_SET_NAME, "xl-fast-events");
    if (fd < 0 || !line || lseek(fd, (off_t)c->from, SEEK_SET) < 0)
        return 1;
    for (;;) {
        ssize_t got = read(fd, line + n, LINE_BYTES - 1 - n);
        char *end;

        n += got > 0 ? (size_t)got : 0;
        line[n] = 0;
        while ((end = memchr(line, '\n', n))) {
            size_t bytes = (size_t)(end + 1 - line);
            bool last;

            *end = 0;
            last = strstr(line, exit_event);
            *end = '\n';
            for (size_t at = 0; at < bytes;) {
                ssize_t out = write(STDOUT_FILENO, line + at, bytes - at);

                if (out < 0 && errno != EINTR)
                    return 1;
                at += out > 0 ? (size_t)out : 0;
            }
            if (last)
                return 0;
            n -= bytes;
            memmove(line, end + 1, n + 1);
        }
        if (n == LINE_BYTES - 1)
            n = 0; /* no event */
        if (got > 0)
            continue;
        if (gone)
            return 1;
        gone = getppid() != c->parent; /* and once more, for what it wrote before */
        if (!gone)
            poll(NULL, 0, COPY_MS);
    }
}

static void start_copier(struct xf_migrate *m)
{
    struct copier c = {m->events, m->from, getpid()};
    const int files[3] = {-1, STDOUT_FILENO, STDERR_FILENO};

    m->follower = xf_process_fork(&m->signals, files, copy_events, &c);
}

static void start_screen(struct xf_migrate *m)
{
    char from[24], pid[16];
    const char *const argv[] = {"/proc/self/exe",
                                "follow",
                                "--from",
                                from,
                                "--pid",
                                pid,
                                m->events,
                                m->copy ? "--copy" : NULL,
                                m->copy ? m->names : NULL,
                                NULL};
    /* SIGUSR1, which tells it of a cancellation, may come before it is ready for it. */
    const struct xf_process screen = {
        argv, NULL, {-1, STDOUT_FILENO, STDERR_FILENO}, XF_EARS_LATER};

    snprintf(from, sizeof(from), "%" PRIu64, m->from);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    m->follower = xf_process_start(&m->signals, &screen);
}

/* All that xl and both ends say goes to a file: a write to it waits for nobody. Where that cannot
   be, it goes to our stderr. */
static void begin_screen(struct xf_migrate *m)
{
    char name[60];

    snprintf(name, sizeof(name), "said-%s", m->attempt);
    if (xf_moving_path(m->said, sizeof(m->said), name) || !xf_migrate_can_write(m->said)) {
        m->said[0] = 0;
        m->screen = XF_SCREEN_ALL;
    }
}

static enum xf_step cannot(const struct xf_migrate *m, const char *what)
{
    xf_migrate_say("%s: %s", m->events, what);
    return XF_STEP_FAILED;
}

static enum xf_step no_place(struct xf_migrate *m)
{
    char dir[XF_PATH_BYTES];

    m->events[0] = 0;
    m->screen = XF_SCREEN_ALL;
    /* Only who has asked for them is told. */
    if (!m->o.json && !m->o.report)
        return XF_STEP_ON;
    xf_moving_path(dir, sizeof(dir), "");
    xf_migrate_say("cannot make a file in %s", dir);
    return XF_STEP_FAILED;
}

enum xf_step xf_migrate_events_begin(struct xf_migrate *m)
{
    struct stat st;

    m->screen = m->o.screen;
    m->follower = 0;
    if (!m->events[0] || (m->own_events && !xf_migrate_can_write(m->events)))
        return no_place(m);
    /* What is no file, such as a pipe, could hold this up. */
    if (!stat(m->events, &st) && !S_ISREG(st.st_mode))
        return cannot(m, "is not a file");
    if (!xf_migrate_can_write(m->events) || stat(m->events, &st))
        return cannot(m, "cannot be written");
    m->from = (uint64_t)st.st_size;
    m->events_dev = st.st_dev;
    m->events_ino = st.st_ino;
    begin_screen(m);
    if (m->o.json)
        start_copier(m);
    else if (m->screen == XF_SCREEN_LIVE)
        start_screen(m);
    return XF_STEP_ON;
}

void xf_migrate_events_stop(struct xf_migrate *m)
{
    if (m->follower > 0) {
        kill(m->follower, SIGKILL);
        xf_process_end(m->follower);
    }
    m->follower = 0;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

/* The last event could not be written: who follows would wait for it. */
static void end_without(struct xf_migrate *m, const char *line)
{
    xf_migrate_say("%s: not all events could be written", m->events);
    poll(NULL, 0, LATE_MS);
    if (m->follower > 0)
        kill(m->follower, m->o.json ? SIGTERM : SIGUSR2);
    if (!m->o.json)
        return;
    if (m->follower > 0)
        xf_process_end(m->follower);
    m->follower = 0;
    write_all(STDOUT_FILENO, line, strlen(line)); /* if somebody reads it */
}

/* Whoever reads what the follower writes may not; then another signal ends the wait. Returns
   whether it has shown all. */
static bool wait_for_follower(struct xf_migrate *m)
{
    int status = 0;

    if (m->follower > 0 && !xf_process_wait(&m->signals, m->follower, &status)) {
        xf_migrate_events_stop(m);
        status = 1;
    }
    m->follower = 0;
    return !status;
}

static void make_report(const struct xf_migrate *m)
{
    const char *const argv[] = {"/proc/self/exe", "report", m->events, m->o.report, NULL};
    const struct xf_process report = {
        argv, NULL, {-1, m->o.json ? STDERR_FILENO : STDOUT_FILENO, STDERR_FILENO}, XF_EARS_USUAL};
    pid_t pid = xf_process_start(&m->signals, &report);

    if (pid > 0)
        xf_process_end(pid);
}

void xf_migrate_events_end(struct xf_migrate *m, int status)
{
    bool live = m->follower && !m->o.json, once;
    char line[80];

    if (!m->events[0])
        return;
    while (xf_signals_take(&m->signals, &once)) /* it is over, and they are too late */
        ;
    snprintf(line, sizeof(line), "{\"version\":%d,%s,\"status\":%d}\n", XF_EVENTS_VERSION,
             exit_event, status);
    if (!append(m, line))
        end_without(m, line);
    m->over = true;
    m->status = status;
    if (!wait_for_follower(m) && live && !status && !m->copy)
        xf_migrate_say("%s has moved to %s", m->source.name, m->o.host);
    if (m->o.report)
        make_report(m);
}
