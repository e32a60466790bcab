/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast follow: the screen of `xl migrate --fast`, made of the events that the plug-in writes. It
 * only reads their file, so whatever becomes of it, the migration does not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/cli/cli.h"
#include "live.h"
#include "xl-plugin/cli/number.h"
#include "story.h"

#define POLL_MS    100
#define LINE_BYTES (64u << 10) /* no event is as long */

struct follow {
    int fd;
    uint64_t from, pid; /* 0: none */
    const char *copy;   /* NULL: it moves */
    struct xf_story story;
    struct xf_live live;
    char line[LINE_BYTES];
    size_t len;
};

static volatile sig_atomic_t cancelling, over;

static void on_signal(int sig)
{
    cancelling = sig;
}

/* The migration's end, where it cannot be read from the events. */
static void on_end(int sig)
{
    over = sig;
}

/* Ctrl-C is the migration's matter: what comes of it is shown here. */
static void catch_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal};

    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    sa.sa_handler = on_end;
    sigaction(SIGUSR2, &sa, NULL);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_downtime(const struct xf_story *s)
{
    char text[XF_DOWNTIME_BYTES], copy[40], whole[40], *parts;

    if (!xf_downtime_any(&s->downtime))
        return;
    /* The parts have a line of their own: both make more than 80 columns. */
    fprintf(stderr, "  downtime   %s\n",
            strtok_r(xf_downtime_show(text, &s->downtime), ":", &parts));
    fprintf(stderr, "            %s\n", parts);
    if (!s->predicted_copy_us)
        return;
    xf_live_time(copy, sizeof(copy), s->predicted_copy_us);
    if (s->predicted_us)
        fprintf(stderr, "  predicted  %s: copy %s, the rest as in earlier moves\n",
                xf_live_time(whole, sizeof(whole), s->predicted_us), copy);
    else
        fprintf(stderr, "  predicted  copy %s; the rest is known after a first move to that host\n",
                copy);
}

static void print_reachable(const struct xf_reachable *r)
{
    char text[XF_REACHABLE_BYTES];

    if (r->n)
        fprintf(stderr, "  reachable  %s\n", xf_reachable_show(text, r));
}

static void print_table(const struct xf_story *s)
{
    const struct xf_stats *t = &s->totals;
    char text[40], limit[sizeof(s->limited_by)], late[sizeof(s->late_because)];
    const char *half;

    fprintf(stderr, "  rounds     %" PRIu32 ", the last one with the guest suspended\n", t->rounds);
    fprintf(stderr, "  time       %s", xf_live_time(text, sizeof(text), s->total_us));
    if (s->memory_us)
        fprintf(stderr, ", the memory %s", xf_live_time(text, sizeof(text), s->memory_us));
    fprintf(stderr, "\n  data       %s", xf_number_show_size(text, sizeof(text), t->bytes_wire));
    fprintf(stderr, " in %" PRIu64 " packets, for a guest of %s\n", t->packets_sent,
            xf_number_show_size(text, sizeof(text), t->pages_total << 12));
    print_downtime(s);
    print_reachable(&s->reachable);
    if (t->throttle_pct)
        fprintf(stderr, "  throttled  to %" PRIu32 " %% of the guest's CPU time\n",
                t->throttle_pct);
    if (s->payload_bps)
        fprintf(stderr, "  rate       %.2f Gbit/s of pages\n", (double)s->payload_bps / 1e9);
    if (s->hand_over[0])
        fprintf(stderr, "  devices    attached %s%s%s\n",
                xf_live_plain(limit, sizeof(limit), s->hand_over), s->late_because[0] ? ": " : "",
                xf_live_plain(late, sizeof(late), s->late_because));
    xf_live_plain(limit, sizeof(limit), s->limited_by);
    half = xf_limiter_split(limit);
    if (limit[0])
        fprintf(stderr, "  limited by %s\n", limit);
    if (half)
        fprintf(stderr, "             %s\n", half);
    fprintf(stderr, "  repaired   %" PRIu64 " pages\n", t->pages_repaired);
    if (t->pages_deferred)
        fprintf(stderr, "  deferred   %" PRIu64 " pages, which the guest had given back\n",
                t->pages_deferred);
    if (s->have_verified && s->verified && t->pages_unverified)
        fprintf(stderr,
                "  verified   %" PRIu64 " pages are the same; not compared: %" PRIu64
                ", given back or written by dom0\n",
                t->pages_verified, t->pages_unverified);
    else if (s->have_verified && s->verified && t->pages_verified)
        fprintf(stderr, "  verified   all %" PRIu64 " pages are the same\n", t->pages_verified);
    else
        fprintf(stderr, "  verified   %s\n",
                !s->have_verified ? "no (--verify)"
                : s->verified     ? "yes"
                                  : "NO: the memory differs");
}

static void print_end(const struct follow *f)
{
    const struct xf_story *s = &f->story;
    char guest[sizeof(s->guest)], host[sizeof(s->host)], error[sizeof(s->error)], text[40];
    const char *bold = f->live.colour ? "\033[1m" : "", *plain = f->live.colour ? "\033[m" : "";

    if (s->have_status && !s->status) {
        xf_live_plain(guest, sizeof(guest), s->guest[0] ? s->guest : "the guest");
        xf_live_plain(host, sizeof(host), s->host[0] ? s->host : "the target");
        if (f->copy)
            fprintf(stderr, "%s%s, %s of %s, %s on %s%s\n", bold, f->copy,
                    strchr(f->copy, ',') ? "copies" : "a copy", guest,
                    strchr(f->copy, ',') ? "are" : "is", host, plain);
        else
            fprintf(stderr, "%s%s has moved to %s%s\n", bold, guest, host, plain);
        if (s->done) /* else there was no room for that event */
            print_table(s);
    } else if (s->failed) {
        fprintf(stderr, "%sfailed%s after %s, in round %" PRIu64 "%s%s\n", bold, plain,
                xf_live_time(text, sizeof(text), s->end_us), s->now.round, s->error[0] ? ": " : "",
                xf_live_plain(error, sizeof(error), s->error));
    }
}

/* ---- following ------------------------------------------------------------------------------- */

static void show_set(struct follow *f)
{
    char text[XF_STEER_TEXT_BYTES], line[XF_STEER_TEXT_BYTES + 8];

    snprintf(line, sizeof(line), "set: %s", xf_steer_show(text, &f->story.set));
    xf_live_note(&f->live, line);
}

static void take_line(struct follow *f)
{
    const unsigned sets = f->story.sets, waited = f->story.vifs;

    f->line[f->len] = 0;
    f->len = 0;
    /* What is no event, or of a later version, is not shown; that is all. */
    if (xf_story_take(&f->story, f->line) || !f->story.program[0] || f->story.have_status)
        return;
    if (f->story.sets != sets)
        show_set(f);
    if (!f->live.rewrites && !waited && f->story.vifs)
        xf_live_note(&f->live, "the guest runs there; waiting for its first frame, 30 s at most; "
                               "Ctrl-C ends the wait");
    xf_live_show(&f->live, &f->story.now);
}

/* Takes what there is now. */
static int take_new(struct follow *f)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(f->fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] == '\n')
                take_line(f);
            else if (f->len < LINE_BYTES - 1)
                f->line[f->len++] = bytes[i];
        }
    return n < 0 && errno != EINTR ? -errno : 0;
}

static bool is_gone(pid_t pid)
{
    return pid && kill(pid, 0) && errno == ESRCH;
}

static int follow(struct follow *f)
{
    bool gone = false;
    int rc = 0;

    while (!rc && !f->story.have_status && !gone) {
        gone = over || is_gone(f->pid); /* first: what it wrote before is then there */
        rc = take_new(f);
        if (cancelling && !f->live.cancelling && !f->story.downtime.whole) {
            f->live.cancelling = true;
            if (f->story.program[0] && f->live.rewrites)
                xf_live_show(&f->live, &f->story.now);
        }
        if (!rc && !f->story.have_status && !gone)
            poll(NULL, 0, POLL_MS);
    }
    xf_live_end(&f->live);
    print_end(f);
    fflush(stderr);
    return rc ?: f->story.have_status ? 0 : -ENODATA;
}

static const struct xf_option options[] = {
    {.name = "from",
     .value = "BYTE",
     .kind = XF_OPTION_NUMBER,
     .max = INT64_MAX,
     .to = offsetof(struct follow, from),
     .help = "where in the file to begin (0)"},
    {.name = "pid",
     .value = "PID",
     .kind = XF_OPTION_NUMBER,
     .min = 1,
     .max = INT32_MAX,
     .to = offsetof(struct follow, pid),
     .help = "end when that process has, too"},
    {.name = "copy",
     .value = "NAME",
     .kind = XF_OPTION_TEXT,
     .to = offsetof(struct follow, copy),
     .help = "it is no move: a copy of that name is made, or several, with commas"},
    {0},
};

const struct xf_command xf_command_follow = {
    .name = "follow",
    .summary = "the screen of a migration, from its events as they come",
    .operands = "EVENTS",
    .about =
        "Shows a migration as its events come: a line that is rewritten on a terminal, else a\n"
        "line a round; at the end a table. All on stderr. xl migrate --fast starts it.\n",
    .options = options,
    .done = "the events have ended",
    .failed = "they did not",
    .hidden = true,
    .run = xf_cli_follow,
};

static int parse(struct follow *f, int argc, char **argv)
{
    struct xf_operands operands;
    int status = xf_options_parse(&xf_command_follow, f, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    f->fd = open(operands.words[0], O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (f->fd < 0 || lseek(f->fd, (off_t)f->from, SEEK_SET) < 0) {
        fprintf(stderr, "xl-fast follow: %s: %s\n", operands.words[0], strerror(errno));
        return XF_EXIT_FAILED;
    }
    return XF_GO_ON;
}

int xf_cli_follow(int argc, char **argv)
{
    struct follow *f;
    int status;

    f = calloc(1, sizeof(*f));
    if (!f)
        return XF_EXIT_FAILED;
    f->fd = -1;
    catch_signals();
    status = parse(f, argc, argv);
    if (status == XF_GO_ON) {
        xf_live_init(&f->live);
        status = follow(f) ? XF_EXIT_FAILED : XF_EXIT_OK;
    }
    if (f->fd >= 0)
        close(f->fd);
    xf_story_free(&f->story);
    free(f);
    return status;
}
