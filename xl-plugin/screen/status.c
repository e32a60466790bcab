/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast status, xl-fast cancel: the migrations in progress on this host, from a second terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/json_text.h"
#include "live.h"
#include "moves.h"
#include "xl-plugin/cli/quote.h"
#include "story.h"

#define WAIT_S 60

static uint64_t seconds_since(const struct xf_moving *m)
{
    uint64_t now = (uint64_t)time(NULL);

    return now > m->since_s ? now - m->since_s : 0;
}

/* ---- status -----------------------------------------------------------------------------------
 */

static void print_one(const struct xf_moving *m, const struct xf_story *s)
{
    char guest[sizeof(m->guest)], host[sizeof(m->host)], line[XF_LIVE_BYTES], text[40];

    printf("%s to %s, for %s: ", xf_live_plain(guest, sizeof(guest), m->guest),
           xf_live_plain(host, sizeof(host), m->host),
           xf_live_time(text, sizeof(text), seconds_since(m) * 1000000));
    xf_live_line(line, XF_LIVE_BYTES - 1, &s->now);
    printf("%s\n", s->program[0] ? line : s->waits ? "waits for its turn" : "has not begun");
}

static void put_u64(struct json_object *to, const char *key, uint64_t v)
{
    json_object_object_add(to, key, json_object_new_uint64(v));
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, xf_json_text(text));
}

static struct json_object *json_of(const struct xf_moving *m, const struct xf_story *s)
{
    struct json_object *o = json_object_new_object();
    const struct xf_live_now *n = &s->now;
    double percent = xf_live_percent(n);

    put_text(o, "guest", m->guest);
    put_text(o, "uuid", m->uuid);
    if (s->domid >= 0)
        put_u64(o, "domid", (uint64_t)s->domid);
    put_text(o, "host", m->host);
    put_u64(o, "pid", (uint64_t)m->pid);
    put_u64(o, "since_us", m->since_s * 1000000);
    put_text(o, "events", m->events);
    put_text(o, "phase", s->program[0] ? n->phase : "waiting");
    if (n->round)
        put_u64(o, "round", n->round);
    if (percent >= 0)
        json_object_object_add(o, "done_pct", xf_json_tenths(percent));
    put_u64(o, "bytes", n->bytes);
    if (n->bps)
        put_u64(o, "wire_bps", n->bps);
    if (n->dirty_us)
        put_u64(o, "dirty_bps",
                (uint64_t)((double)n->dirty_pages * 8 * 4096e6 / (double)n->dirty_us));
    if (n->predicted_us)
        put_u64(o, "predicted_downtime_us", n->predicted_us);
    if (n->predicted_copy_us)
        put_u64(o, "predicted_copy_us", n->predicted_copy_us);
    if (xf_live_eta_us(n))
        put_u64(o, "eta_us", xf_live_eta_us(n));
    return o;
}

static int show_all(const struct xf_moving *all, int n, bool json)
{
    struct json_object *list = json_object_new_array(), *o = json_object_new_object();

    for (int i = 0; i < n; i++) {
        struct xf_story s;

        xf_move_story(&all[i], &s);
        if (json)
            json_object_array_add(list, json_of(&all[i], &s));
        else
            print_one(&all[i], &s);
        xf_story_free(&s);
    }
    json_object_object_add(o, "migrations", list);
    if (json)
        puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    else if (!n)
        puts("no migration is in progress here");
    json_object_put(o);
    return fflush(stdout) ? -EIO : 0;
}

static const struct xf_option status_options[] = {
    {.name = "json", .help = "one JSON object"},
    {0},
};

const struct xf_command xf_command_status = {
    .name = "status",
    .summary = "the migrations in progress on this host",
    .about =
        "The migrations by xl migrate --fast that are in progress on this host, as the source:\n"
        "guest, host, how long, and how far.\n",
    .options = status_options,
    .done = "the list is printed; it may be empty",
    .failed = "the list cannot be read",
    .run = xf_cli_status,
};

int xf_cli_status(int argc, char **argv)
{
    struct xf_operands operands;
    struct xf_moving *all;
    bool json = false;
    int n, rc = xf_options_parse(&xf_command_status, &json, argc, argv, &operands);

    if (rc != XF_GO_ON)
        return rc;
    all = xf_moves_list("status", &n);
    if (!all)
        return XF_EXIT_FAILED;
    rc = show_all(all, n, json);
    free(all);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}

/* ---- cancel -----------------------------------------------------------------------------------
 */

/* USR1 is for migrate to end xl only where that is safe, however often it comes. Sent by a handle
   of the process that is looked at again: no other that has got its number is hit. 0: it has ended,
   1: not in time; or -errno. */
static int end_process(const struct xf_moving *m, uint64_t wait_s)
{
    struct pollfd death = {.events = POLLIN};
    int rc;

    death.fd = (int)syscall(SYS_pidfd_open, m->pid, 0);
    if (death.fd < 0)
        return errno == ESRCH ? 0 : -errno;
    rc = xf_moving_alive(m);
    if (rc > 0) {
        rc = syscall(SYS_pidfd_send_signal, death.fd, SIGUSR1, NULL, 0) ? -errno : 0;
        if (!rc)
            rc = poll(&death, 1, (int)wait_s * 1000) == 1 ? 0 : 1;
        if (rc == -ESRCH)
            rc = 0;
    }
    close(death.fd);
    return rc;
}

/* By what migrate wrote last. */
static int say_state(const struct xf_moving *m)
{
    char guest[sizeof(m->guest)], host[sizeof(m->host)], word[XF_QUOTE_BYTES(sizeof(m->guest))],
        ssh[XF_QUOTE_BYTES(sizeof(m->ssh))];

    xf_live_plain(guest, sizeof(guest), m->guest);
    xf_live_plain(host, sizeof(host), m->host);
    if (!strcmp(m->state, "here") || !strcmp(m->state, "paused")) {
        printf("%s %s here\n", guest,
               m->state[0] == 'h' ? "keeps running" : "is paused, as it was,");
        return XF_EXIT_OK;
    }
    if (!strcmp(m->state, "ended")) {
        printf("%s has ended here while it moved\n", guest);
        return XF_EXIT_OK;
    }
    if (!strcmp(m->state, "moved"))
        printf("too late: %s has moved to %s\n", guest, host);
    else
        printf("%s %s: xl-fast recover%s%s %s%s %s\n", guest,
               strcmp(m->state, "suspended") ? "may be here or there"
                                             : "is suspended here, and may run there",
               m->ssh[0] ? " -s " : "", m->ssh[0] ? xf_quote_text(ssh, sizeof(ssh), m->ssh) : "",
               m->guest[0] == '-' ? "-- " : "", xf_quote_text(word, sizeof(word), m->guest), host);
    return XF_EXIT_FAILED;
}

static int cancel(struct xf_moving *m, uint64_t wait_s)
{
    char guest[sizeof(m->guest)];
    FILE *record = fopen(m->path, "re"); /* its last line comes when its name is about to go */
    int rc = end_process(m, wait_s);

    if (rc < 0)
        fprintf(stderr, "xl-fast cancel: process %d: %s\n", (int)m->pid, strerror(-rc));
    else if (rc > 0)
        printf("%s: not over after %" PRIu64 " s: xl-fast status\n",
               xf_live_plain(guest, sizeof(guest), m->guest), wait_s);
    if (!rc && record)
        xf_moving_read(m, record);
    if (record)
        fclose(record);
    return rc < 0 ? XF_EXIT_FAILED : rc > 0 ? XF_EXIT_IN_PROGRESS : say_state(m);
}

static const struct xf_option cancel_options[] = {
    {.name = "wait",
     .letter = 'w',
     .value = "SECONDS",
     .kind = XF_OPTION_SECONDS,
     .max = 86400,
     .help = "how long to wait (60)"},
    {0},
};

const struct xf_command xf_command_cancel = {
    .name = "cancel",
    .summary = "end one of them, as Ctrl-C would",
    .operands = "DOMAIN",
    .about =
        "Cancels the xl migrate --fast of that guest (name, number or UUID) that is in progress\n"
        "on this host, as Ctrl-C there would, waits for its end, and says in what state the\n"
        "guest is.\n",
    .options = cancel_options,
    .done = "cancelled, the guest runs on here",
    .failed =
        "not: there is none, or the guest has moved, or xl-fast recover must settle its state",
    .exits = XF_EXIT_BIT(XF_EXIT_IN_PROGRESS),
    .run = xf_cli_cancel,
};

int xf_cli_cancel(int argc, char **argv)
{
    uint64_t wait_s = WAIT_S;
    struct xf_moving *found;
    struct xf_operands operands;
    int status = xf_options_parse(&xf_command_cancel, &wait_s, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    status = XF_EXIT_FAILED;
    found = xf_move_find("cancel", operands.words[0]);
    if (found)
        status = cancel(found, wait_s);
    free(found);
    return status;
}
