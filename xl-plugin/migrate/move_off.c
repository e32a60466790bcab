/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Move off: looks at the words of `xl-fast move-off` and `xl-fast disks`, and becomes
   xl-fast-disks. */
#include "move_off.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/move_options.h"
#include "xl-plugin/recover/recover_reach.h"

#define COMPRESS_NOT_GIVEN ((enum xf_compress_mode) - 1)

#define TO(member) .to = offsetof(struct xf_move_off_options, member)

static const struct xf_option move_off_rows[] = {
    {.name = "shutdown",
     TO(shutdown),
     .help = "the guest runs: copy its disks meanwhile, shut it off, send what has changed"},
    {.name = "start",
     TO(start),
     .help = "start it there; if it could not move after all, and was shut off for it, here"},
    {.name = "verify",
     TO(verify),
     .help = "both hosts read the disks once more, and compare hashes of them"},
    XF_MOVE_BANDWIDTH(TO(bandwidth_bytes_per_s), "xl-fast.conf's"),
    XF_MOVE_COMPRESS(TO(compress), "xl-fast.conf's"),
    {.name = "overwrite",
     TO(overwrite),
     .help = "a disk that is neither a file nor a logical volume has to be there: what is on it "
             "is lost"},
    {.name = "delete-source",
     TO(delete_source),
     .help = "remove the disks here once the guest is the other host's"},
    {.name = "dry-run", TO(dry_run), .help = "only ask both hosts"},
    {.name = "json", TO(json), .help = "one object on stdout and nothing else"},
    {.name = "quiet", TO(quiet), .help = "only errors on stderr"},
    {.letter = 's',
     .value = "COMMAND",
     .kind = XF_OPTION_TEXT,
     TO(ssh),
     .help = "instead of ssh, with its words"},
    {0},
};

const struct xf_command xf_command_move_off = {
    .name = "move-off",
    .summary = "move a guest that is shut off, with its disks",
    .operands = "CONFIG HOST",
    .about =
        "Moves a guest that is shut off to HOST: its disks, by the port as a migration goes, and\n"
        "CONFIG, its configuration. They have the same paths there. The disks here stay, as\n"
        "*.xlfast-left; if the guest comes back, only what has changed since is sent. So it is\n"
        "after a move that was broken off.\n",
    .options = move_off_rows,
    .done = "the guest is the other host's",
    .exits = XF_EXIT_BIT(XF_EXIT_CANNOT_TELL),
    .run = xf_cli_move_off,
};

#undef TO
#define TO(member) .to = offsetof(struct xf_sync_options, member)

static const struct xf_option sync_rows[] = {
    {.name = "verify",
     TO(verify),
     .help = "both hosts read the disks once more, and compare hashes of them"},
    XF_MOVE_BANDWIDTH(TO(bandwidth_bytes_per_s), "xl-fast.conf's"),
    XF_MOVE_COMPRESS(TO(compress), "xl-fast.conf's"),
    {.name = "json", TO(json), .help = "one object on stdout and nothing else"},
    {.name = "quiet", TO(quiet), .help = "only errors on stderr"},
    {.letter = 's',
     .value = "COMMAND",
     .kind = XF_OPTION_TEXT,
     TO(ssh),
     .help = "instead of ssh, with its words"},
    {0},
};

static const struct xf_command command_disks_sync = {
    .name = "disks sync",
    .summary = "give another host a copy of a running guest's disks",
    .operands = "DOMAIN HOST",
    .about =
        "Gives HOST a copy of the disks of a guest that runs, all of one moment, as after a power\n"
        "failure. The guest stands for that moment. The next copy, or move, to HOST sends only\n"
        "what differs.\n",
    .options = sync_rows,
    .done = "HOST has the copy",
    .run = xf_cli_disks,
};

static const struct xf_command *const disks_commands[] = {&command_disks_sync, NULL};

#undef TO
#define TO(member) .to = offsetof(struct xf_disks_options, member)

static const struct xf_option disks_rows[] = {
    {.name = "drop",
     .value = "GUEST",
     .kind = XF_OPTION_TEXT,
     TO(drop),
     .help = "remove what has not arrived of that guest, or what it has left here"},
    {.name = "json", TO(json), .help = "one object on stdout and nothing else"},
    {0},
};

const struct xf_command xf_command_disks = {
    .name = "disks",
    .summary = "what guests that moved with their disks have left on this host",
    .about =
        "Of guests that come or went with their disks: what has not arrived whole, and what was\n"
        "left behind. --drop removes it. The disks of guests of this host are never touched.\n",
    .options = disks_rows,
    .run = xf_cli_disks,
    .commands = disks_commands,
};

/* What and HOST. */
static int take_operands(const struct xf_command *c, const struct xf_operands *operands,
                         const char **what, const char **host)
{
    *what = operands->words[0];
    *host = operands->words[1];
    return xf_reach_host_ok(*host) ? XF_GO_ON : xf_usage_error(c, "'%s' is not a host name", *host);
}

int xf_move_off_parse(struct xf_move_off_options *o, int argc, char **argv)
{
    struct xf_operands operands;

    *o = (struct xf_move_off_options){.compress = COMPRESS_NOT_GIVEN};
    int status = xf_options_parse(&xf_command_move_off, o, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    o->compress_given = o->compress != COMPRESS_NOT_GIVEN;
    return take_operands(&xf_command_move_off, &operands, &o->config, &o->host);
}

int xf_disks_parse(struct xf_disks_options *o, int argc, char **argv)
{
    struct xf_operands operands;

    *o = (struct xf_disks_options){0};
    return xf_options_parse(&xf_command_disks, o, argc, argv, &operands);
}

int xf_sync_parse(struct xf_sync_options *o, int argc, char **argv)
{
    struct xf_operands operands;

    *o = (struct xf_sync_options){.compress = COMPRESS_NOT_GIVEN};
    int status = xf_options_parse(&command_disks_sync, o, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    o->compress_given = o->compress != COMPRESS_NOT_GIVEN;
    return take_operands(&command_disks_sync, &operands, &o->guest, &o->host);
}

/* The same words, to another program. */
static int become(int argc, char **argv)
{
    const char **words = calloc((size_t)argc + 2, sizeof(*words));
    struct xf_reach reach;
    int rc = words ? xf_reach_find(&reach, "xl-fast-disks") : -ENOMEM;

    if (!rc || rc == -EINVAL) { /* here its folder may have any name */
        words[0] = reach.program;
        memcpy(words + 1, argv, (size_t)argc * sizeof(*argv));
        execv(reach.program, (char *const *)(uintptr_t)words);
        rc = -errno;
    }
    fprintf(stderr, "xl-fast %s: %s\n", argv[0],
            rc == -ENOENT ? "xl-fast-disks is not there: xl-fast was built or installed without "
                            "its Xen part"
                          : strerror(-rc));
    free(words);
    return XF_EXIT_FAILED;
}

int xf_cli_move_off(int argc, char **argv)
{
    struct xf_move_off_options o;
    int status = xf_move_off_parse(&o, argc, argv);

    return status == XF_GO_ON ? become(argc, argv) : status;
}

int xf_cli_disks(int argc, char **argv)
{
    struct xf_disks_options o;
    struct xf_sync_options sync;
    int status = argc > 1 && !strcmp(argv[1], "sync") ? xf_sync_parse(&sync, argc - 1, argv + 1)
                                                      : xf_disks_parse(&o, argc, argv);

    return status == XF_GO_ON ? become(argc, argv) : status;
}
