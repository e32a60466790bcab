/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast metrics: the migrations since this host's boot in Prometheus' text form, for
 * node_exporter's textfile collector. From DIR/history (moving.h), to which the xl shim appends
 * each migration's first and last events.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/cli/cli.h"
#include "history.h"
#include "moving.h"
#include "story.h"

static const char help[] =
    "usage: xl-fast metrics [FILE]\n"
    "\n"
    "The migrations by xl migrate --fast from this host since its boot, as Prometheus' text, on "
    "stdout\n"
    "or to FILE, which is replaced at once (node_exporter's textfile collector: a name that ends "
    "in\n"
    ".prom).\n"
    "\n"
    "Exit status: 0 written, 1 failed, 2 wrong options.\n";

enum { MOVED, FAILED, CANCELLED, RESULTS };
static const char *const results[RESULTS] = {"moved", "failed", "cancelled"};

struct metrics {
    uint64_t count[RESULTS], bytes, pages, repaired, deferred, lost;
    int in_progress;
    struct xf_story last; /* its status is there */
};

/* 128 and SIGHUP, SIGINT, SIGTERM: so the shim ends when it has cancelled. */
static unsigned result_of(int status)
{
    return !status ? MOVED : status == 129 || status == 130 || status == 143 ? CANCELLED : FAILED;
}

static void add_one(void *arg, struct xf_story *s)
{
    struct metrics *m = arg;

    m->count[result_of(s->status)]++;
    m->bytes += s->totals.bytes_wire;
    m->pages += s->totals.pages_sent;
    m->repaired += s->totals.pages_repaired;
    m->deferred += s->totals.pages_deferred;
    m->lost += s->totals.packets_lost;
    xf_story_free(&m->last);
    m->last = *s;
    *s = (struct xf_story){0};
}

/* ---- the text -----------------------------------------------------------------------------------
 */

static void head(FILE *to, const char *name, const char *type, const char *text)
{
    fprintf(to, "# HELP xl_fast_%s %s\n# TYPE xl_fast_%s %s\n", name, text, name, type);
}

static void put(FILE *to, const char *name, const char *type, const char *text, uint64_t value)
{
    head(to, name, type, text);
    fprintf(to, "xl_fast_%s %" PRIu64 "\n", name, value);
}

static void put_seconds(FILE *to, const char *name, const char *text, uint64_t us)
{
    head(to, name, "gauge", text);
    fprintf(to, "xl_fast_%s %" PRIu64 ".%06" PRIu64 "\n", name, us / 1000000, us % 1000000);
}

static void put_last(FILE *to, const struct xf_story *s)
{
    uint64_t blackout_us = 0;

    if (!s->have_status)
        return;
    put(to, "last_moved", "gauge", "Whether the last migration's guest has moved.", !s->status);
    /* One that ended before its memory began to move has no more to tell. */
    if (!s->program[0])
        return;
    put_seconds(to, "last_start_timestamp_seconds", "When the last migration began.", s->time_us);
    put_seconds(to, "last_duration_seconds", "Of the last migration's memory, with its connection.",
                s->end_us);
    put(to, "last_rounds", "gauge", "Of the last migration.", s->totals.rounds);
    for (unsigned i = 0; i < XF_BLACKOUT_PARTS; i++)
        blackout_us += s->blackout_us[i];
    if (s->have_blackout)
        put_seconds(to, "last_blackout_seconds", "How long the last migration's guest stood.",
                    blackout_us);
}

static void put_all(FILE *to, const struct metrics *m)
{
    head(to, "migrations_total", "counter", "Migrations from this host that are over.");
    for (unsigned i = 0; i < RESULTS; i++)
        fprintf(to, "xl_fast_migrations_total{result=\"%s\"} %" PRIu64 "\n", results[i],
                m->count[i]);
    put(to, "sent_bytes_total", "counter", "UDP payload sent.", m->bytes);
    put(to, "sent_pages_total", "counter", "Pages sent, in all rounds.", m->pages);
    put(to, "repaired_pages_total", "counter", "Pages sent again because they got lost.",
        m->repaired);
    put(to, "deferred_pages_total", "counter",
        "Pages that the guest had given back when they were due.", m->deferred);
    put(to, "lost_packets_total", "counter", "Packets found lost.", m->lost);
    put(to, "in_progress", "gauge", "Migrations from this host now.", (uint64_t)m->in_progress);
    put_last(to, &m->last);
}

/* A reader sees the old file or the new one, never a half. */
static int write_file(const struct metrics *m, const char *path)
{
    char tmp[4096];
    FILE *to = stdout;
    int rc = 0;

    if (path) {
        int n = snprintf(tmp, sizeof(tmp), "%s.%d", path, (int)getpid());
        if (n < 0 || (size_t)n >= sizeof(tmp))
            return -ENAMETOOLONG;
        to = fopen(tmp, "wxe");
        if (!to)
            return -errno;
    }
    put_all(to, m);
    errno = 0;
    if (fflush(to) || ferror(to))
        rc = errno ? -errno : -EIO;
    if (!path)
        return rc;
    if (fclose(to) && !rc)
        rc = -errno;
    if (!rc && rename(tmp, path))
        rc = -errno;
    if (rc)
        unlink(tmp);
    return rc;
}

int xf_cli_metrics(int argc, char **argv)
{
    struct metrics *m;
    struct xf_moving *now;
    int rc;

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(help, stdout);
        return XF_EXIT_OK;
    }
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fprintf(stderr, "xl-fast metrics: '%s' makes no sense; see xl-fast metrics --help\n",
                argv[argc - 1]);
        return XF_EXIT_USAGE;
    }
    m = calloc(1, sizeof(*m));
    now = calloc(XF_MOVING_MAX, sizeof(*now));
    rc = m && now ? 0 : -ENOMEM;
    if (!rc) {
        rc = m->in_progress = xf_moving_find(now);
        rc = rc < 0 ? rc : 0;
    }
    if (!rc)
        rc = xf_history_read(add_one, m);
    if (!rc)
        rc = write_file(m, argc == 2 ? argv[1] : NULL);
    if (rc)
        fprintf(stderr, "xl-fast metrics: %s\n", strerror(-rc));
    if (m)
        xf_story_free(&m->last);
    free(now);
    free(m);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
