/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: lines of JSON, written by hand because the save helper is to load no JSON library. */
#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "transport/base/spent.h"
#include "guest.h"

#define PROGRESS_EVERY_US 200000u
#define TEXT_BYTES_MAX    200u /* of a name or a reason, before it is escaped */

/* ---- a line ------------------------------------------------------------------------------- */

/* A pipe that can take anything takes PIPE_BUF at once, so a line of that much never waits. */
struct line {
    char text[PIPE_BUF];
    size_t len;
    bool cut;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *l, const char *format, ...)
{
    size_t room = sizeof(l->text) - l->len;
    va_list args;

    va_start(args, format);
    int n = vsnprintf(l->text + l->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        l->cut = true;
    else
        l->len += (size_t)n;
}

static void add_u64(struct line *l, const char *key, uint64_t value)
{
    add(l, ",\"%s\":%" PRIu64, key, value);
}

static void add_bool(struct line *l, const char *key, bool value)
{
    add(l, ",\"%s\":%s", key, value ? "true" : "false");
}

/* The length of the UTF-8 character that text begins with; 0 if it is none. */
static unsigned utf8_bytes(const unsigned char *text)
{
    unsigned n = text[0] < 0x80   ? 1
                 : text[0] < 0xc2 ? 0
                 : text[0] < 0xe0 ? 2
                 : text[0] < 0xf0 ? 3
                 : text[0] < 0xf5 ? 4
                                  : 0;

    for (unsigned i = 1; i < n; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than need be, surrogates, beyond the last one. */
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return n;
}

static void add_text(struct line *l, const char *key, const char *value)
{
    const unsigned char *text = (const unsigned char *)value;

    if (!value)
        return;
    add(l, ",\"%s\":\"", key);
    for (size_t i = 0; i < TEXT_BYTES_MAX && text[i];) {
        unsigned n = utf8_bytes(text + i);

        if (!n)
            add(l, "\\ufffd");
        else if (text[i] == '"' || text[i] == '\\')
            add(l, "\\%c", text[i]);
        else if (text[i] < ' ' || text[i] == 0x7f)
            add(l, "\\u%04x", text[i]);
        else
            add(l, "%.*s", (int)n, value + i);
        i += n ? n : 1;
    }
    add(l, "\"");
}

static uint64_t since(uint64_t from_us, uint64_t to_us)
{
    return to_us > from_us ? to_us - from_us : 0;
}

static void begin(struct line *l, const char *event)
{
    l->len = 0;
    l->cut = false;
    add(l, "{\"version\":%d,\"event\":\"%s\"", XF_EVENTS_VERSION, event);
}

static void begin_at(struct line *l, struct xf_events *e, const char *event, uint64_t now_us)
{
    uint64_t us = since(e->start_us, now_us);

    if (us > e->last_us)
        e->last_us = us;
    begin(l, event);
    add_u64(l, "t_us", e->last_us);
}

/* A reader that has gone must not end a migration by SIGPIPE. */
static ssize_t write_without_signal(int fd, const void *data, size_t bytes)
{
    sigset_t pipe, before, pending;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    ssize_t n = write(fd, data, bytes);
    if (n < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

/* One write(2) a line, so that lines of two processes do not mix. */
static void end(struct xf_events *e, struct line *l)
{
    struct pollfd pfd = {.fd = e->fd, .events = POLLOUT};

    if (e->dropped)
        add_u64(l, "dropped", e->dropped);
    add(l, "}\n");
    ssize_t n = 0;

    if (!l->cut && poll(&pfd, 1, 0) == 1 && pfd.revents == POLLOUT)
        n = write_without_signal(e->fd, l->text, l->len);
    if (n == (ssize_t)l->len) {
        e->dropped = 0;
        return;
    }
    e->dropped++;
    /* The next one would go on in the half of a line that a full file system has taken. */
    off_t at = n > 0 ? lseek(e->fd, 0, SEEK_CUR) : -1;
    if (at >= n && ftruncate(e->fd, at - n))
        errno = 0;
}

/* ---- the events --------------------------------------------------------------------------- */

void xf_events_init(struct xf_events *e)
{
    *e = (struct xf_events){.fd = -1, .fixed_us = XF_EVENTS_NOT_KNOWN};
    pthread_mutex_init(&e->lock, NULL);
}

int xf_events_open(struct xf_events *e, const char *path)
{
    int fd = STDOUT_FILENO;

    /* stdout itself may become something else in a child that goes on with these events. */
    if (!strcmp(path, "-"))
        fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    else
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd < 0)
        return -errno;
    e->fd = fd;
    e->start_us = xf_now_us();
    return 0;
}

void xf_events_close(struct xf_events *e)
{
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
}

void xf_events_start(struct xf_events *e, const struct xf_events_start *start)
{
    struct timespec now;
    struct line l;

    if (e->fd < 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&e->lock);
    begin_at(&l, e, "start", xf_now_us());
    add_u64(&l, "time_us", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    add_u64(&l, "clock_us", e->start_us);
    add_text(&l, "program", start->program);
    add_text(&l, "guest", start->guest);
    add_text(&l, "host", start->host);
    if (start->domid >= 0)
        add_u64(&l, "domid", (uint64_t)start->domid);
    if (start->max_downtime_us)
        add_u64(&l, "max_downtime_us", start->max_downtime_us);
    if (start->hand_over) {
        const bool early = !strcmp(start->hand_over, "early");

        add_text(&l, "hand_over", early ? "early" : "late");
        add_text(&l, "late_because", early ? NULL : start->hand_over);
    }
    end(e, &l);
    pthread_mutex_unlock(&e->lock);
}

static void tell_round_begin(struct xf_events *e, uint32_t round, uint64_t pages, uint64_t now_us)
{
    struct line l;

    e->round = round;
    e->round_open = true;
    e->round_us = now_us;
    e->round_pages = pages;
    e->round_done = e->heard_us = 0;
    begin_at(&l, e, "round_begin", now_us);
    add_u64(&l, "round", round);
    if (pages)
        add_u64(&l, "pages", pages);
    add_bool(&l, "suspended", e->suspended);
    end(e, &l);
}

/* stats, dirty_pages: NULL if not known. */
static void tell_round_end(struct xf_events *e, uint64_t now_us, const struct xf_stats *stats,
                           const uint64_t *dirty_pages)
{
    struct line l;

    e->round_open = false;
    begin_at(&l, e, "round_end", now_us);
    add_u64(&l, "round", e->round);
    add_u64(&l, "pages", e->round_done);
    add_u64(&l, "duration_us", e->heard_us);
    add_bool(&l, "suspended", e->suspended);
    if (stats) {
        add_u64(&l, "zero", since(e->zero_before, stats->pages_zero));
        add_u64(&l, "repaired", since(e->repaired_before, stats->pages_repaired));
        add_u64(&l, "bytes", stats->bytes_wire);
        e->zero_before = stats->pages_zero;
        e->repaired_before = stats->pages_repaired;
    }
    if (dirty_pages)
        add_u64(&l, "dirty_pages", *dirty_pages);
    end(e, &l);
}

/* us: of the transport's part; 0: not known. What comes besides, nobody knows before the first move
   to that host. */
static void add_predicted(struct line *l, const struct xf_events *e, uint64_t us)
{
    if (!us || us == UINT64_MAX)
        return;
    add_u64(l, "predicted_copy_us", us);
    if (e->fixed_us != XF_EVENTS_NOT_KNOWN)
        add_u64(l, "predicted_downtime_us", us + e->fixed_us);
}

/* dirty_pages: NULL if not known. */
static void tell_suspend(struct xf_events *e, uint64_t now_us, const uint64_t *dirty_pages,
                         uint64_t predicted_us)
{
    struct line l;

    e->suspended = true;
    begin_at(&l, e, "suspend", now_us);
    if (dirty_pages)
        add_u64(&l, "dirty_pages", *dirty_pages);
    add_predicted(&l, e, predicted_us);
    end(e, &l);
}

static void tell_progress(struct xf_events *e, const struct xf_progress *p)
{
    uint64_t bytes = p->stats->bytes_wire;
    uint64_t us = since(e->progress_us, p->now_us);
    struct line l;

    begin_at(&l, e, "progress", p->now_us);
    add(&l, ",\"phase\":\"%s\"",
        p->verifying ? "verify" : xf_phase_name(e->suspended ? XF_PHASE_FINAL : p->phase));
    if (e->round_open) {
        add_u64(&l, "round", e->round);
        if (e->round_pages)
            add_u64(&l, "pages", e->round_pages);
        if (!e->rounds_by_hand)
            add_u64(&l, "pages_done", e->round_done);
    }
    add_u64(&l, "bytes", bytes);
    if (e->progress_us && us)
        add_u64(&l, "wire_bps",
                (uint64_t)((double)since(e->progress_bytes, bytes) * 8e6 / (double)us));
    if (p->bytes_per_s)
        add_u64(&l, "payload_bps", p->bytes_per_s * 8);
    if (p->dirty_pages)
        add_u64(&l, "dirty_pages", p->dirty_pages);
    if (p->throttle_pct)
        add_u64(&l, "throttle_pct", p->throttle_pct);
    add_predicted(&l, e, p->predicted_downtime_us);
    end(e, &l);
    e->progress_us = p->now_us;
    e->progress_bytes = bytes;
}

/* A round of pages is over when the next thing begins: its last call has given the totals. */
static void follow_rounds(struct xf_events *e, const struct xf_progress *p)
{
    bool moving = p->phase == XF_PHASE_LIVE || p->phase == XF_PHASE_FINAL;

    if (p->phase == XF_PHASE_FAILED)
        return;
    if (e->round_open && (p->round != e->round || p->verifying || p->phase == XF_PHASE_DONE))
        tell_round_end(e, p->now_us, p->stats, e->suspended ? NULL : &p->dirty_pages);
    if (p->phase == XF_PHASE_FINAL && !e->suspended)
        tell_suspend(e, p->now_us, &p->dirty_pages, p->stats->predicted_us);
    /* The last round may have nothing to send, and nobody hears of its beginning. */
    if (p->phase == XF_PHASE_DONE && p->stats->rounds > e->round) {
        tell_round_begin(e, p->stats->rounds, 0, p->now_us);
        tell_round_end(e, p->now_us, p->stats, NULL);
    }
    if (moving && !p->verifying && p->round && p->round_pages && p->round != e->round)
        tell_round_begin(e, p->round, p->round_pages, p->now_us);
    if (e->round_open && p->round == e->round) {
        e->round_done = p->round_done;
        e->heard_us = p->round_us;
    }
}

void xf_events_progress(struct xf_events *e, const struct xf_progress *p)
{
    struct line l;

    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    if (!e->connected && p->phase >= XF_PHASE_READY && p->phase <= XF_PHASE_DONE) {
        e->connected = true;
        begin_at(&l, e, "connected", p->now_us);
        end(e, &l);
    }
    if (!e->rounds_by_hand)
        follow_rounds(e, p);
    if (p->phase <= XF_PHASE_FINAL &&
        (!e->progress_us || p->now_us - e->progress_us >= PROGRESS_EVERY_US))
        tell_progress(e, p);
    pthread_mutex_unlock(&e->lock);
}

void xf_events_round_begin(struct xf_events *e, uint32_t round, uint64_t pages, uint64_t now_us)
{
    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    if (!e->round_open || e->round != round)
        tell_round_begin(e, round, pages, now_us);
    pthread_mutex_unlock(&e->lock);
}

void xf_events_round_end(struct xf_events *e, uint64_t pages, uint64_t duration_us)
{
    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    if (e->round_open) {
        e->round_done = pages;
        e->heard_us = duration_us;
        tell_round_end(e, e->round_us + duration_us, NULL, NULL);
    }
    pthread_mutex_unlock(&e->lock);
}

void xf_events_suspend(struct xf_events *e, uint64_t now_us, uint64_t predicted_us)
{
    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    tell_suspend(e, now_us, NULL, predicted_us);
    pthread_mutex_unlock(&e->lock);
}

void xf_events_set(struct xf_events *e, const struct xf_steer *steer, uint64_t now_us)
{
    struct line l;

    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    begin_at(&l, e, "set", now_us);
    if (steer->what & XF_STEER_MAX_DOWNTIME)
        add_u64(&l, "max_downtime_us", steer->max_downtime_us);
    if (steer->what & XF_STEER_BANDWIDTH)
        add_u64(&l, "bandwidth_bps", steer->bandwidth_bytes_per_s * 8);
    if (steer->what & XF_STEER_THROTTLE)
        add_bool(&l, "throttle", steer->throttle);
    if (steer->what & XF_STEER_NOW)
        add_bool(&l, "now", true);
    end(e, &l);
    pthread_mutex_unlock(&e->lock);
}

static void add_time(struct line *l, const struct xf_stats *s)
{
    struct xf_spent spent;

    xf_spent_of(&spent, s);
    add(l, ",\"time_pct\":{");
    for (unsigned i = 0; i < XF_SPENT_COUNT; i++)
        add(l, "%s\"%s\":%u", i ? "," : "", xf_spent_names[i], spent.pct[i]);
    add(l, "}");
}

/* Its parts follow each other without gaps; those of started follow them. */
static void add_downtime(struct line *l, const struct xf_events_end *x)
{
    const struct xf_stats *s = x->stats;
    uint64_t suspended_us = s->suspended_us ? s->suspended_us : s->suspend_us;
    uint64_t copied_us = s->copied_us ? s->copied_us : s->done_us;

    if (!s->suspend_us || !s->done_us)
        return;
    add(l, ",\"downtime\":{\"freeze_us\":%" PRIu64 ",\"copy_us\":%" PRIu64,
        since(s->suspend_us, suspended_us), since(suspended_us, copied_us));
    if (since(copied_us, s->done_us))
        add_u64(l, "verify_us", since(copied_us, s->done_us));
    if (x->context_us)
        add_u64(l, "context_us", x->context_us);
    add(l, "}");
}

void xf_events_end(struct xf_events *e, const struct xf_events_end *x)
{
    const struct xf_stats *s = x->stats;
    const uint64_t *rejects = x->rejects ? x->rejects : s->rejects;
    uint64_t memory_us = s->live_us ? since(s->live_us, s->done_us) : 0;
    const char *comma = "";
    struct line l;

    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    begin_at(&l, e, x->error ? "failed" : "done", xf_now_us());
    add_text(&l, "error", x->error);
    if (x->verified >= 0)
        add_bool(&l, "verified", x->verified);
    add_u64(&l, "rounds", e->rounds_by_hand ? e->round : s->rounds);
    add_u64(&l, "pages_total", s->pages_total);
    add_u64(&l, "pages_sent", s->pages_sent);
    add_u64(&l, "pages_zero", s->pages_zero);
    add_u64(&l, "pages_compressed", s->pages_compressed);
    add_u64(&l, "bytes_saved", s->bytes_saved);
    add_u64(&l, "pages_repaired", s->pages_repaired);
    add_u64(&l, "pages_deferred", s->pages_deferred);
    add_u64(&l, "pages_verified", s->pages_verified);
    add_u64(&l, "pages_unverified", s->pages_unverified);
    add_u64(&l, "bytes", s->bytes_wire);
    add_u64(&l, "packets_sent", s->packets_sent);
    add_u64(&l, "packets_lost", s->packets_lost);
    add_u64(&l, "path_bps", s->path_bytes_per_s * 8);
    add_u64(&l, "rtt_us", s->rtt_us);
    if (s->limit_bytes_per_s)
        add_u64(&l, "bandwidth_bps", s->limit_bytes_per_s * 8);
    if (x->total_us)
        add_u64(&l, "total_us", x->total_us);
    add_u64(&l, "memory_us", memory_us);
    if (memory_us)
        add_u64(&l, "payload_bps",
                (uint64_t)((double)since(s->pages_zero, s->pages_sent) * (double)XF_PAGE_BYTES *
                           8e6 / (double)memory_us));
    if (s->throttle_pct)
        add_u64(&l, "throttle_pct", s->throttle_pct);
    add_u64(&l, "lanes", s->lanes);
    add_time(&l, s);
    add_downtime(&l, x);
    add(&l, ",\"rejects\":{");
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        if (rejects[i]) {
            add(&l, "%s\"%s\":%" PRIu64, comma, xf_reject_names[i], rejects[i]);
            comma = ",";
        }
    add(&l, "}");
    end(e, &l);
    pthread_mutex_unlock(&e->lock);
}

void xf_events_started(struct xf_events *e, const struct xf_events_started *x, uint64_t now_us)
{
    struct line l;

    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    begin_at(&l, e, "started", now_us);
    add_u64(&l, "downtime_us", x->downtime_us);
    if (x->devices_us || x->go_us) {
        add_u64(&l, "devices_us", x->devices_us);
        add_u64(&l, "go_us", x->go_us);
    }
    add_text(&l, "limited_by", x->limited_by && *x->limited_by ? x->limited_by : NULL);
    if (x->vifs)
        add_u64(&l, "vifs", x->vifs);
    end(e, &l);
    pthread_mutex_unlock(&e->lock);
}

void xf_events_reachable(struct xf_events *e, const struct xf_events_reachable *x, uint64_t now_us)
{
    struct line l;

    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    begin_at(&l, e, "reachable", now_us);
    add_u64(&l, "vif", x->vif);
    add_text(&l, "mac", x->mac);
    if (x->seen)
        add_u64(&l, "reachable_after_us", x->after_us);
    else
        add(&l, ",\"reachable_after_us\":null");
    end(e, &l);
    pthread_mutex_unlock(&e->lock);
}

void xf_events_copy(struct xf_events *e, const char *name, const char *host, int status)
{
    struct line l;

    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    begin(&l, "copy");
    add_text(&l, "name", name);
    add_text(&l, "host", host);
    add(&l, ",\"status\":%d", status);
    end(e, &l);
    pthread_mutex_unlock(&e->lock);
}

void xf_events_exit(struct xf_events *e, int status)
{
    struct line l;

    if (e->fd < 0)
        return;
    pthread_mutex_lock(&e->lock);
    begin(&l, "exit");
    add(&l, ",\"status\":%d", status);
    end(e, &l);
    pthread_mutex_unlock(&e->lock);
}
