/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's order of events for a PV guest, in three threads:
 *
 *   caller's thread                 pump                        engine
 *                                                               port up
 *                                                               io_fd <- headers, XF_OFFER
 *   waits                                                       link  <> answer, ready
 *   io_fd's number becomes the pair; from here the guest is touched
 *   stock xc_domain_save()  pair -> reads record by record
 *     precopy_policy: rounds        PAGE_DATA: pages -> buffer  link  <- batches
 *                                   io_fd <- XF_BATCH, others
 *     suspend
 *     to verify: all once more    VERIFY -> io_fd <- XF_COMPARE
 *   returns                      -> END: no more batches        link  <> the last has landed
 *                                   io_fd <- XF_PAGES, END
 *   io_fd's number is itself again                              port down
 *
 * The stock function writes to io_fd's number, and so the helper's answer to SIGTERM (it puts an
 * unwritable file there) stops it as ever; the pump then sees the pair's end. What fails first says
 * why and shuts the pair down: the stock function's next write fails, it puts the guest back in
 * order and returns -1.
 */
#include "tunnel_save.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../transport/clock.h"
#include "../../transport/fault.h"
#include "../../transport/source.h"
#include "report.h"
#include "say.h"
#include "tunnel_source.h"

#define LOOK_EVERY_US 5000 /* at io_fd */
#define LOOK_EVERY_MS 50   /* the same, where it is a wait */
#define IDLE_US       100  /* sleep when there is nothing to do */
/* After POLLOUT a pipe takes so much without blocking. */
#define PIPE_PIECE 4096u
/* A rate taken from fewer pages than this says little. */
#define RATE_PAGES_MIN 256u

struct save {
    const struct xf_tunnel_save *p;
    int real;            /* what io_fd was */
    struct stat io_stat; /* what io_fd's number stands for: it, then the pair */
    int pair[2];         /* [0] ours, [1] becomes io_fd's number; -1 when it has */
    int mark_fd;         /* caller -> pump: say when you have read all that is written so far */
    struct xf_tunnel_source *tunnel;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    int shut_fd;     /* pair[0], once there is a pair */
    char error[256]; /* the first reason */
    int failed;      /* its -errno */
    bool over, ok;   /* the engine may report and go */

    /* Engine's. */
    struct xf_report report;
    struct xf_config config; /* the caller's too, after wait_started() */
    struct xf_link *link;
    struct xf_offer offer;
    uint8_t headers[XF_HEADERS_BYTES]; /* the pump's too */
    struct xf_stats stats;             /* the pump's too, after wait_done() */
    bool verify;                       /* everybody's, after wait_started() */

    /* The pump's, once the guest is suspended. */
    uint64_t unsteady[XF_UNSTEADY_MAX];
    int unsteady_n;
    bool comparing;    /* pages come a second time */
    uint64_t verified; /* of them, those that must not differ */

    /* The caller's. */
    unsigned marks;
    struct xf_policy policy;
    struct {
        uint64_t began_us;
        struct xf_tunnel_counts before;
        long dirty;    /* pages that it is to send */
        uint64_t sent; /* pages that it has sent */
        unsigned stalled;
    } round;
    unsigned rounds; /* of which something was said */
    uint64_t bytes_per_s, live_us;
    _Atomic uint64_t suspend_us, suspended_us;
};

/* The first reason counts; whatever waits for the tunnel stops. */
__attribute__((format(printf, 3, 4))) static int fail(struct save *s, int rc, const char *format,
                                                      ...)
{
    va_list args;

    pthread_mutex_lock(&s->lock);
    if (!s->error[0]) {
        va_start(args, format);
        vsnprintf(s->error, sizeof(s->error), format, args);
        va_end(args);
        s->failed = rc;
        xf_say("source: %s", s->error);
    }
    if (s->shut_fd >= 0)
        shutdown(s->shut_fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    xf_tunnel_source_fail(s->tunnel);
    return rc;
}

/* The helper's handler of SIGTERM has put something else in the place of io_fd. */
static bool cancelled(const struct save *s)
{
    struct stat now;

    return fstat(s->p->io_fd, &now) || now.st_dev != s->io_stat.st_dev ||
           now.st_ino != s->io_stat.st_ino;
}

static int stock_failed(struct save *s)
{
    if (cancelled(s))
        return fail(s, -ECANCELED, "cancelled by the toolstack");
    return fail(s, -EIO, "Xen's own save has failed");
}

/* ---- io_fd ----------------------------------------------------------------------------------- */

/* Writes as xf_stream_write(), but stops when the tunnel has failed. */
static int write_out(struct save *s, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len) {
        struct pollfd out = {.fd = s->real, .events = POLLOUT};
        size_t piece = len < PIPE_PIECE ? len : PIPE_PIECE;

        if (xf_tunnel_source_failed(s->tunnel))
            return -ECANCELED;
        if (poll(&out, 1, LOOK_EVERY_MS) <= 0)
            continue;
        int rc = xf_stream_write(s->real, from, piece);
        if (rc)
            return fail(s, rc, "cannot write to the target's xl: %s", strerror(-rc));
        from += piece;
        len -= piece;
    }
    return 0;
}

static int write_record(struct save *s, uint32_t type, const void *body, uint32_t length)
{
    uint32_t header[2] = {htole32(type), htole32(length)};
    int rc = XF_FAULT(tunnel_save_record_write) ?: write_out(s, header, sizeof(header));

    return rc ? rc : write_out(s, body, length);
}

/* ---- engine ---------------------------------------------------------------------------------- */

static int open_port(struct save *s)
{
    char err[256] = "";
    uint64_t before = xf_now_us();
    int rc = XF_FAULT(tunnel_save_port_open)
                 ?: s->p->port->open(s->p->port->arg, &s->link, &s->config, err);

    s->report.port_up_us = xf_now_us() - before;
    return rc ? fail(s, rc, "%s", err[0] ? err : strerror(-rc)) : 0;
}

static int write_offer(struct save *s, uint64_t page_count)
{
    uint8_t offer[XF_OFFER_BYTES];
    int rc = XF_FAULT(tunnel_save_offer_write) ?: xf_offer_new(&s->offer, s->link, page_count);

    if (rc)
        return fail(s, rc, "cannot make an offer: %s", strerror(-rc));
    s->verify = s->p->verify || s->config.verify;
    if (s->verify)
        s->offer.features |= XF_FEATURE_VERIFY;
    xf_offer_encode(&s->offer, offer);
    rc = write_out(s, s->headers, sizeof(s->headers));
    if (!rc)
        rc = write_record(s, XF_REC_OFFER, offer, sizeof(offer));
    explicit_bzero(offer, sizeof(offer));
    return rc;
}

static int step_until_done(struct save *s, struct xf_source *source)
{
    uint64_t looked = 0;
    int rc;

    do {
        uint64_t now = xf_now_us();

        if (now - looked >= LOOK_EVERY_US) {
            struct pollfd io = {.fd = s->real};

            looked = now;
            if (poll(&io, 1, 0) > 0 && io.revents & (POLLERR | POLLHUP | POLLNVAL))
                fail(s, -EPIPE,
                     "the target's xl has closed the connection (its reason stands above)");
            if (xf_tunnel_source_failed(s->tunnel)) {
                xf_source_abort(source, s->error);
                return -ECANCELED;
            }
        }
        rc = xf_source_step(source, now);
        if (!rc && xf_source_idle(source))
            xf_tunnel_sleep(IDLE_US);
    } while (!rc);
    return rc == XF_SESSION_DONE ? 0 : fail(s, rc, "%s", xf_source_error(source));
}

static int run_session(struct save *s)
{
    struct xf_guest_source guest = xf_tunnel_source_guest(s->tunnel);
    struct xf_source_config config;
    struct xf_source *source = NULL;
    int rc = open_port(s);

    if (!rc)
        rc = write_offer(s, guest.page_count);
    if (rc)
        return rc;
    xf_source_config_init(&config);
    config.offer = s->offer;
    config.answer_timeout_us = config.ready_timeout_us =
        (uint64_t)s->config.connect_timeout_s * 1000000;
    config.bandwidth_bytes_per_s = s->config.bandwidth_bytes_per_s;
    config.progress = xf_tunnel_progress;
    config.progress_arg = &s->report;
    rc = xf_source_new(&source, &config, &guest, s->link, xf_now_us());
    xf_offer_wipe(&config.offer);
    xf_offer_wipe_secret(&s->offer);
    if (rc)
        return fail(s, rc, "cannot begin: %s", strerror(-rc));
    xf_tunnel_source_watch(s->tunnel, xf_source_stats(source));
    rc = step_until_done(s, source);
    s->stats = *xf_source_stats(source);
    if (!rc)
        xf_tunnel_source_done(s->tunnel);
    xf_source_free(source);
    return rc;
}

static void *engine_main(void *arg)
{
    struct save *s = arg;

    run_session(s);
    pthread_mutex_lock(&s->lock);
    while (!s->over)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    xf_report_port(&s->report, s->link);
    s->p->port->close(s->p->port->arg, s->link);
    s->stats.suspend_us = s->suspend_us;
    s->stats.suspended_us = s->suspended_us;
    return NULL;
}

/* ---- pump ------------------------------------------------------------------------------------ */

static int pair_failed(struct save *s, int rc)
{
    if (rc != -EPIPE && rc != -ECONNRESET)
        return fail(s, rc, "reading from Xen's own save: %s", strerror(-rc));
    /* Also when something else failed and has shut it: fail() keeps that reason. */
    return stock_failed(s);
}

/* Waits for a record to begin; answers marks meanwhile. */
static int wait_record(struct save *s)
{
    struct pollfd fds[2] = {
        {.fd = s->pair[0], .events = POLLIN},
        {.fd = s->mark_fd, .events = POLLIN},
    };
    uint64_t marks;

    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return fail(s, -errno, "poll: %s", strerror(errno));
        }
        if (fds[0].revents)
            return 0;
        if (!fds[1].revents || read(s->mark_fd, &marks, sizeof(marks)) != sizeof(marks))
            continue;
        /* What was written before the mark may have come after poll() looked. */
        if (poll(fds, 1, 0) > 0) {
            if (write(s->mark_fd, &marks, sizeof(marks)) != sizeof(marks))
                return fail(s, -EIO, "eventfd: %s", strerror(errno));
            return 0;
        }
        while (marks--)
            xf_tunnel_source_mark(s->tunnel);
    }
}

static int forward_record(struct save *s, const struct xf_stream *pair, const struct xf_record *rec)
{
    uint8_t buf[PIPE_PIECE];
    uint32_t header[2] = {htole32(rec->type), htole32(rec->length)};
    uint64_t left = ((uint64_t)rec->length + 7) & ~UINT64_C(7);
    int rc = write_out(s, header, sizeof(header));

    while (!rc && left) {
        size_t n = left < sizeof(buf) ? (size_t)left : sizeof(buf);

        rc = xf_stream_read(pair, buf, n);
        if (rc)
            return pair_failed(s, rc);
        rc = write_out(s, buf, n);
        left -= n;
    }
    return rc;
}

/* From here on pages come to be compared. */
static int begin_comparing(struct save *s)
{
    struct {
        uint32_t count, reserved;
        uint64_t pages[XF_UNSTEADY_MAX];
    } body = {0};

    if (!s->verify || s->comparing)
        return fail(s, -EPROTO, "Xen's own save verifies without having been asked to");
    s->comparing = true;
    body.count = htole32((uint32_t)s->unsteady_n);
    for (int i = 0; i < s->unsteady_n; i++)
        body.pages[i] = htole64(s->unsteady[i]);
    return write_record(s, XF_REC_COMPARE, &body, 8 + 8 * (uint32_t)s->unsteady_n);
}

static void count_verified(struct save *s, const struct xf_tunnel_head *head)
{
    for (uint32_t i = 0; i < head->count; i++) {
        uint64_t frame = le64toh(head->frames[i]);
        bool counts = xf_tunnel_has_page(frame);

        for (int u = 0; u < s->unsteady_n; u++)
            counts = counts && (frame & XF_TUNNEL_PFN) != s->unsteady[u];
        s->verified += counts;
    }
}

/* The pages go to the buffer, the rest of the record to io_fd. */
static int split_record(struct save *s, const struct xf_stream *pair, const struct xf_record *rec,
                        struct xf_tunnel_head *head)
{
    char why[XF_STREAM_ERR_BYTES];
    uint32_t pages;
    uint8_t *room;
    int rc = xf_tunnel_read_head(pair, rec, head, &pages, why);

    if (rc == -EBADMSG)
        return fail(s, rc, "Xen's own save: %s", why);
    if (rc)
        return pair_failed(s, rc);
    if (pages) {
        rc = xf_tunnel_source_reserve(s->tunnel, pages, &room);
        if (rc)
            return rc;
        rc = xf_stream_read(pair, room, pages * XF_PAGE_BYTES);
        if (rc)
            return pair_failed(s, rc);
        xf_tunnel_source_commit(s->tunnel);
    }
    if (s->comparing)
        count_verified(s, head);
    uint32_t length = XF_TUNNEL_HEAD_BYTES(head->count);

    head->count = htole32(head->count);
    return write_record(s, XF_REC_BATCH, head, length);
}

static int write_end(struct save *s)
{
    struct xf_tunnel_counts counts;
    uint8_t body[XF_PAGES_BYTES];

    if (s->verify && !s->comparing)
        return fail(s, -EPROTO, "Xen's own save was to verify, but has not");
    xf_tunnel_source_end(s->tunnel);
    int rc = xf_tunnel_source_wait_done(s->tunnel, &counts);
    rc = rc ?: XF_FAULT(tunnel_save_pages_write);
    if (rc)
        return rc;
    struct xf_pages_record rec = {.pages_total = counts.pages, .rounds = s->stats.rounds};

    memcpy(rec.session_id, s->offer.session_id, sizeof(rec.session_id));
    xf_pages_encode(&rec, body);
    rc = write_record(s, XF_REC_PAGES, body, sizeof(body));
    rc = rc ?: write_record(s, XF_REC_END, NULL, 0);
    return rc ?: XF_FAULT(tunnel_save_end_written);
}

static int pump(struct save *s, struct xf_tunnel_head *head)
{
    struct xf_stream pair = {.fd = s->pair[0], .watch_fd = -1, .timeout_ms = -1};
    uint8_t headers[XF_HEADERS_BYTES];
    char why[XF_STREAM_ERR_BYTES];
    struct xf_record rec;
    int rc = xf_stream_read(&pair, headers, sizeof(headers));

    if (rc)
        return pair_failed(s, rc);
    if (memcmp(headers, s->headers, sizeof(headers)))
        return fail(s, -EPROTO, "Xen's own save begins another stream than xl-fast knows");
    for (;;) {
        rc = wait_record(s);
        if (rc)
            return rc;
        rc = xf_stream_read_record(&pair, &rec);
        if (rc)
            return pair_failed(s, rc);
        if (rec.type == XF_REC_PAGE_DATA) {
            rc = split_record(s, &pair, &rec, head);
        } else if (rec.type == XF_REC_VERIFY && !rec.length) {
            rc = begin_comparing(s);
        } else {
            rc = xf_tunnel_allow(&rec, why);
            if (rc)
                return fail(s, rc, "Xen's own save: %s", why);
            if (rec.type == XF_REC_END)
                return write_end(s);
            rc = forward_record(s, &pair, &rec);
        }
        if (rc)
            return rc;
    }
}

static void *pump_main(void *arg)
{
    struct save *s = arg;
    struct xf_tunnel_head *head = malloc(sizeof(*head));
    int rc = head ? pump(s, head) : fail(s, -ENOMEM, "%s", strerror(ENOMEM));

    free(head);
    return (void *)(intptr_t)rc;
}

/* ---- the stock function's callbacks, in the caller's thread ---------------------------------- */

/* All that the stock function has written so far has landed at the target. */
static int wait_landed(struct save *s, struct xf_tunnel_counts *counts)
{
    uint64_t one = 1;

    s->marks++;
    if (write(s->mark_fd, &one, sizeof(one)) != sizeof(one))
        return fail(s, -errno, "eventfd: %s", strerror(errno));
    return xf_tunnel_source_wait_landed(s->tunnel, s->marks, counts);
}

static void measure_rate(struct save *s, const struct xf_tunnel_counts *now, uint64_t now_us)
{
    uint64_t raw = (now->pages - now->zero) - (s->round.before.pages - s->round.before.zero);
    uint64_t us = now_us - s->round.began_us;

    if (raw < RATE_PAGES_MIN && s->bytes_per_s)
        return;
    if (raw < RATE_PAGES_MIN) {
        raw = now->pages;
        us = now_us - s->live_us;
    }
    if (us)
        s->bytes_per_s = (uint64_t)((double)raw * (double)XF_PAGE_BYTES * 1e6 / (double)us);
}

/* Of what has landed since the last one. */
static void say_round(struct save *s, const char *what, const struct xf_tunnel_counts *now,
                      uint64_t us)
{
    uint64_t pages = now->pages - s->round.before.pages;

    if (!pages)
        return;
    xf_say("source: round %u%s: %llu pages, %.1f ms, %.3f Gbit/s", ++s->rounds, what,
           (unsigned long long)pages, (double)us / 1e3,
           us ? (double)pages * (double)XF_PAGE_BYTES * 8 / ((double)us * 1e3) : 0.0);
    xf_events_round_end(&s->report.events, pages, us);
}

static void tell_round_begins(struct save *s)
{
    if (s->round.dirty > 0)
        xf_events_round_begin(&s->report.events, s->rounds + 1, (uint64_t)s->round.dirty,
                              s->round.began_us);
}

/* The end of a live round: by now all of it has been written, and is waited for. */
static int round_over(struct save *s)
{
    struct xf_tunnel_counts counts;

    if (wait_landed(s, &counts) || XF_FAULT(tunnel_save_round_end))
        return XGS_POLICY_ABORT;
    uint64_t now = xf_now_us();

    s->round.sent = counts.pages - s->round.before.pages;
    measure_rate(s, &counts, now);
    say_round(s, "", &counts, now - s->round.began_us);
    s->round.before = counts;
    return XGS_POLICY_CONTINUE_PRECOPY;
}

/* How many pages are dirty is known: another live round, or the last before the stop? The stock
   function sends what is dirty now in either case while the guest runs; what a stop then has to
   send is what gets dirty meanwhile, and that is less. */
static int next_round(struct save *s, unsigned iteration, long dirty)
{
    struct xf_round_result r = {
        .round = iteration,
        .dirty_pages = (uint64_t)dirty,
        .sent_pages = s->round.sent,
        .bytes_per_s = s->bytes_per_s,
    };
    uint64_t predicted_us;

    s->round.stalled = iteration > 1 && xf_policy_stalled((uint64_t)s->round.dirty, (uint64_t)dirty)
                           ? s->round.stalled + 1
                           : 0;
    s->round.dirty = dirty;
    s->round.began_us = xf_now_us();
    tell_round_begins(s);
    r.stalled_rounds = s->round.stalled;
    switch (xf_policy_next(&s->policy, &r, &predicted_us)) {
    case XF_ROUND_AGAIN:
        return XGS_POLICY_CONTINUE_PRECOPY;
    case XF_ROUND_STOP:
        return XGS_POLICY_STOP_AND_COPY;
    default:
        fail(
            s, -EBUSY,
            "the guest writes memory faster than it can be moved: a stop now would take %llu ms of "
            "at most %llu",
            (unsigned long long)(predicted_us / 1000),
            (unsigned long long)(s->policy.max_downtime_us / 1000));
        return XGS_POLICY_ABORT;
    }
}

/*
 * Called by send_memory_live() of tools/libs/guest/xg_sr_save.c: before each round, with the number
 * of dirty pages, and after it, with -1. Before the first, iteration is 0 and all pages are dirty.
 */
static int precopy_policy(struct precopy_stats stats, void *data)
{
    struct save *s = data;

    if (xf_tunnel_source_failed(s->tunnel))
        return XGS_POLICY_ABORT;
    if (stats.dirty_count < 0)
        return round_over(s);
    if (stats.iteration > 0)
        return next_round(s, stats.iteration, stats.dirty_count);
    s->round.dirty = stats.dirty_count;
    s->round.began_us = s->live_us = xf_now_us();
    tell_round_begins(s);
    return XGS_POLICY_CONTINUE_PRECOPY;
}

static int suspend(void *data)
{
    struct save *s = data;

    struct xf_tunnel_counts counts;

    /* What is on its way need not be waited for with the guest stopped. */
    if (wait_landed(s, &counts) || XF_FAULT(tunnel_save_suspend))
        return 0;
    s->suspend_us = xf_now_us();
    say_round(s, "", &counts, s->suspend_us - s->round.began_us);
    s->round.before = counts;
    xf_events_suspend(&s->report.events, s->suspend_us);
    xf_events_round_begin(&s->report.events, s->rounds + 1, 0, s->suspend_us);
    int ok = s->p->callbacks->suspend(s->p->callbacks->data);
    s->suspended_us = xf_now_us();
    if (XF_FAULT(tunnel_save_suspended))
        return 0;
    if (ok == 1 && s->verify) {
        xf_tunnel_sleep(XF_UNSTEADY_SETTLE_US);
        s->unsteady_n = s->p->unsteady(s->p->arg, s->unsteady);
        if (s->unsteady_n < 0) {
            fail(s, s->unsteady_n, "cannot tell which pages to verify: %s",
                 strerror(-s->unsteady_n));
            return 0;
        }
    }
    return ok;
}

static int switch_qemu_logdirty(uint32_t domid, unsigned enable, void *data)
{
    struct save *s = data;

    return s->p->callbacks->switch_qemu_logdirty(domid, enable, s->p->callbacks->data);
}

/* ---- the caller's thread --------------------------------------------------------------------- */

static int wait_started(struct save *s)
{
    int rc;

    do {
        rc = xf_tunnel_source_wait_started(s->tunnel, LOOK_EVERY_MS);
        if (rc == -EAGAIN && cancelled(s))
            return fail(s, -ECANCELED, "cancelled by the toolstack");
    } while (rc == -EAGAIN);
    return rc;
}

/* From here on the guest is touched. While this file is there, `xl migrate --fast=auto` may start
   again by plain xl migrate. */
static int touch(struct save *s)
{
    const char *untouched = getenv("XL_FAST_UNTOUCHED");

    if (untouched && *untouched && unlink(untouched) && errno != ENOENT)
        return fail(s, -errno, "%s: %s", untouched, strerror(errno));
    return 0;
}

/* Puts `fd` in the place of io_fd, unless the helper's handler was there before. */
static int replace_io_fd(struct save *s, int fd)
{
    sigset_t term, before;
    int rc = 0;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, &before);
    if (cancelled(s))
        rc = -ECANCELED;
    else if (dup2(fd, s->p->io_fd) < 0 || fstat(fd, &s->io_stat))
        rc = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int divert(struct save *s)
{
    int rc = XF_FAULT(tunnel_save_divert) ?: xf_tunnel_pair(s->pair);

    if (rc)
        return fail(s, rc, "socketpair: %s", strerror(-rc));
    pthread_mutex_lock(&s->lock);
    s->shut_fd = s->pair[0];
    pthread_mutex_unlock(&s->lock);
    rc = replace_io_fd(s, s->pair[1]);
    if (rc)
        return fail(s, rc, "cancelled by the toolstack");
    /* io_fd's number is now the only one: when it goes, the pump sees the end. */
    close(s->pair[1]);
    s->pair[1] = -1;
    return 0;
}

static int run_stock(struct save *s)
{
    struct save_callbacks wrapped = *s->p->callbacks;
    pthread_t pump_thread;
    void *result;

    /* A plain migration calls no others. */
    wrapped.precopy_policy = precopy_policy;
    wrapped.suspend = suspend;
    if (wrapped.switch_qemu_logdirty)
        wrapped.switch_qemu_logdirty = switch_qemu_logdirty;
    wrapped.data = s;

    int rc = xf_tunnel_thread(&pump_thread, pump_main, s);
    if (rc)
        return fail(s, rc, "cannot start a thread: %s", strerror(-rc));
    if (s->p->stock(s->p->arg, s->p->io_fd, s->verify, &wrapped))
        rc = stock_failed(s);
    pthread_join(pump_thread, &result);
    return rc ? rc : (int)(intptr_t)result;
}

static void say_result(struct save *s)
{
    struct xf_tunnel_counts counts;

    if (s->ok && !xf_tunnel_source_wait_done(s->tunnel, &counts)) {
        s->stats.pages_total = counts.pages;
        s->stats.pages_verified = s->verified;
        say_round(s, " (guest suspended)", &counts, s->stats.done_us - s->suspend_us);
        /* If nothing was left to send, there is nothing to say of it, but it is over. */
        xf_events_round_end(&s->report.events, 0, s->stats.done_us - s->suspend_us);
    }
    xf_report_result(&s->report, s->ok, s->error, &s->stats);
}

static int save(struct save *s)
{
    pthread_t engine;
    bool diverted = false;

    int rc = xf_tunnel_thread(&engine, engine_main, s);
    if (rc)
        return fail(s, rc, "cannot start a thread: %s", strerror(-rc));
    rc = wait_started(s);
    if (!rc)
        rc = touch(s);
    if (!rc)
        rc = divert(s);
    diverted = !rc;
    if (!rc && xf_tunnel_source_failed(s->tunnel))
        rc = -ECANCELED;
    s->policy.max_downtime_us = s->config.max_downtime_us;
    if (!rc)
        rc = run_stock(s);
    if (diverted)
        replace_io_fd(s, s->real);
    pthread_mutex_lock(&s->lock);
    if (rc && s->failed)
        rc = s->failed;
    s->over = true;
    s->ok = !rc;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(engine, NULL);
    say_result(s);
    return rc;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

int xf_tunnel_save_run(const struct xf_tunnel_save *params)
{
    struct save s = {
        .p = params,
        .real = -1,
        .pair = {-1, -1},
        .mark_fd = -1,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .shut_fd = -1,
    };
    int rc;

    xf_report_start(&s.report, "source", params->domid);
    s.report.events.rounds_by_hand = true;
    xf_policy_init(&s.policy);
    xf_stream_make_headers(s.headers, XF_STREAM_PV, params->xen_major, params->xen_minor);
    rc = xf_tunnel_source_new(&s.tunnel, XF_TUNNEL_HALF_PAGES);
    if (rc)
        goto out;
    s.real = fcntl(params->io_fd, F_DUPFD_CLOEXEC, 3);
    s.mark_fd = eventfd(0, EFD_CLOEXEC);
    if (s.real < 0 || s.mark_fd < 0 || fstat(s.real, &s.io_stat)) {
        rc = fail(&s, -errno, "cannot prepare the stream: %s", strerror(errno));
        goto out;
    }
    rc = save(&s);
out:
    if (rc)
        xf_say("source: domain %u was not moved: it stays here", params->domid);
    xf_offer_wipe(&s.offer);
    close_fd(s.pair[0]);
    close_fd(s.pair[1]);
    close_fd(s.mark_fd);
    close_fd(s.real);
    xf_tunnel_source_free(s.tunnel);
    return rc;
}
