/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sync: the source's end; see sync.h. */
#include "sync.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "fault_points.h"
#include "journal.h"
#include "pauser.h"
#include "tracked.h"
#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/disk/disk_units.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/plugin/ports.h"

#define fail xf_disks_source_fail

#define ROUNDS_MAX  8u
#define ROUND_PAGES 256u   /* few enough to end the rounds with */
#define HELD_PAGES  16384u /* that are read while the guest stands, at the most */
#define POINT_TRIES 5u
/* A guest that is paused between its request and the notice to its backend is waited for in vain:
   it has to go on, and is paused again. */
#define DRAIN_MS     1000u
#define TAKE_MS      1000u
#define UNDER_WAY_US 1000000u
#define BETWEEN_US   50000u

struct run {
    unsigned disk;
    uint64_t page, n;
};

struct sync {
    const struct xf_sync_options *o;
    struct xf_tracked t;
    char uuid[40];
    struct xf_pauser *pauser;
    struct run *runs; /* HELD_PAGES of them: what was read while the guest stood */
    uint8_t *held;    /* their pages, one after the other */
    unsigned runs_n;
    uint64_t held_n;
    bool witnessed[XF_MANIFEST_DISKS_MAX];
    uint64_t point_us, paused_us;
};

/* ---- one moment ---------------------------------------------------------------------------- */

static int hold_run(struct xf_tracked *t, unsigned i, uint64_t page, uint64_t n, void *arg)
{
    struct sync *y = arg;
    int rc = xf_tracked_read(t, i, page, n, y->held + y->held_n * XF_PAGE_BYTES);

    y->runs[y->runs_n++] = (struct run){i, page, n};
    y->held_n += n;
    return rc;
}

/* The guest stands. *over: of so many disks what was written is marked, and does not fit. */
static int hold_all(struct sync *y, unsigned *over)
{
    struct xf_tracked *t = &y->t;
    uint64_t count, sum = 0;
    int rc = xf_tracked_drain(t, DRAIN_MS);

    for (*over = 0; *over < t->s.manifest.disks_n && !rc; ++*over) {
        rc = xf_tracked_take(t, *over, TAKE_MS, &count);
        y->witnessed[*over] = !rc && xf_tracked_is_witnessed(t, *over);
        sum += count;
    }
    if (!rc && sum > HELD_PAGES)
        return fail(&t->s, -EFBIG, "the guest writes too fast: %llu MiB since the last round",
                    (unsigned long long)(sum * XF_PAGE_BYTES >> 20));
    for (unsigned i = 0; i < t->s.manifest.disks_n && !rc; i++)
        rc = xf_tracked_each_run(t, i, hold_run, y);
    return rc;
}

static int send_held(struct sync *y)
{
    uint64_t at = 0;
    int rc = 0;

    for (unsigned i = 0; i < y->runs_n && !rc; at += y->runs[i++].n)
        rc = xf_tracked_send(&y->t, y->runs[i].disk, y->runs[i].page, y->runs[i].n,
                             y->held + at * XF_PAGE_BYTES);
    return rc;
}

static uint64_t real_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* -EAGAIN: it could not be had now, and what was marked for it is sent; it may be asked for again.
 */
static int take_point(struct sync *y)
{
    struct xf_disks_source *s = &y->t.s;
    unsigned marked = 0;
    uint64_t us;
    char why[sizeof(s->why)];

    y->runs_n = 0;
    y->held_n = 0;
    int rc = xf_pauser_pause(y->pauser, y->t.domid, s->why);

    if (rc)
        return rc;
    y->point_us = real_us();
    rc = XF_FAULT(sync_source_stands) ?: hold_all(y, &marked);
    strcpy(why, s->why);
    int went_on = xf_pauser_resume(y->pauser, &us, s->why);

    y->paused_us += us;
    if (went_on)
        return went_on;
    if (!rc)
        return send_held(y);
    strcpy(s->why, why);
    if (rc != -ETIMEDOUT && rc != -EAGAIN && rc != -EFBIG)
        return rc;
    /* Taken is taken: those of the disks that were asked for have marks that nobody else has. */
    for (unsigned i = 0; i < marked; i++)
        if (xf_tracked_send_marked(&y->t, i))
            return -EPIPE;
    return -EAGAIN;
}

/* ---- what was not seen --------------------------------------------------------------------- */

static bool any_set(const uint64_t *bits, uint64_t from, uint64_t to)
{
    return xf_bitmap_next(bits, to, from) < to;
}

/* The first unit that differs and has no page that was written to; the number of pages: none. */
static uint64_t first_unseen(const uint64_t *differs, const uint64_t *written, uint64_t pages)
{
    for (uint64_t at = 0; (at = xf_bitmap_next(differs, pages, at)) < pages;
         at = (at / XF_DISK_UNIT_PAGES + 1) * XF_DISK_UNIT_PAGES) {
        uint64_t unit = at - at % XF_DISK_UNIT_PAGES, end = unit + XF_DISK_UNIT_PAGES;

        if (!any_set(written, unit, end < pages ? end : pages))
            return unit;
    }
    return pages;
}

/* The guest runs, and writes: what differs from the copy must have been written to since. Else a
   write before it was not seen. */
static int verify_disk(struct sync *y, unsigned i)
{
    struct xf_tracked *t = &y->t;
    const uint64_t pages = t->disks[i].pages;
    const size_t words = xf_bitmap_words(pages);
    uint64_t *differs = calloc(words, sizeof(uint64_t)), *written = calloc(words, sizeof(uint64_t)),
             count, first = 0;
    int rc = differs && written ? xf_tracked_compare(t, i)
                                : fail(&t->s, -ENOMEM, "%s", strerror(ENOMEM));

    if (!rc)
        memcpy(differs, t->dirty[i], words * sizeof(uint64_t));
    /* One that was under way as it was read is noted when it ends. No longer than that: in the end
       the guest writes to all that it has. */
    for (unsigned looks = 0; looks < 2 && !rc && first < pages; looks++) {
        if (looks)
            usleep(UNDER_WAY_US);
        rc = xf_tracked_take(t, i, TAKE_MS, &count);
        for (size_t w = 0; w < words && !rc; w++)
            written[w] |= t->dirty[i][w];
        first = rc ? 0 : first_unseen(differs, written, pages);
    }
    if (!rc && first < pages)
        rc = fail(&t->s, -EILSEQ, "disk %s differs at the target, first about byte %llu",
                  t->s.manifest.disks[i].vdev, (unsigned long long)first * XF_PAGE_BYTES);
    free(differs);
    free(written);
    return rc;
}

static int verify(struct sync *y)
{
    int rc = 0;

    for (unsigned i = 0; i < y->t.s.manifest.disks_n && !rc; i++)
        if (y->o->verify || !y->witnessed[i])
            rc = verify_disk(y, i);
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* Until little is written between two of them, or it does not get less. */
static int send_rounds(struct sync *y)
{
    uint64_t before = y->t.sent;
    int rc = 0;

    for (unsigned i = 0; i < ROUNDS_MAX && !rc; i++) {
        rc = xf_tracked_send_written(&y->t, false);
        if (y->t.sent - before <= ROUND_PAGES)
            break;
        before = y->t.sent;
    }
    return rc;
}

static int make_point(struct sync *y)
{
    int rc = -EAGAIN;

    for (unsigned i = 0; i < POINT_TRIES && rc == -EAGAIN; i++) {
        if (i)
            usleep(BETWEEN_US);
        rc = xf_disks_interrupted ? fail(&y->t.s, -EINTR, "interrupted") : send_rounds(y);
        rc = rc ?: take_point(y);
    }
    /* After it, for it takes longer than the guest should stand: one that is another now was so
       then, or was started since. */
    return rc ?: xf_tracked_check_same(&y->t);
}

static int prepare(struct sync *y)
{
    struct xf_tracked *t = &y->t;
    struct xf_disks_source *s = &t->s;
    int rc = xf_guest_disks_find(y->o->guest, y->uuid, s->why);

    rc = rc ?: xf_guest_disks_read(&s->manifest, t->devices, t->uuid, &t->domid, NULL, s->why);
    if (!rc && !s->manifest.disks_n)
        rc = fail(s, -ENOENT, "'%s' has no disks", s->manifest.name);
    rc = rc ?: xf_domains_check(&s->manifest, XF_DOMAINS_MAY_RUN, s->why);
    rc = rc ?: xf_disks_lock(s, false);
    rc = rc ?: xf_disks_check_journal(s);
    rc = rc ?: xf_disks_check_left(s);
    y->runs = rc ? NULL : calloc(HELD_PAGES, sizeof(*y->runs));
    if (!rc && (!y->runs || posix_memalign((void **)&y->held, XF_PAGE_BYTES,
                                           (size_t)HELD_PAGES * XF_PAGE_BYTES)))
        rc = fail(s, -ENOMEM, "%s", strerror(ENOMEM));
    rc = rc ?: xf_tracked_open(t);
    rc = rc ?: xf_config_load(&s->config, NULL, s->why);
    rc = rc ?: xf_disks_start_there(s);
    rc = rc ?: xf_disks_plan_there(s, &t->there, NULL, NULL);
    rc = rc ?: xf_disks_send_manifest(s, &t->there, XF_SEND_LIVE | XF_SEND_REPLICA);
    rc = rc ?: xf_disks_receive_ready(s);
    rc = rc ?: xf_disks_send_all(s);
    return rc ?: xf_tracked_take_names(t);
}

static int finish(struct sync *y)
{
    struct xf_disks_source *s = &y->t.s;
    struct json_object *message;
    int rc = xf_talk_say(&s->talk, "sync");

    rc = rc ?: xf_talk_hear(&s->talk, "synced", XF_MOVE_OFF_LIMIT_MS, s->why);
    rc = rc ?: XF_FAULT(sync_source_synced);
    if (rc)
        return rc;
    message = xf_talk_message("here");
    json_object_object_add(message, "point_us", json_object_new_uint64(y->point_us));
    rc = xf_talk_send(&s->talk, message);
    rc = rc ?: xf_talk_hear(&s->talk, "done", XF_MOVE_OFF_LIMIT_MS, s->why);
    rc = rc ?: XF_FAULT(sync_source_done);
    if (rc)
        return rc;
    rc = xf_journal_write_point(XF_JOURNAL_SYNCED, y->o->host, &s->manifest, y->point_us);
    return rc ? fail(s, rc, "the journal cannot be written: %s", strerror(-rc)) : 0;
}

static int run(struct sync *y)
{
    int rc = prepare(y);

    rc = rc ?: make_point(y);
    rc = rc ?: verify(y);
    return rc ?: finish(y);
}

static void show(const struct sync *y)
{
    const struct xf_manifest *m = &y->t.s.manifest;
    struct json_object *o = json_object_new_object(), *disks = json_object_new_array();
    uint64_t bytes_wire = y->t.sent * XF_PAGE_BYTES, bytes_same = 0, bytes = 0;
    char all[32], wire[32], same[32], time[32];

    for (unsigned i = 0; i < m->disks_n; i++) {
        const struct xf_disks_moved *moved = &y->t.s.moved[i];
        struct json_object *disk = json_object_new_object();

        json_object_object_add(disk, "vdev", xf_json_text(m->disks[i].vdev));
        json_object_object_add(disk, "path", xf_json_text(m->disks[i].path));
        json_object_object_add(disk, "disk_bytes", json_object_new_uint64(m->disks[i].bytes));
        json_object_object_add(disk, "bytes_same", json_object_new_uint64(moved->bytes_same));
        json_object_array_add(disks, disk);
        bytes += m->disks[i].bytes;
        bytes_wire += moved->stats.bytes_wire;
        bytes_same += moved->bytes_same;
    }
    json_object_object_add(o, "guest", xf_json_text(m->name));
    json_object_object_add(o, "host", xf_json_text(y->o->host));
    json_object_object_add(o, "point_us", json_object_new_uint64(y->point_us));
    json_object_object_add(o, "paused_us", json_object_new_uint64(y->paused_us));
    json_object_object_add(o, "bytes_wire", json_object_new_uint64(bytes_wire));
    json_object_object_add(o, "verified", json_object_new_boolean(y->o->verify));
    json_object_object_add(o, "disks", disks);
    if (y->o->json)
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    else if (!y->o->quiet)
        printf("%s is synced to %s: %s, %s sent, there were %s; the guest stood for %s\n", m->name,
               y->o->host, xf_number_show_size(all, sizeof(all), bytes),
               xf_number_show_size(wire, sizeof(wire), bytes_wire),
               xf_number_show_size(same, sizeof(same), bytes_same),
               xf_live_time(time, sizeof(time), y->paused_us));
    json_object_put(o);
}

static void on_signal(int sig)
{
    xf_disks_interrupted = sig;
}

static void init(struct sync *y, const struct xf_sync_options *o)
{
    struct xf_disks_source *s = &y->t.s;

    y->o = o;
    y->t.uuid = y->uuid;
    y->t.off = (struct xf_move_off_options){.host = o->host,
                                            .ssh = o->ssh ? o->ssh : XF_REACH_SSH,
                                            .bandwidth_bytes_per_s = o->bandwidth_bytes_per_s,
                                            .compress = o->compress,
                                            .compress_given = o->compress_given,
                                            .json = o->json,
                                            .quiet = o->quiet};
    s->o = &y->t.off;
    s->guest = XF_DOMAINS_MAY_RUN;
    s->talk = (struct xf_talk){.in = -1, .out = -1};
    s->reach = (struct xf_reach){.ssh = y->t.off.ssh, .host = o->host, .limit_s = XF_REACH_LIMIT_S};
    gethostname(s->host, sizeof(s->host) - 1);
    xf_live_init(&s->live);
}

int xf_disks_sync(const struct xf_sync_options *o)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
    struct sync *y = calloc(1, sizeof(*y));
    struct xf_disks_source *s;

    if (!y)
        return XF_EXIT_FAILED;
    s = &y->t.s;
    init(y, o);
    int rc = xf_pauser_start(&y->pauser, s->why);

    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        signal(ending[i], on_signal);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    if (!rc && xf_reach_find(&s->reach, "xl-fast-disks"))
        rc = fail(s, -ENOENT, "xl-fast-disks is in a folder that cannot be named to another host");
    rc = rc ?: run(y);
    xf_live_end(&s->live);
    if (rc)
        fprintf(stderr, "xl-fast disks sync: %s\n", s->why[0] ? s->why : strerror(-rc));
    else
        show(y);
    xf_tracked_close(&y->t);
    if (s->link)
        xf_ports_close_whole(s->link);
    xf_talk_fini(&s->talk);
    if (s->ssh > 0)
        waitpid(s->ssh, NULL, 0);
    xf_pauser_end(y->pauser);
    xf_manifest_fini(&s->manifest);
    xf_manifest_fini(&y->t.there);
    free(y->runs);
    free(y->held);
    free(y);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
