/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-disks: guests with their disks, at both ends (move_off.h):
 *
 *     xl-fast-disks move-off ...     what `xl-fast move-off` becomes
 *     xl-fast-disks disks ...        what `xl-fast disks` becomes
 *     xl-fast-disks receive          the target's end, started by ssh
 *     xl-fast-disks state GUEST      what the target's journal says of it, asked by ssh
 *     xl-fast-disks start CONFIG     there, by ssh: xl create
 *     xl-fast-disks describe ...     guests of this host, for a plan: plan.h
 *     xl-fast-disks judge            there, by ssh: whether they can come
 *     xl-fast-disks live UUID HOST SSH [verify] [copy NAME NEW_UUID [replace]]
 *                                                 of a guest that runs: live.h
 *
 * Exit status: xl-fast(1)'s.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "move_off.h"
#include "plan.h"
#include "sync.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/cli/options.h"
#include "xl-plugin/recover/recover_look.h"

/* [copy NAME NEW_UUID [replace]], and nothing more. */
static bool take_copy(struct xf_live_options *live, int n, char **words)
{
    if (n >= 3 && !strcmp(words[0], "copy") && xf_uuid_ok(words[2])) {
        live->copy = words[1];
        live->copy_uuid = words[2];
        n -= 3;
        live->replace = n > 0 && !strcmp(words[3], "replace");
        n -= live->replace;
    }
    return n <= 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    struct xf_move_off_options move;
    struct xf_disks_options disks;
    struct xf_sync_options sync;
    int status;

    if (!strcmp(verb, "move-off")) {
        status = xf_move_off_parse(&move, argc - 1, argv + 1);
        return status == XF_GO_ON ? xf_move_off_source(&move) : status;
    }
    if (!strcmp(verb, "disks") && argc > 2 && !strcmp(argv[2], "sync")) {
        status = xf_sync_parse(&sync, argc - 2, argv + 2);
        return status == XF_GO_ON ? xf_disks_sync(&sync) : status;
    }
    if (!strcmp(verb, "disks")) {
        status = xf_disks_parse(&disks, argc - 1, argv + 1);
        return status == XF_GO_ON ? xf_disks_list(&disks) : status;
    }
    if (!strcmp(verb, "receive") && argc == 2)
        return xf_move_off_target(STDIN_FILENO, STDOUT_FILENO);
    if (!strcmp(verb, "state") && argc == 3)
        return xf_disks_say_state(argv[2]);
    if (!strcmp(verb, "start") && argc == 3) {
        execlp("xl", "xl", "create", "-q", argv[2], (char *)NULL);
        return 127;
    }
    if (!strcmp(verb, "describe")) {
        struct xf_live_options live = {.uuid = argc > 2 ? argv[2] : NULL};

        if (take_copy(&live, argc - 3, argv + 3))
            return xf_disks_describe(&live);
    }
    if (!strcmp(verb, "judge") && argc == 2)
        return xf_disks_judge(STDIN_FILENO);
    if (!strcmp(verb, "live") && argc >= 5) {
        struct xf_live_options live = {.uuid = argv[2], .host = argv[3], .ssh = argv[4]};

        live.verify = argc > 5 && !strcmp(argv[5], "verify");
        if (take_copy(&live, argc - 5 - live.verify, argv + 5 + live.verify))
            return xf_disks_live(&live);
    }
    fprintf(stderr, "usage: xl-fast-disks move-off | disks | receive | state GUEST | start CONFIG "
                    "| describe ... | judge | live ...\n");
    return XF_EXIT_USAGE;
}
