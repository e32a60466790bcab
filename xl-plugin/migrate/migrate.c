/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast migrate, which `xl migrate --fast` is another name of: asks both ends, in one call of
 * ssh, whether it can work (nothing is touched by that); waits for its turn; runs the real xl
 * migrate with our save helper at both ends; says where the guest is. See xl-fast-migrate(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steps.h"
#include "outcome.h"
#include "predict.h"
#include "say.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/doctor/ask_disks.h"
#include "xl-plugin/screen/live.h"
#include "xl-plugin/screen/moving.h"

#define SAID_LINES 200u
/* What xl-fast-receive says, before xl has done anything. */
#define MISSED "xl-fast: target: another migration has"

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    xf_migrate_say("%s", text);
    return XF_EXIT_FAILED;
}

/* ---- before anything ----------------------------------------------------------------------------
 */

static bool can_make(const char *path)
{
    char dir[XF_PATH_BYTES];

    if (!access(path, F_OK))
        return !access(path, W_OK);
    snprintf(dir, sizeof(dir), "%s", path);
    return !access(dirname(dir), W_OK);
}

int xf_migrate_make_uuid(char to[40])
{
    FILE *f = fopen("/proc/sys/kernel/random/uuid", "re");
    bool ok = f && fgets(to, 40, f);

    if (f)
        fclose(f);
    to[strcspn(to, "\n")] = 0;
    return ok && strlen(to) == 36 ? 0 : -EIO;
}

static int find_lib(struct xf_migrate *m)
{
    struct xf_reach reach;
    int rc = xf_reach_find(&reach, "xl-fast-preflight");
    char *slash = strrchr(reach.program, '/');

    snprintf(m->lib, sizeof(m->lib), "%.*s", slash ? (int)(slash - reach.program) : 0,
             reach.program);
    if (rc == -EINVAL || (slash && slash - reach.program >= (ptrdiff_t)sizeof(m->lib)))
        return fail("%s: xl-fast cannot work from a folder of that name", m->lib);
    return rc ? fail(
                    "this host: %s is missing: xl-fast was built or installed without its Xen part",
                    reach.program)
              : 0;
}

static int prepare(struct xf_migrate *m)
{
    int status = find_lib(m);

    if (status)
        return status;
    if (m->o.report && !can_make(m->o.report))
        return fail("--report %s: cannot be written", m->o.report);
    if (m->copy)
        snprintf(m->clone, sizeof(m->clone), "%s/xl-fast-clone", m->lib);
    if (xf_real_find(m->lib, m->real, sizeof(m->real)))
        return fail("the real xl cannot be found: is Xen installed?");
    if (xf_migrate_make_uuid(m->attempt) || xf_signals_begin(&m->signals))
        return fail("cannot begin: %s", strerror(errno));
    xf_migrate_options_export(&m->o);
    setenv("XL_FAST_SHIM", "1", 1);
    return 0;
}

/* ---- the steps ----------------------------------------------------------------------------------
 */

static void remove_file(char path[XF_PATH_BYTES])
{
    if (path[0])
        unlink(path);
    path[0] = 0;
}

static void clean_up(struct xf_migrate *m)
{
    remove_file(m->untouched);
    remove_file(m->said);
    remove_file(m->control); /* of a helper that was killed */
    if (m->own_events)
        remove_file(m->events);
    xf_migrate_record_end(m, "here"); /* only of a guest that was not touched there still is one */
}

/* Until xl runs, whoever cancels has only to end this. */
static int cancel_early(struct xf_migrate *m)
{
    bool once;
    int status = xf_signals_take(&m->signals, &once);

    xf_migrate_record_end(m, "here");
    xf_migrate_say("cancelled: %s was not touched and keeps running here",
                   m->source.name && m->source.name[0] ? m->source.name : m->o.domain);
    return status;
}

/* --dry-run: what both ends say, and what follows from it. Nothing waits, and nothing is left
   behind. */
static int dry_run(struct xf_migrate *m)
{
    enum xf_step step = xf_migrate_ask_source(m);
    struct xf_disks_asked disks = {0};
    char dir[XF_PATH_BYTES];

    if (step == XF_STEP_ON)
        step = xf_migrate_ask_target(m);
    if (step == XF_STEP_ON)
        step = xf_migrate_choose_hand_over(m);
    if (step == XF_STEP_ON && m->o.measure_s)
        step = xf_migrate_measure(m);
    if (step == XF_STEP_ON && m->o.with_disks)
        step = xf_migrate_disks_plan(m, &disks);
    if (step == XF_STEP_CANCELLED) {
        free(disks.disks);
        return cancel_early(m);
    }
    if (!xf_migrate_record_has_room() && !xf_moving_path(dir, sizeof(dir), ""))
        xf_migrate_say("cannot write to %s: status, cancel and the screen would see "
                       "nothing; fix: xl-fast doctor --fix",
                       dir);
    int status = xf_predict(&(struct xf_prediction){.guest = m->o.domain,
                                                    .host = m->o.host,
                                                    .source = m->source_said,
                                                    .target = m->target_said,
                                                    .refused = m->refused,
                                                    .copy = m->copy ? m->copy->name : NULL,
                                                    .late = m->late,
                                                    .measured = m->measured,
                                                    .disks = disks.disks ? &disks : NULL,
                                                    .json = m->o.json});

    free(disks.disks);
    return status;
}

/* The rest is done by the real xl, which has nothing of ours. */
static int go_plain(struct xf_migrate *m)
{
    XF_NOTE(m, "so by plain xl migrate%s", m->o.verify ? ", which does not verify" : "");
    xf_migrate_record_end(m, "unknown");
    clean_up(m);
    return xf_migrate_move_plain(m);
}

/* Asks, and waits for both ports. */
static enum xf_step meet(struct xf_migrate *m)
{
    enum xf_step step = xf_migrate_ask_source(m);

    if (step != XF_STEP_ON)
        return step;
    if (!m->record[0])
        xf_migrate_record_begin(m);
    if (m->turn < 0)
        step = xf_migrate_queue_here(m);
    if (step == XF_STEP_ON)
        step = m->copies ? xf_migrate_copies_meet(m) : xf_migrate_queue_there(m);
    if (step == XF_STEP_ON && !m->copies)
        xf_migrate_say_whereto(m);
    return step == XF_STEP_ON ? xf_migrate_choose_hand_over(m) : step;
}

/* The plug-in removes this file before it touches the guest; while it is there, plain xl migrate
   can take over. */
static enum xf_step make_untouched(struct xf_migrate *m)
{
    const char *run = getenv("XL_FAST_RUNDIR");
    int fd;

    if (!run || !*run)
        run = "/run";
    snprintf(m->untouched, sizeof(m->untouched), "%.400s/xl-fast.XXXXXX", run);
    fd = mkostemp(m->untouched, O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return XF_STEP_ON;
    }
    m->untouched[0] = 0;
    xf_migrate_say("cannot make a file in %s", run);
    return XF_STEP_FAILED;
}

static bool says_missed(const char *path)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    bool found = false;

    while (f && !found && getline(&line, &size, f) > 0)
        found = strstr(line, MISSED);
    free(line);
    if (f)
        fclose(f);
    return found;
}

/* Whether another migration has come first at the target after all: it has said so to
   xl-fast-receive there, before xl did anything. */
static bool has_missed(struct xf_migrate *m, int status)
{
    /* Of several hosts, the others have come further. */
    if (!status || m->cancelled || xf_migrate_events_began(m) || (m->copies && m->copies->n > 1))
        return false;
    return m->said[0] ? says_missed(m->said)
                      : xf_migrate_ask_target(m) == XF_STEP_ON && m->target.busy[0];
}

/* ---- after a migration that failed -------------------------------------------------------------
 */

/* The last lines of what xl and both ends said, where a return is a line's end, too. */
static void show_said(const struct xf_migrate *m)
{
    FILE *f = m->said[0] && m->screen != XF_SCREEN_ALL ? fopen(m->said, "re") : NULL;
    char *lines[SAID_LINES] = {0}, *line = NULL, *rest, *part;
    size_t size = 0, n = 0;

    while (f && getline(&line, &size, f) > 0) {
        free(lines[n % SAID_LINES]);
        lines[n++ % SAID_LINES] = line;
        line = NULL;
    }
    free(line);
    if (f)
        fclose(f);
    if (n)
        xf_migrate_say("xl and both ends said:");
    for (size_t i = n > SAID_LINES ? n - SAID_LINES : 0; i < n; i++) {
        rest = lines[i % SAID_LINES];
        while ((part = strsep(&rest, "\r\n"))) {
            if (part[strspn(part, " ")])
                fprintf(stderr, "    %s\n", xf_live_plain(part, strlen(part) + 1, part));
        }
        free(lines[i % SAID_LINES]);
    }
}

static enum xf_disks_outcome say_outcome(struct xf_migrate *m, bool ended)
{
    char left[64] = "";
    struct xf_outcome outcome = {.left = left,
                                 .ended = ended,
                                 .guest = m->source.name,
                                 .host = m->o.host,
                                 .ssh = m->o.own_ssh ? m->o.ssh : NULL};
    char *line;

    xf_migrate_ask_left(m, left, sizeof(left));
    /* What xl says of a cancellation is not news. */
    if (!m->cancelled || strcmp(left, "running") != 0)
        show_said(m);
    line = xf_outcome_line(&outcome);
    xf_migrate_say("%s", line ? line : strerror(ENOMEM));
    free(line);
    xf_migrate_record_end(m, xf_outcome_state(&outcome));
    return !strcmp(left, "running") ? XF_DISKS_STAYS : XF_DISKS_UNKNOWN;
}

/* Whatever has failed, the guest is this host's: one that stands is let go on. */
static int end_copies(struct xf_migrate *m, int status)
{
    char left[64] = "";

    xf_migrate_ask_left(m, left, sizeof(left));
    if (!strcmp(left, "suspended")) {
        xf_migrate_resume(m);
        xf_migrate_ask_left(m, left, sizeof(left));
    }
    const bool here = !strcmp(left, "running") || !strcmp(left, "paused");

    if (!status)
        xf_migrate_listen_say(m);
    else if (!m->cancelled)
        show_said(m);
    xf_migrate_copies_clear(m);
    if (here)
        XF_NOTE(m, "%s goes on here", m->source.name);
    else if (!strcmp(left, "suspended"))
        xf_migrate_say("%s stands here, and could not be let go on: xl-fast recover %s %s",
                       m->source.name, m->source.name, m->o.host);
    else
        xf_migrate_say("%s is not here any more: it has ended meanwhile", m->source.name);
    xf_migrate_record_end(m, here ? "here" : !strcmp(left, "suspended") ? "suspended" : "ended");
    const int disks = xf_migrate_disks_end(m, XF_DISKS_MOVED);

    return status ? status : disks;
}

/* -------------------------------------------------------------------------------------------------
 */

enum { AGAIN = -1 };

/* One try: an exit status, or AGAIN. */
static int migrate_once(struct xf_migrate *m)
{
    enum xf_step step = meet(m);
    bool ended;
    int status;

    if (step == XF_STEP_ON) {
        step = xf_migrate_events_begin(m);
    } else if (step == XF_STEP_REFUSED) {
        if (!m->o.or_plain || m->stock_fails)
            return fail("%s", m->refused);
        XF_NOTE(m, "%s", m->refused);
        return go_plain(m);
    }
    if (step == XF_STEP_ON && m->o.or_plain)
        step = make_untouched(m);
    if (step == XF_STEP_ON)
        step = xf_migrate_disks_begin(m);
    if (step == XF_STEP_CANCELLED || xf_signals_wait(&m->signals, 0)) {
        xf_migrate_disks_end(m, XF_DISKS_STAYS);
        xf_migrate_events_stop(m);
        return cancel_early(m);
    }
    if (step != XF_STEP_ON) {
        xf_migrate_events_stop(m);
        return XF_EXIT_FAILED;
    }

    xf_migrate_record_move(m);
    status = xf_migrate_move(m);
    if (has_missed(m, status))
        return AGAIN;
    if (m->copies)
        status = xf_migrate_copies_take(m, status);
    xf_migrate_events_end(m, status);
    if (m->copies)
        return end_copies(m, status);
    if (status && !m->cancelled && m->untouched[0] && !access(m->untouched, F_OK)) {
        if (m->o.screen != XF_SCREEN_QUIET)
            show_said(m);
        XF_NOTE(m, "the guest was not touched");
        xf_migrate_record_end(m, "here");
        return go_plain(m);
    }
    if (!status)
        xf_migrate_listen_say(m);
    ended = status && xf_migrate_events_guest_ended(m);
    if (status) {
        xf_migrate_disks_end(m, say_outcome(m, ended));
        return status;
    }
    xf_migrate_record_end(m, "moved");
    return xf_migrate_disks_end(m, XF_DISKS_MOVED);
}

static int migrate(struct xf_migrate *m)
{
    int status;

    m->turn = -1;
    /* Whoever has missed its turn waits anew, in the same place at the target. */
    while ((status = migrate_once(m)) == AGAIN) {
        xf_migrate_events_stop(m);
        remove_file(m->said);
        remove_file(m->untouched);
    }
    clean_up(m);
    return status;
}

int xf_migrate_run(const struct xf_migrate_options *o, const struct xf_copies *copies)
{
    struct xf_migrate *m = calloc(1, sizeof(*m));
    int status;

    if (!m)
        return fail("%s", strerror(ENOMEM));
    m->o = *o;
    m->copies = copies;
    if (copies)
        xf_migrate_copies_aim(m);
    status = prepare(m);
    if (!status)
        status = m->o.dry_run ? dry_run(m) : migrate(m);
    free(m);
    return status;
}

int xf_cli_migrate(int argc, char **argv)
{
    struct xf_migrate_options o;
    int status = xf_migrate_options_parse(&xf_command_migrate, &o, argc, argv);

    return status == XF_GO_ON ? xf_migrate_run(&o, NULL) : status;
}

const struct xf_command xf_command_migrate = {
    .name = "migrate",
    .summary = "move a running guest of Xen, its memory over a DPDK port",
    .operands = "DOMAIN HOST",
    .about = "Moves a running guest with its memory over a DPDK port (see xl-fast.conf(5)). xl "
             "migrate\n--fast is another name of it.\n",
    .options = xf_migrate_option_rows,
    .more = "The last line says in what state the guest is. All statuses but these are the plain "
            "xl's.\n",
    .done = "the guest has moved",
    .failed = "it was refused, or has failed",
    .exits = XF_EXIT_BY_SIGNAL,
    .run = xf_cli_migrate,
};
