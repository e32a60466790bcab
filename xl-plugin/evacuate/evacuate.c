/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast evacuate: empties this host. It looks, plans (evacuate_plan.c), moves the first guest of
 * the plan, and begins again, until the plan moves nobody. A guest on its way is in the journal; a
 * run that was killed is continued by the next, which settles that guest first.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xl-plugin/cli/cli.h"
#include "evacuate_ask.h"
#include "evacuate_disks.h"
#include "evacuate_move.h"
#include "evacuate_say.h"
#include "xl-plugin/screen/moving.h"
#include "xl-plugin/cli/quote.h"

struct evacuate {
    struct xf_evacuate_host hosts[XF_EVACUATE_HOSTS];
    unsigned hosts_n;
    struct xf_option_texts keep;
    bool dry_run, with_disks;
    struct xf_say say;
    struct xf_mover mover;
    struct xf_reach preflight, disks; /* as the mover's, for other programs */
    struct xf_evacuate_self self;
    /* The newest look, and the one before it. */
    struct xf_evacuate_guest *guests, *before;
    unsigned guests_n, before_n;
    uint64_t looked_ns;
    char *question; /* about them */
    struct xf_evacuated *evacuated;
    unsigned evacuated_n;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- looking ------------------------------------------------------------------------------- */

/* Each time it was gone for long, and then was here again. */
static bool ends_each_time(const struct evacuate *e, const struct xf_evacuate_guest *g)
{
    unsigned ended = 0;

    for (unsigned i = 0; i < e->evacuated_n; i++)
        ended +=
            e->evacuated[i].result == XF_EVACUATED_ENDED && !strcmp(e->evacuated[i].uuid, g->uuid);
    return ended > XF_EVACUATE_REBOOTS;
}

static int look(struct evacuate *e)
{
    struct xf_evacuate_guest *newest = e->before;
    char why[XF_EVACUATE_WHY];
    uint64_t at_ns = now_ns();
    int n;

    free(e->question);
    n = xf_evacuate_ask_guests(newest, e->with_disks, &e->question, why);

    if (n < 0) {
        xf_say_error("%s", why);
        return n;
    }
    e->before = e->guests;
    e->before_n = e->guests_n;
    e->guests = newest;
    e->guests_n = (unsigned)n;
    xf_evacuate_carry_over(e->guests, e->guests_n, e->before, e->before_n, at_ns - e->looked_ns);
    e->looked_ns = at_ns;
    for (unsigned i = 0; i < e->guests_n; i++) {
        if (!ends_each_time(e, &e->guests[i]))
            continue;
        e->guests[i].tries = XF_EVACUATE_TRIES;
        strcpy(e->guests[i].failed, "ends each time that it moves");
    }
    xf_evacuate_sort_out(e->guests, e->guests_n, e->keep.texts);
    return 0;
}

/* Twice, so that it is seen how busy the guests are. */
static int look_at_first(struct evacuate *e)
{
    int rc = look(e);

    if (rc)
        return rc;
    sleep(1);
    return look(e);
}

/* Why a host cannot be used is said once, and again when it is for another reason. */
static void ask_hosts(struct evacuate *e)
{
    char said[XF_EVACUATE_HOSTS][XF_EVACUATE_WHY];

    for (unsigned i = 0; i < e->hosts_n; i++)
        memcpy(said[i], e->hosts[i].why, sizeof(said[i]));
    xf_evacuate_ask_hosts(&e->preflight, &e->self, e->question, e->hosts, e->hosts_n, e->guests,
                          e->guests_n);
    if (e->with_disks)
        xf_evacuate_ask_disks(&e->disks, e->hosts, e->hosts_n, e->guests, e->guests_n);
    for (unsigned i = 0; i < e->hosts_n && !xf_mover_cancelled(); i++)
        if (!e->hosts[i].usable && strcmp(said[i], e->hosts[i].why) != 0)
            xf_say_error("%s", e->hosts[i].why);
}

/* ---- moving -------------------------------------------------------------------------------- */

static void note_evacuated(struct evacuate *e, const struct xf_journal *j, uint64_t need_kib,
                           int result, const char *why)
{
    struct xf_evacuated *grown =
        realloc(e->evacuated, (e->evacuated_n + 1) * sizeof(*e->evacuated));
    struct xf_evacuated *v;

    if (!grown) {
        xf_say_error("%s: %s", j->guest, strerror(ENOMEM));
        return;
    }
    e->evacuated = grown;
    v = &e->evacuated[e->evacuated_n++];
    memset(v, 0, sizeof(*v));
    memcpy(v->name, j->guest, sizeof(v->name));
    memcpy(v->uuid, j->uuid, sizeof(v->uuid));
    memcpy(v->host, j->host, sizeof(v->host));
    v->need_kib = need_kib;
    v->result = result;
    snprintf(v->why, sizeof(v->why), "%s", why);
}

/* Said whatever is to be said: it is no longer what the user believes it to be. */
static void note_ended(struct evacuate *e, const struct xf_journal *j, uint64_t need_kib)
{
    xf_say_error("%s has ended while it moved to %s: it has shut down, crashed or been destroyed, "
                 "and %s does not have it",
                 j->guest, j->host, j->host);
    note_evacuated(e, j, need_kib, XF_EVACUATED_ENDED, "");
}

/* Where the guest is, is known: the journal has done its work. */
static int forget(void)
{
    int rc = xf_journal_remove();

    if (rc)
        xf_say_error("cannot remove the journal: %s", strerror(-rc));
    return rc;
}

static void note_failed(struct xf_evacuate_guest *g, const char *host, int status)
{
    bool cancelled = xf_exit_is_cancelled(status);
    char before[XF_EVACUATE_WHY];

    memcpy(before, g->failed, sizeof(before));
    snprintf(g->failed, sizeof(g->failed), "%.100s%sxl migrate to %.40s %s (status %d)", before,
             before[0] ? ", " : "", host, cancelled ? "was cancelled" : "failed", status);
    g->tried |= 1u << g->to;
    /* Whoever has cancelled it does not want it to begin anew. */
    g->tries = cancelled ? XF_EVACUATE_TRIES : g->tries + 1;
}

/* What has become of it. 0 to go on, or the exit status. */
static int conclude(struct evacuate *e, struct xf_evacuate_guest *g, const struct xf_journal *j,
                    int status)
{
    char why[XF_EVACUATE_WHY] = "";
    enum xf_mover_at at = xf_mover_look(&e->mover, j, why);
    int cancelled = xf_mover_cancelled();

    /* Who cancels does not wait for an answer of the target: that is for the next run. */
    if (cancelled && at == XF_AT_THERE && status)
        at = XF_AT_CANCELLED;
    else if (!cancelled && (at == XF_AT_UNSETTLED || status))
        at = xf_mover_settle(&e->mover, j, why);
    switch (at) {
    case XF_AT_THERE:
        xf_say_end(&e->say, j, "moved", status);
        note_evacuated(e, j, g->need_kib, XF_EVACUATED_MOVED, "");
        return forget() ? XF_EXIT_FAILED : cancelled;
    case XF_AT_ENDED:
        xf_say_end(&e->say, j, "ended", status);
        note_ended(e, j, g->need_kib);
        return forget() ? XF_EXIT_FAILED : cancelled;
    case XF_AT_REBOOTED:
        xf_say_note(&e->say, "%s has rebooted while it moved to %s", j->guest, j->host);
        xf_say_end(&e->say, j, "rebooted", status);
        note_failed(g, j->host, status);
        return forget() ? XF_EXIT_FAILED : cancelled;
    case XF_AT_HERE:
        xf_say_end(&e->say, j, cancelled ? "cancelled" : "failed", status);
        note_failed(g, j->host, status);
        return forget() ? XF_EXIT_FAILED : cancelled;
    case XF_AT_CANCELLED:
    case XF_AT_UNSETTLED:
        break;
    }
    xf_say_end(&e->say, j, "unsettled", status);
    note_evacuated(e, j, g->need_kib, XF_EVACUATED_UNSETTLED,
                   why[0] ? why : "start again, and it is settled first");
    cancelled = xf_mover_cancelled(); /* perhaps only since */
    return cancelled ? cancelled : XF_EXIT_CANNOT_TELL;
}

static int move_one(struct evacuate *e, struct xf_evacuate_guest *g)
{
    struct xf_journal j = {.domid = g->domid};
    int status;

    memcpy(j.guest, g->name, sizeof(j.guest));
    memcpy(j.uuid, g->uuid, sizeof(j.uuid));
    snprintf(j.host, sizeof(j.host), "%s", e->hosts[g->to].name);
    xf_say_begin(&e->say, &j);
    status = xf_mover_move(&e->mover, &j, xf_evacuate_with_disks(g));
    if (status < 0) {
        xf_say_error("%s: its move was not begun: %s", g->name, strerror(-status));
        xf_say_end(&e->say, &j, "failed", -1);
        forget();
        return XF_EXIT_FAILED;
    }
    return conclude(e, g, &j, status);
}

/* ---- what a run before has left ----------------------------------------------------------------
 */

static int say_journal_error(int rc)
{
    char path[512] = "the journal";

    xf_moving_path(path, sizeof(path), XF_JOURNAL_FILE);
    if (rc != -EBADMSG) {
        xf_say_error("%s: %s", path, strerror(-rc));
        return XF_EXIT_FAILED;
    }
    xf_say_error("%s is damaged, so which guest was on its way is not known: look for one that is "
                 "suspended (xl list), settle it with xl-fast recover, then remove the file",
                 path);
    return XF_EXIT_CANNOT_TELL;
}

/* 0 to go on, or the exit status. */
static int settle_last(struct evacuate *e)
{
    char why[XF_EVACUATE_WHY] = "", path[512] = "", guest[XF_QUOTE_BYTES(XF_NAME_SIZE)],
         ssh[XF_QUOTE_BYTES(XF_NAME_SIZE)];
    struct xf_journal j;
    int rc = xf_journal_read(&j);
    enum xf_mover_at at;

    if (rc <= 0)
        return rc ? say_journal_error(rc) : 0;
    if (e->dry_run) {
        xf_say_note(&e->say, "%s was on its way to %s: a run would settle that first", j.guest,
                    j.host);
        return 0;
    }
    xf_say_note(&e->say, "%s was on its way to %s", j.guest, j.host);
    at = xf_mover_settle(&e->mover, &j, why);
    if (at == XF_AT_ENDED) {
        xf_say_end(&e->say, &j, "settled-ended", -1);
        note_ended(e, &j, 0);
        return forget() ? XF_EXIT_FAILED : xf_mover_cancelled();
    }
    if (at == XF_AT_HERE || at == XF_AT_THERE) {
        xf_say_note(&e->say, "%s is %s%s", j.guest, at == XF_AT_HERE ? "here" : "at ",
                    at == XF_AT_HERE ? "" : j.host);
        xf_say_end(&e->say, &j, at == XF_AT_HERE ? "settled-here" : "settled-there", -1);
        if (at == XF_AT_THERE)
            note_evacuated(e, &j, 0, XF_EVACUATED_MOVED, "");
        return forget() ? XF_EXIT_FAILED : xf_mover_cancelled();
    }
    xf_say_end(&e->say, &j, "unsettled", -1);
    note_evacuated(e, &j, 0, XF_EVACUATED_UNSETTLED, why);
    if (at == XF_AT_CANCELLED)
        return xf_mover_cancelled();
    xf_moving_path(path, sizeof(path), XF_JOURNAL_FILE);
    xf_say_error("settle %s first (xl-fast recover%s%s %s%s %s) and start again; if you know that "
                 "it is settled, remove %s",
                 j.guest, e->mover.ssh ? " -s " : "",
                 e->mover.ssh ? xf_quote_text(ssh, sizeof(ssh), e->mover.ssh) : "",
                 j.guest[0] == '-' ? "-- " : "", xf_quote_text(guest, sizeof(guest), j.guest),
                 j.host, path);
    return XF_EXIT_CANNOT_TELL;
}

/* ---- all ----------------------------------------------------------------------------------- */

/* 0: nobody is left to be moved; or the exit status. */
static int move_all(struct evacuate *e)
{
    for (bool first = true;; first = false) {
        struct xf_evacuate_guest *next = NULL;
        int rc;

        ask_hosts(e);
        if (xf_mover_cancelled())
            return xf_mover_cancelled();
        xf_evacuate_plan(e->guests, e->guests_n, e->hosts, e->hosts_n);
        if (first)
            xf_say_plan(&e->say, e->guests, e->guests_n, e->hosts, e->hosts_n);
        for (unsigned i = 0; i < e->guests_n && !next; i++)
            if (e->guests[i].fate == XF_FATE_MOVES)
                next = &e->guests[i];
        if (e->dry_run || !next)
            return 0;
        rc = move_one(e, next);
        if (look(e))
            return rc ? rc : XF_EXIT_FAILED;
        if (rc)
            return rc;
    }
}

/* What of the plan would be left. */
static int judge_plan(const struct evacuate *e)
{
    for (unsigned i = 0; i < e->guests_n; i++)
        if (e->guests[i].fate == XF_FATE_LEFT)
            return XF_EXIT_FAILED;
    return XF_EXIT_OK;
}

static int begin(struct evacuate *e)
{
    char why[XF_EVACUATE_WHY];
    pid_t holder;
    int rc = xf_mover_init(&e->mover, why);

    rc = rc ?: xf_evacuate_ask_self(&e->self, why);
    if (!rc) {
        e->preflight = e->mover.reach;
        rc = xf_reach_find(&e->preflight, "xl-fast-preflight");
        strcpy(why, "xl-fast-preflight is no longer there");
    }
    if (!rc && e->with_disks) {
        e->disks = e->mover.reach;
        rc = xf_reach_find(&e->disks, "xl-fast-disks");
        strcpy(why,
               "xl-fast-disks is not there: xl-fast was built or installed without its Xen part");
    }
    if (rc) {
        xf_say_error("%s", why);
        return rc;
    }
    rc = e->dry_run ? 0 : xf_journal_lock(&holder);
    if (rc == -EBUSY)
        xf_say_error("another xl-fast evacuate runs here (process %d)", (int)holder);
    else if (rc)
        xf_say_error("cannot lock: %s", strerror(-rc));
    return rc;
}

static int run(struct evacuate *e)
{
    int status;

    if (begin(e))
        return XF_EXIT_FAILED;
    xf_mover_catch();
    status = settle_last(e);
    if (look_at_first(e))
        return status ? status : XF_EXIT_FAILED;
    status = status ?: move_all(e);
    if (e->dry_run)
        return status ?: judge_plan(e);
    if (xf_say_summary(&e->say, e->evacuated, e->evacuated_n, e->guests, e->guests_n, status))
        status = status ?: XF_EXIT_FAILED;
    return status;
}

/* ---- the command line ---------------------------------------------------------------------- */

/* Options that would make of a move something else than what is counted on here: plain xl migrate,
   one configuration for all guests, another way to the host than recover's. */
static int check_options(const struct evacuate *e, char *const *options)
{
    for (; *options; options++) {
        const char *word = *options;
        bool cluster = word[0] == '-' && word[1] != '-';

        if (!strncmp(word, "--w", 3) || (e->with_disks && cluster && strchr(word, 'p')))
            return xf_usage_error(&xf_command_evacuate,
                                  word[1] == '-' ? "'%s' after --: give it before --"
                                                 : "--with-disks does not go with '%s' after --",
                                  word);

        /* Also as getopt takes them, cut. */
        if ((cluster && strpbrk(word, "Ch")) || !strncmp(word, "--f", 3) ||
            !strncmp(word, "--h", 3) || !strncmp(word, "--vers", 6))
            return xf_usage_error(&xf_command_evacuate, "'%s' after -- is not for evacuate", word);
        if (cluster && strchr(word, 's'))
            return xf_usage_error(&xf_command_evacuate, "'%s' after --: give -s before --", word);
    }
    return XF_GO_ON;
}

static int add_host(struct evacuate *e, const char *host)
{
    const char *wrong = !xf_reach_host_ok(host) || strlen(host) >= XF_NAME_SIZE
                            ? "is not a host name"
                        : e->hosts_n == XF_EVACUATE_HOSTS ? "is one host too many"
                                                          : NULL;

    for (unsigned i = 0; i < e->hosts_n && !wrong; i++)
        if (!strcmp(e->hosts[i].name, host))
            wrong = "is named twice";
    if (wrong)
        return xf_usage_error(&xf_command_evacuate, "'%s' %s", host, wrong);
    e->hosts[e->hosts_n++].name = host;
    return XF_GO_ON;
}

#define TO(member) .to = offsetof(struct evacuate, member)

static const struct xf_option options[] = {
    {.name = "keep",
     .letter = 'k',
     .value = "PATTERN",
     .kind = XF_OPTION_TEXTS,
     TO(keep),
     .help = "leave guests of such a name here (*, ? and [...] as in the shell); may be given "
             "several times"},
    {.name = "with-disks",
     TO(with_disks),
     .help = "guests with disks of this host move with them, those with the most data last"},
    {.name = "dry-run", .letter = 'n', TO(dry_run), .help = "print the plan, and move nothing"},
    {.name = "quiet", TO(say.quiet), .help = "only what went wrong"},
    {.name = "json",
     TO(say.json),
     .help = "what happens as lines of JSON on stdout, see xl-fast-evacuate(1)"},
    {.letter = 's',
     .value = "SSHCOMMAND",
     .kind = XF_OPTION_TEXT,
     TO(mover.ssh),
     .help = "instead of ssh, as in xl migrate"},
    {0},
};

const struct xf_command xf_command_evacuate = {
    .name = "evacuate",
    .summary = "empty this host: all its guests move to others",
    .operands = "HOST...",
    .rest = "OPTION...",
    .about =
        "Empties this host: its guests move to the hosts by xl-fast migrate, one after the\n"
        "other, the largest first, each to where there is room for it. Run it as root. Killed\n"
        "and started again, it continues; what was on its way is settled first. What follows --\n"
        "are options for xl-fast migrate.\n",
    .options = options,
    .done = "all have moved (or with -n: would)",
    .failed = "some are left here, each named with the reason, or it cannot be done",
    .exits = XF_EXIT_BIT(XF_EXIT_CANNOT_TELL) | XF_EXIT_BY_SIGNAL,
    .run = xf_cli_evacuate,
};

static int parse(struct evacuate *e, int argc, char **argv)
{
    struct xf_operands operands;
    int status = xf_options_parse(&xf_command_evacuate, e, argc, argv, &operands);

    for (int i = 0; status == XF_GO_ON && i < operands.n; i++)
        status = add_host(e, operands.words[i]);
    if (status != XF_GO_ON)
        return status;
    e->mover.options = operands.rest;
    return check_options(e, operands.rest);
}

static struct evacuate *new_evacuate(void)
{
    struct evacuate *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->guests = calloc(XF_EVACUATE_GUESTS, sizeof(*e->guests));
    e->before = calloc(XF_EVACUATE_GUESTS, sizeof(*e->before));
    return e;
}

static void free_evacuate(struct evacuate *e)
{
    if (!e)
        return;
    free(e->question);
    free(e->evacuated);
    free(e->before);
    free(e->guests);
    free(e);
}

int xf_cli_evacuate(int argc, char **argv)
{
    struct evacuate *e = new_evacuate();
    int status = XF_EXIT_FAILED;

    if (!e || !e->guests || !e->before) {
        fprintf(stderr, "xl-fast evacuate: %s\n", strerror(ENOMEM));
    } else {
        status = parse(e, argc, argv);
        if (status == XF_GO_ON) {
            e->mover.reach.ssh = e->mover.ssh ? e->mover.ssh : XF_REACH_SSH;
            e->mover.reach.limit_s = XF_REACH_LIMIT_S;
            e->mover.quiet = e->say.quiet || e->say.json;
            status = run(e);
        }
    }
    free_evacuate(e);
    return status;
}
