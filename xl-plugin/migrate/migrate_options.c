/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of `xl-fast migrate`: its own, and those of xl migrate, which are handed on. */
#include "migrate_options.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/move_options.h"
#include "xl-plugin/recover/recover_reach.h"

static const char *const fast_words[] = {"port", "auto", NULL};
static const char *const hand_over_words[] = {"auto", "early", "late", NULL};

#define FILE_SAYS  "xl-fast.conf's"
#define HOUR_S     3600
#define TO(member) .to = offsetof(struct xf_migrate_options, member)

const struct xf_option xf_migrate_option_rows[] = {
    {.name = "fast",
     .value = "WAY",
     .optional = true,
     .kind = XF_OPTION_CHOICE,
     .words = fast_words,
     TO(or_plain),
     .help = "by the port, or not at all; so it is without this, too. auto: by plain xl migrate "
             "where the port cannot be used"},
    XF_MOVE_MAX_DOWNTIME(TO(max_downtime_us), FILE_SAYS),
    XF_MOVE_ON_BUSY(TO(on_busy), FILE_SAYS),
    XF_MOVE_DEADLINE(TO(deadline_s), FILE_SAYS),
    XF_MOVE_THROTTLE(TO(throttle)),
    XF_MOVE_BANDWIDTH(TO(bandwidth_bytes_per_s), FILE_SAYS),
    XF_MOVE_COMPRESS(TO(compress), FILE_SAYS),
    XF_MOVE_LANES(TO(lanes), FILE_SAYS),
    {.name = "verify",
     TO(verify),
     .help = "compare all pages on both hosts before the guest starts on the target"},
    {.name = "with-disks",
     TO(with_disks),
     .help = "move its disks, too: files and logical volumes of this host, while the guest runs"},
    {.name = "hand-over",
     .value = "WHEN",
     .kind = XF_OPTION_CHOICE,
     .words = hand_over_words,
     TO(hand_over),
     .help = "early: the target attaches the guest's devices while it still runs here, or it does "
             "not move; late: after it was suspended; auto: early where that can be (auto)"},
    {.name = "json",
     TO(json),
     .help = "what happens as lines of JSON on stdout, see xl-fast-events(5)"},
    {.name = "report",
     .value = "FILE",
     .kind = XF_OPTION_TEXT,
     TO(report),
     .help = "write a page about it, in HTML"},
    {.name = "dry-run",
     TO(dry_run),
     .help = "only ask both hosts, and say how long it would take; with --json one object"},
    {.name = "measure",
     .value = "SECONDS",
     .kind = XF_OPTION_SECONDS,
     .min = 1,
     .max = HOUR_S,
     TO(measure_s),
     .help = "with --dry-run: by what the guest writes in so long, which Xen logs meanwhile"},
    {.name = "quiet", TO(quiet), .help = "only errors on stderr"},
    {.name = "verbose",
     TO(verbose),
     .help = "all that xl and both ends say, instead of one line and a table"},
    {.kind = XF_OPTION_HEADING, .help = "Options of the plain xl migrate:"},
    {.letter = 'C',
     .value = "FILE",
     .kind = XF_OPTION_TEXT,
     TO(config),
     .help = "the guest's configuration on the target"},
    {.letter = 's',
     .value = "COMMAND",
     .kind = XF_OPTION_TEXT,
     TO(ssh),
     .help = "instead of ssh, with its words"},
    {.letter = 'e', TO(no_watch), .help = "do not wait on the target for the guest's end"},
    {.letter = 'p', TO(pause), .help = "leave the guest paused"},
    {.letter = 'D', TO(keep_domid), .help = "keep the domain's number"},
    {.letter = 'F', TO(foreground), .hidden = true, .help = "taken by xl, and of no effect"},
    {.name = "debug", TO(debug), .help = "xl says more, and all pages are compared"},
    {.name = "live", TO(live), .hidden = true, .help = "taken by xl, and of no effect"},
    {.name = "xl-option",
     .value = "WORD",
     .kind = XF_OPTION_TEXTS,
     TO(before),
     .hidden = true,
     .help = "by the alias xl: one given before the word migrate"},
    {0},
};

static enum xf_migrate_screen screen_of(const struct xf_migrate_options *o)
{
    const char *verbose = getenv("XL_FAST_VERBOSE");
    bool all = o->debug || (verbose && *verbose);

    for (unsigned i = 0; i < o->before.n; i++)
        all |= strchr(o->before.texts[i], 'v') != NULL; /* xl itself is to be verbose */
    return o->verbose ? XF_SCREEN_ALL
           : o->quiet ? XF_SCREEN_QUIET
           : all      ? XF_SCREEN_ALL
                      : XF_SCREEN_LIVE;
}

void xf_migrate_options_init(struct xf_migrate_options *o)
{
    *o = (struct xf_migrate_options){.on_busy = XF_MIGRATE_NOT_GIVEN,
                                     .compress = XF_MIGRATE_NOT_GIVEN,
                                     .hand_over = XF_HAND_OVER_AUTO};
}

void xf_migrate_options_settle(struct xf_migrate_options *o)
{
    o->own_ssh = o->ssh;
    if (!o->ssh)
        o->ssh = "ssh";
    o->screen = screen_of(o);
}

int xf_migrate_options_parse(const struct xf_command *c, struct xf_migrate_options *o, int argc,
                             char **argv)
{
    struct xf_operands operands;
    int status;

    xf_migrate_options_init(o);
    status = xf_options_parse(c, o, argc, argv, &operands);
    if (status != XF_GO_ON)
        return status;
    xf_migrate_options_settle(o);
    o->domain = operands.words[0];
    o->host = operands.words[1];
    if (o->with_disks && o->or_plain)
        return xf_usage_error(c, "plain xl migrate leaves disks behind: --with-disks does not go "
                                 "with --fast=auto");
    if (o->with_disks && (o->config || o->pause))
        return xf_usage_error(c, "--with-disks does not go with -C or -p");
    if (o->measure_s && !o->dry_run)
        return xf_usage_error(c, "--measure goes with --dry-run");
    return xf_reach_host_ok(o->host) ? XF_GO_ON
                                     : xf_usage_error(c, "'%s' is not a host name", o->host);
}

static void export_number(const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    setenv(name, text, 1);
}

void xf_migrate_options_export(const struct xf_migrate_options *o)
{
    if (o->max_downtime_us)
        export_number("XL_FAST_MAX_DOWNTIME", o->max_downtime_us / 1000);
    if (o->bandwidth_bytes_per_s)
        export_number("XL_FAST_BANDWIDTH", o->bandwidth_bytes_per_s * 8);
    if (o->deadline_s)
        export_number("XL_FAST_DEADLINE", o->deadline_s);
    if (o->lanes)
        export_number("XL_FAST_LANES", o->lanes);
    if (o->on_busy != XF_MIGRATE_NOT_GIVEN)
        setenv("XL_FAST_ON_BUSY", xf_words_on_busy[o->on_busy], 1);
    if (o->compress != XF_MIGRATE_NOT_GIVEN)
        setenv("XL_FAST_COMPRESS", xf_words_compress[o->compress], 1);
    if (o->throttle)
        setenv("XL_FAST_THROTTLE", "1", 1);
    if (o->verify)
        setenv("XL_FAST_VERIFY", "1", 1);
}
