/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listens to what xl says, as it says it: when the target is ready, and when it has started the
 * guest, xl says in a line each (tools/xl/xl_migrate.c, the same in all versions). Both are heard
 * here, on the source's clock, on which the downtime began: so no two hosts' clocks are compared,
 * and what the target's last word takes to come is all that is too much. The second becomes the
 * event "started".
 *
 * Beside xl at the target, xl-fast-arrival says which of the guest's network interfaces it watches,
 * and how long ago the first frame of each came (xl-plugin/arrival/arrival.h): each becomes an
 * event "reachable". They may come after xl has ended here, so that after a move this process stays
 * for them, as long as the target watches and nobody ends the wait.
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
/* What the target's last word may be late by. */
#define REACHABLE_US ((XF_REACHABLE_S + 2) * UINT64_C(1000000))
#define AGE_MAX_US   (XF_REACHABLE_S * UINT64_C(1000000))
#define WAIT         'w' /* on stdin: the guest has moved, so that its first frames are waited for */

static const char ready[] = "migration sender: Target has acknowledged transfer.";
static const char result[] = "xl-fast: result {\"end\":\"target\"";
static const char arrival[] = "xl-fast: arrival {";
static const char started[] = "migration sender: Target reports successful startup.";
/* xl-fast-clone's, of a guest that is copied: the end of the time that it stood. */
static const char goes_on[] = "xl-fast: source: ", goes_on_end[] = " goes on";

struct listener {
    const struct xf_migrate *m;
    int fd;
    char line[LINE_BYTES];
    size_t len;
    uint64_t ready_us; /* 0: not yet */
    struct xf_limiter_end target;
    uint64_t target_dropped;
    bool over; /* xl's words are heard */
    /* 0: not known yet. When the guest was asked to suspend, and when it was started. */
    uint64_t suspend_us, started_us;
    /* after_us: by this host's clock, as long as suspend_us is not known. */
    struct xf_reachable reachable;
    uint64_t clock_us; /* when the events' times begin */
    bool told[XF_REACHABLE_MAX], all_told;
};

/* Whether that is still the file that was begun: nobody reads another that has taken its place. */
static bool open_events(const struct xf_migrate *m, struct xf_events *events)
{
    struct stat st;

    xf_events_init(events);
    return !stat(m->events, &st) && st.st_dev == m->events_dev && st.st_ino == m->events_ino &&
           !xf_events_open(events, m->events);
}

/* ---- the guest's first frames ------------------------------------------------------------------
 */

static unsigned untold(const struct listener *l)
{
    unsigned n = 0;

    for (unsigned i = 0; i < l->reachable.n; i++)
        n += !l->told[i];
    return n;
}

/* Those that were seen; with all, the others too: they were not, in time. */
static void tell_reachable(struct listener *l, uint64_t clock_us, bool all)
{
    struct xf_events events;

    if (!l->suspend_us || !untold(l) || !open_events(l->m, &events))
        return;
    events.start_us = clock_us;
    for (unsigned i = 0; i < l->reachable.n; i++) {
        const struct xf_reachable_vif *v = &l->reachable.at[i];
        const struct xf_events_reachable x = {
            .vif = v->vif,
            .mac = v->mac,
            .seen = v->seen,
            .after_us = v->after_us > l->suspend_us ? v->after_us - l->suspend_us : 0};

        if (l->told[i] || !(v->seen || all))
            continue;
        l->told[i] = true;
        xf_events_reachable(&events, &x, xf_now_us());
    }
    xf_events_close(&events);
}

static int64_t get_int(struct json_object *o, const char *key)
{
    struct json_object *v;

    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int)
               ? json_object_get_int64(v)
               : -1;
}

/* The target's words: which of them can be is looked at. */
static void take_arrival(struct listener *l, const char *json)
{
    uint64_t now_us = xf_now_us();
    struct json_object *o = json_tokener_parse(json), *v;
    int64_t age_us = get_int(o, "age_us"), vif = get_int(o, "vif");
    struct xf_reachable_vif *at = NULL;

    if (json_object_object_get_ex(o, "over", &v))
        l->all_told = true;
    else if (json_object_object_get_ex(o, "mac", &v) && !l->started_us)
        xf_reachable_take(&l->reachable, o);
    for (unsigned i = 0; age_us >= 0 && i < l->reachable.n; i++)
        if (l->reachable.at[i].vif == (uint64_t)vif && !l->reachable.at[i].seen)
            at = &l->reachable.at[i];
    if (at && age_us <= (int64_t)AGE_MAX_US) {
        at->seen = true;
        at->after_us = now_us - (uint64_t)age_us;
    }
    json_object_put(o);
    tell_reachable(l, l->clock_us, l->all_told);
}

/* ---- xl's words ------------------------------------------------------------------------------ */

static void tell(const struct listener *l, const struct xf_story *s, uint64_t now_us)
{
    const struct xf_migrate *m = l->m;
    const uint64_t done_us = s->clock_us + s->end_us;
    char limit[XF_LIMITER_BYTES];
    struct xf_limiter limiter = xf_story_limiter(s);
    /* A copy's devices take none of the guest's time. */
    const uint64_t ready_us = m->copy || l->ready_us < done_us ? done_us : l->ready_us;
    struct xf_events_started x = {.devices_us = ready_us - done_us,
                                  .go_us = now_us > ready_us ? now_us - ready_us : 0};
    struct xf_events events;

    limiter.target = l->target;
    limiter.target_dropped = l->target_dropped;
    x.limited_by = xf_limiter_say(limit, &limiter);
    x.vifs = l->reachable.n;
    x.downtime_us = xf_downtime_sum_us(&s->downtime) + x.devices_us + x.go_us;
    if (!open_events(m, &events))
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
    if (read_story(l->m, &s) && s.clock_us) {
        tell(l, &s, now_us);
        l->clock_us = s.clock_us;
        l->started_us = now_us;
        l->suspend_us = s.clock_us + s.end_us - xf_downtime_sum_us(&s.downtime);
    }
    xf_story_free(&s);
    tell_reachable(l, l->clock_us, l->all_told);
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

static void take_goes_on(struct listener *l)
{
    const size_t end = sizeof(goes_on_end) - 1;

    if (strncmp(l->line, goes_on, sizeof(goes_on) - 1) != 0 || strlen(l->line) < end ||
        strcmp(l->line + strlen(l->line) - end, goes_on_end) != 0)
        return;
    take_started(l);
}

static void take_line(struct listener *l)
{
    const char *told;

    l->line[l->len] = 0;
    l->len = 0;
    /* With -p the guest is paused there. */
    if (l->m->o.pause)
        return;
    if ((told = strstr(l->line, arrival)))
        take_arrival(l, strchr(told, '{'));
    else if (l->over)
        return;
    else if ((told = strstr(l->line, result)))
        take_result(l, strchr(told, '{'));
    else if (l->m->copy)
        take_goes_on(l);
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

/* xl has ended. Whether to stay, for frames. */
static bool is_to_wait(const struct listener *l)
{
    return l->started_us && untold(l) && xf_now_us() - l->started_us < REACHABLE_US;
}

/* Until stdin ends, which is when xl has; and then for the guest's first frames. */
static int listen_to_xl(void *arg)
{
    struct listener l = {.m = arg};
    struct pollfd fds[] = {{.fd = STDIN_FILENO},
                           {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN}};
    char changes[4096];
    bool last = false, waits = false;
    char word;

    prctl(PR_SET_NAME, "xl-fast-listen");
    l.fd = open(l.m->said, O_RDONLY | O_CLOEXEC);
    if (l.fd < 0)
        return 1;
    inotify_add_watch(fds[1].fd, l.m->said, IN_MODIFY);
    for (;;) {
        take_new(&l);
        if (last && !(waits && is_to_wait(&l)))
            break;
        poll(fds, 2, LOOK_MS);
        if (!last && fds[0].revents) {
            last = true; /* and once more, for what xl said before */
            waits = read(STDIN_FILENO, &word, 1) == 1 && word == WAIT;
            fds[0].fd = -1;
            if (waits && is_to_wait(&l) && l.m->screen == XF_SCREEN_ALL)
                xf_migrate_say("%s runs on %s; waiting for its first frame, %d s at most; Ctrl-C "
                               "ends the wait",
                               l.m->source.name, l.m->o.host, XF_REACHABLE_S);
        }
        while (read(fds[1].fd, changes, sizeof(changes)) > 0)
            ;
    }
    if (waits)
        tell_reachable(&l, l.clock_us, true);
    return 0;
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

static bool is_waited_for(void)
{
    const char *wait = getenv("XL_FAST_WAIT");

    return !wait || strcmp(wait, "0") != 0;
}

/* Whoever reads our stderr may not; then a signal ends the wait. */
void xf_migrate_listen_end(struct xf_migrate *m, bool moved)
{
    const char word = WAIT;
    int status;

    if (m->listener <= 0)
        return;
    if (moved && is_waited_for() && write(m->listener_stdin, &word, 1) < 0)
        moved = false; /* it has ended: there is no wait */
    close(m->listener_stdin);
    if (!xf_process_wait(&m->signals, m->listener, &status)) {
        kill(m->listener, SIGKILL);
        xf_process_end(m->listener);
    }
    m->listener = 0;
}

void xf_migrate_listen_say(const struct xf_migrate *m)
{
    char text[XF_DOWNTIME_BYTES], reachable[XF_REACHABLE_BYTES];
    struct xf_story s;

    if (m->screen != XF_SCREEN_ALL)
        return;
    if (read_story(m, &s))
        xf_migrate_say("%s: downtime %s", m->source.name, xf_downtime_show(text, &s.downtime));
    if (s.reachable.n)
        xf_migrate_say("%s: reachable %s", m->source.name,
                       xf_reachable_show(reachable, &s.reachable));
    xf_story_free(&s);
}
