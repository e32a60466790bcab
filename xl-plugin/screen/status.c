/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast status, xl-fast cancel: the migrations in progress on this host, from a second terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
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
#include "moving.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/cli/quote.h"
#include "story.h"

#define EXIT_NOT_OVER 4 /* as recover's: in progress */
#define WAIT_S        60

static const char status_help[] =
    "usage: xl-fast status [--json]\n"
    "\n"
    "The migrations by xl migrate --fast that are in progress on this host, as the source: guest, "
    "host,\n"
    "how long, and how far.\n"
    "\n"
    "  --json   one JSON object\n"
    "\n"
    "Exit status: 0 said (there may be none), 1 cannot be said, 2 wrong options.\n";

static const char cancel_help[] =
    "usage: xl-fast cancel [-w SECONDS] DOMAIN\n"
    "\n"
    "Cancels the xl migrate --fast of that guest (name, number or UUID) that is in progress on "
    "this "
    "host,\n"
    "as Ctrl-C there would, waits for its end, and says in what state the guest is.\n"
    "\n"
    "  -w, --wait SECONDS   how long to wait (60)\n"
    "\n"
    "Exit status: 0 cancelled, the guest goes on here; 1 not: there is none, or the guest has "
    "moved,\n"
    "or its state is to be settled by xl-fast recover; 2 wrong options; 4 it is not over yet.\n";

/* What its events tell; zeros if there are none yet. Free the story. */
static void read_story(const struct xf_moving *m, struct xf_story *s)
{
    char why[XF_STORY_ERR_BYTES];
    FILE *events = m->events[0] ? fopen(m->events, "re") : NULL;

    memset(s, 0, sizeof(*s));
    s->domid = -1;
    if (!events)
        return;
    if (fseeko(events, (off_t)m->from, SEEK_SET) || xf_story_read(s, events, why)) {
        bool waits = s->waits;

        xf_story_free(s);
        s->domid = -1;
        s->waits = waits;
    }
    fclose(events);
}

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
    put_u64(o, "since", m->since_s);
    put_text(o, "events", m->events);
    put_text(o, "phase", s->program[0] ? n->phase : "waiting");
    if (n->round)
        put_u64(o, "round", n->round);
    if (percent >= 0)
        json_object_object_add(o, "percent", json_object_new_double(percent));
    put_u64(o, "bytes", n->bytes);
    if (n->bps)
        put_u64(o, "wire_bps", n->bps);
    if (n->dirty_us)
        put_u64(o, "dirty_bytes_per_s",
                (uint64_t)((double)n->dirty_pages * 4096e6 / (double)n->dirty_us));
    if (n->predicted_us)
        put_u64(o, "predicted_blackout_us", n->predicted_us);
    if (xf_live_eta_us(n))
        put_u64(o, "eta_us", xf_live_eta_us(n));
    return o;
}

static int show_all(const struct xf_moving *all, int n, bool json)
{
    struct json_object *list = json_object_new_array(), *o = json_object_new_object();

    for (int i = 0; i < n; i++) {
        struct xf_story s;

        read_story(&all[i], &s);
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

/* NULL, after having said why. */
static struct xf_moving *find_all(const char *command, int *n)
{
    struct xf_moving *all = calloc(XF_MOVING_MAX, sizeof(*all));

    *n = all ? xf_moving_find(all) : -ENOMEM;
    if (*n >= 0)
        return all;
    fprintf(stderr, "xl-fast %s: cannot see the migrations: %s\n", command, strerror(-*n));
    free(all);
    return NULL;
}

int xf_cli_status(int argc, char **argv)
{
    bool json = argc == 2 && !strcmp(argv[1], "--json");
    struct xf_moving *all;
    int n, rc;

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(status_help, stdout);
        return XF_EXIT_OK;
    }
    if (argc > 1 && !json) {
        fprintf(stderr, "xl-fast status: '%s' is no option; see xl-fast status --help\n", argv[1]);
        return XF_EXIT_USAGE;
    }
    all = find_all("status", &n);
    if (!all)
        return XF_EXIT_FAILED;
    rc = show_all(all, n, json);
    free(all);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}

/* ---- cancel -----------------------------------------------------------------------------------
 */

static bool is_called(const struct xf_moving *m, const char *domain)
{
    struct xf_story s;
    uint64_t domid;
    bool is = !strcmp(domain, m->guest) || !strcmp(domain, m->uuid);

    if (!is && !xf_number_u64(domain, 1, INT32_MAX, &domid)) {
        read_story(m, &s);
        is = s.domid == (int64_t)domid;
        xf_story_free(&s);
    }
    return is;
}

/* USR1 is for the shim to end xl only where that is safe, however often it comes. Sent by a handle
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

/* By what its shim wrote last. */
static int say_state(const struct xf_moving *m)
{
    char guest[sizeof(m->guest)], host[sizeof(m->host)], word[XF_QUOTE_BYTES(sizeof(m->guest))],
        ssh[XF_QUOTE_BYTES(sizeof(m->ssh))];

    xf_live_plain(guest, sizeof(guest), m->guest);
    xf_live_plain(host, sizeof(host), m->host);
    if (!strcmp(m->state, "here") || !strcmp(m->state, "paused")) {
        printf("%s %s here\n", guest, m->state[0] == 'h' ? "goes on" : "is paused, as it was,");
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
    return rc < 0 ? XF_EXIT_FAILED : rc > 0 ? EXIT_NOT_OVER : say_state(m);
}

int xf_cli_cancel(int argc, char **argv)
{
    const char *domain = NULL;
    uint64_t wait_s = WAIT_S;
    struct xf_moving *all, *found = NULL;
    bool options = true;
    int n, status = XF_EXIT_FAILED;

    for (int i = 1; i < argc; i++) {
        if (options && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
            fputs(cancel_help, stdout);
            return XF_EXIT_OK;
        }
        if (options && !strcmp(argv[i], "--")) {
            options = false;
            continue;
        }
        if (options && (!strcmp(argv[i], "-w") || !strcmp(argv[i], "--wait")) && i + 1 < argc &&
            !xf_number_u64(argv[i + 1], 0, 86400, &wait_s)) {
            i++;
        } else if ((options && argv[i][0] == '-') || domain) {
            fprintf(stderr, "xl-fast cancel: '%s' makes no sense; see xl-fast cancel --help\n",
                    argv[i]);
            return XF_EXIT_USAGE;
        } else {
            domain = argv[i];
        }
    }
    if (!domain) {
        fputs("xl-fast cancel: wants DOMAIN; see xl-fast cancel --help\n", stderr);
        return XF_EXIT_USAGE;
    }
    all = find_all("cancel", &n);
    if (!all)
        return XF_EXIT_FAILED;
    for (int i = 0; i < n && !found; i++)
        if (is_called(&all[i], domain))
            found = &all[i];
    if (found)
        status = cancel(found, wait_s);
    else
        fprintf(stderr, "xl-fast cancel: no migration of '%s' is in progress here\n", domain);
    free(all);
    return status;
}
