/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast metrics: the migrations since this host's boot in Prometheus' text form, for
 * node_exporter's textfile collector. From this host's history (history.h), of which what
 * happened before the boot is left out; counters also have what is no longer kept.
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

const struct xf_command xf_command_metrics = {
    .name = "metrics",
    .summary = "the migrations since boot, as Prometheus' text",
    .operands = "[FILE]",
    .about =
        "The migrations by xl migrate --fast from this host since its boot, as Prometheus' text,\n"
        "on stdout or to FILE, which is replaced at once (node_exporter's textfile collector: a\n"
        "name that ends in .prom).\n",
    .done = "written",
    .run = xf_cli_metrics,
};

struct metrics {
    struct xf_history_sums sums;
    int in_progress;
    bool have_last;
    struct xf_history_move last;
};

static void take_last(void *arg, const struct xf_history_move *move)
{
    struct metrics *m = arg;

    if (!move->this_boot)
        return;
    m->have_last = true;
    m->last = *move;
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

static void put_reachable(FILE *to, const struct xf_reachable *r)
{
    uint64_t not_seen = 0;

    if (!r->n)
        return;
    head(to, "last_reachable_after_seconds", "gauge",
         "From the last migration's suspend request to the first frame of an interface.");
    for (unsigned i = 0; i < r->n; i++) {
        const struct xf_reachable_vif *v = &r->at[i];

        not_seen += !v->seen;
        if (v->seen)
            fprintf(to,
                    "xl_fast_last_reachable_after_seconds{vif=\"%u\",mac=\"%s\"} %" PRIu64
                    ".%06" PRIu64 "\n",
                    v->vif, v->mac, v->after_us / 1000000, v->after_us % 1000000);
    }
    put(to, "last_unseen_interfaces", "gauge", "Those that sent nothing in time.", not_seen);
}

static void put_last(FILE *to, const struct xf_history_move *last)
{
    put(to, "last_moved", "gauge", "Whether the last migration's guest has moved.",
        xf_history_result(last) == XF_HISTORY_MOVED);
    /* One that ended before its memory began to move has no more to tell. */
    if (!last->began)
        return;
    put_seconds(to, "last_start_timestamp_seconds", "When the last migration began.",
                last->time_us);
    put_seconds(to, "last_duration_seconds",
                "The last migration, until its guest ran at the target.", last->total_us);
    put(to, "last_rounds", "gauge", "Of the last migration.", last->rounds);
    if (last->downtime.whole)
        put_seconds(to, "last_downtime_seconds", "The last migration's downtime.",
                    last->downtime.us);
    put_reachable(to, &last->reachable);
    if (!xf_downtime_any(&last->downtime))
        return;
    head(to, "last_downtime_part_seconds", "gauge", "Parts of it, those that were measured.");
    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++)
        if (last->downtime.have[i])
            fprintf(to,
                    "xl_fast_last_downtime_part_seconds{part=\"%s\"} %" PRIu64 ".%06" PRIu64 "\n",
                    xf_downtime_names[i], last->downtime.part_us[i] / 1000000,
                    last->downtime.part_us[i] % 1000000);
}

static void put_all(FILE *to, const struct metrics *m)
{
    const struct xf_history_sums *s = &m->sums;

    head(to, "migrations_total", "counter", "Migrations from this host that are over.");
    for (unsigned i = 0; i < XF_HISTORY_RESULTS; i++)
        fprintf(to, "xl_fast_migrations_total{result=\"%s\"} %" PRIu64 "\n", xf_history_results[i],
                s->count[i]);
    put(to, "sent_bytes_total", "counter", "UDP payload sent.", s->bytes);
    put(to, "sent_pages_total", "counter", "Pages sent, in all rounds.", s->pages);
    put(to, "repaired_pages_total", "counter", "Pages sent again because they got lost.",
        s->repaired);
    put(to, "deferred_pages_total", "counter",
        "Pages that the guest had given back when they were due.", s->deferred);
    put(to, "lost_packets_total", "counter", "Packets found lost.", s->lost);
    put(to, "in_progress", "gauge", "Migrations from this host now.", (uint64_t)m->in_progress);
    if (m->have_last)
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
    struct xf_operands operands;
    int status, rc;

    status = xf_options_parse(&xf_command_metrics, NULL, argc, argv, &operands);
    if (status != XF_GO_ON)
        return status;
    m = calloc(1, sizeof(*m));
    now = calloc(XF_MOVING_MAX, sizeof(*now));
    rc = m && now ? 0 : -ENOMEM;
    if (!rc) {
        rc = m->in_progress = xf_moving_find(now);
        rc = rc < 0 ? rc : 0;
    }
    if (!rc)
        rc = xf_history_since_boot(&m->sums);
    if (!rc)
        rc = xf_history_read(take_last, m);
    if (!rc)
        rc = write_file(m, operands.n ? operands.words[0] : NULL);
    if (rc)
        fprintf(stderr, "xl-fast metrics: %s\n", strerror(-rc));
    free(now);
    free(m);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
