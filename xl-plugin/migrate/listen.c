/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listens to what xl says, as it says it: when the target is ready, and when it has started the
 * guest, xl says in a line each (tools/xl/xl_migrate.c, the same in all versions). Both are heard
 * here, on the source's clock, on which the downtime began: so no two hosts' clocks are compared,
 * and what the target's last word takes to come is all that is too much. The second becomes the
 * event "started".
 *
 * xl writes to a file and waits for nobody; this process reads it. With --verbose it also copies
 * what comes to stderr. Without it a move lacks a figure, no more. The target's host could say the
 * same words through ssh: that costs it the truth of its own downtime.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "say.h"
#include "steps.h"
#include "transport/base/clock.h"
#include "transport/events.h"
#include "xl-plugin/screen/story.h"

#define LINE_BYTES 4096 /* of a longer line, the beginning counts */
#define LOOK_MS    500  /* where the file's changes cannot be watched */

static const char ready[] = "migration sender: Target has acknowledged transfer.";
static const char result[] = "xl-fast: result {\"end\":\"target\"";
static const char started[] = "migration sender: Target reports successful startup.";

struct listener {
    const struct xf_migrate *m;
    int fd;
    char line[LINE_BYTES];
    size_t len;
    uint64_t ready_us; /* 0: not yet */
    struct xf_limiter_end target;
    uint64_t target_dropped;
    bool over; /* all is heard */
};

/* Only into the file that was begun: nobody reads another that has taken its place. */
static void tell(const struct listener *l, const struct xf_story *s, uint64_t now_us)
{
    const struct xf_migrate *m = l->m;
    const uint64_t done_us = s->clock_us + s->end_us;
    char limit[XF_LIMITER_BYTES];
    struct xf_limiter limiter = xf_story_limiter(s);
    struct xf_events_started x = {.devices_us = l->ready_us > done_us ? l->ready_us - done_us : 0,
                                  .go_us = now_us - l->ready_us};
    struct xf_events events;
    struct stat st;

    limiter.target = l->target;
    limiter.target_dropped = l->target_dropped;
    x.limited_by = xf_limiter_say(limit, &limiter);
    x.downtime_us = xf_downtime_sum_us(&s->downtime) + x.devices_us + x.go_us;
    if (stat(m->events, &st) || st.st_dev != m->events_dev || st.st_ino != m->events_ino)
        return;
    xf_events_init(&events);
    if (xf_events_open(&events, m->events))
        return;
    events.start_us = s->clock_us;
    xf_events_started(&events, &x, now_us);
    xf_events_close(&events);
}

/* What the events tell so far; xf_story_free() in any case. */
static bool read_story(const struct xf_migrate *m, struct xf_story *s)
{
    char why[XF_STORY_ERR_BYTES];
    FILE *events = fopen(m->events, "re");
    bool ok = false;

    *s = (struct xf_story){0};
    if (!events)
        return false;
    if (!fseeko(events, (off_t)m->from, SEEK_SET))
        ok = !xf_story_read(s, events, why) && s->done && xf_downtime_any(&s->downtime);
    fclose(events);
    return ok;
}

static void take_started(struct listener *l)
{
    uint64_t now_us = xf_now_us();
    struct xf_story s;

    l->over = true;
    if (read_story(l->m, &s) && s.clock_us)
        tell(l, &s, now_us);
    xf_story_free(&s);
}

/* The target's own words of where its time went. */
static void take_result(struct listener *l, const char *json)
{
    struct json_object *o = json_tokener_parse(json), *v;

    if (json_object_object_get_ex(o, "time_pct", &v))
        xf_limiter_take_time(&l->target, v);
    if (json_object_object_get_ex(o, "lanes", &v))
        l->target.lanes = (unsigned)json_object_get_int(v);
    if (json_object_object_get_ex(o, "port_rx_missed", &v))
        l->target_dropped = json_object_get_uint64(v);
    json_object_put(o);
}

static void take_line(struct listener *l)
{
    const char *told;

    l->line[l->len] = 0;
    l->len = 0;
    /* With -p the guest is paused there. */
    if (l->over || l->m->o.pause)
        return;
    if ((told = strstr(l->line, result)))
        take_result(l, strchr(told, '{'));
    else if (!l->ready_us && strstr(l->line, ready))
        l->ready_us = xf_now_us();
    else if (l->ready_us && strstr(l->line, started))
        take_started(l);
}

static void copy(const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t out = write(STDERR_FILENO, bytes + at, n - at);

        if (out < 0 && errno != EINTR)
            return;
        at += out > 0 ? (size_t)out : 0;
    }
}

static void take_new(struct listener *l)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(l->fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] == '\n' || bytes[i] == '\r')
                take_line(l);
            else if (l->len < LINE_BYTES - 1)
                l->line[l->len++] = bytes[i];
        }
        if (l->m->screen == XF_SCREEN_ALL)
            copy(bytes, (size_t)n);
    }
}

/* Until stdin ends, which is when xl has. */
static int listen_to_xl(void *arg)
{
    struct listener l = {.m = arg};
    struct pollfd fds[] = {{.fd = STDIN_FILENO},
                           {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN}};
    char changes[4096];
    bool last = false;

    prctl(PR_SET_NAME, "xl-fast-listen");
    l.fd = open(l.m->said, O_RDONLY | O_CLOEXEC);
    if (l.fd < 0)
        return 1;
    inotify_add_watch(fds[1].fd, l.m->said, IN_MODIFY);
    for (;;) {
        take_new(&l);
        if (last)
            return 0;
        poll(fds, 2, LOOK_MS);
        last = fds[0].revents; /* and once more, for what xl said before */
        while (read(fds[1].fd, changes, sizeof(changes)) > 0)
            ;
    }
}

void xf_migrate_listen_begin(struct xf_migrate *m)
{
    int ends[2], files[3] = {-1, STDERR_FILENO, STDERR_FILENO};

    m->listener = 0;
    if (!m->said[0] || pipe2(ends, O_CLOEXEC))
        return;
    files[0] = ends[0];
    m->listener = xf_process_fork(&m->signals, files, listen_to_xl, m);
    m->listener_stdin = ends[1];
    close(ends[0]);
}

/* Whoever reads our stderr may not; then a signal ends the wait. */
void xf_migrate_listen_end(struct xf_migrate *m)
{
    int status;

    if (m->listener <= 0)
        return;
    close(m->listener_stdin);
    if (!xf_process_wait(&m->signals, m->listener, &status)) {
        kill(m->listener, SIGKILL);
        xf_process_end(m->listener);
    }
    m->listener = 0;
}

void xf_migrate_listen_say(const struct xf_migrate *m)
{
    char text[XF_DOWNTIME_BYTES];
    struct xf_story s;

    if (m->screen != XF_SCREEN_ALL)
        return;
    if (read_story(m, &s))
        xf_migrate_say("%s: downtime %s", m->source.name, xf_downtime_show(text, &s.downtime));
    xf_story_free(&s);
}
