/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast bench: what this machine, or the link to another, could do at best. */
#include "bench_commands.h"

#include "xl-plugin/cli/cli.h"

static const struct xf_command *const commands[] = {&xf_bench_seal_command,
                                                    &xf_bench_send_command,
                                                    &xf_bench_receive_command,
                                                    &xf_bench_link_command,
                                                    &xf_bench_disk_command,
                                                    &xf_bench_plot_command,
                                                    NULL};

static int run(int argc, char **argv)
{
    return xf_subcommand_run(&xf_command_bench, argc, argv);
}

const struct xf_command xf_command_bench = {
    .name = "bench",
    .summary = "measure the upper bound of this machine or of a link",
    .about =
        "What this machine, or the link to another, could do at best: the limit that the rates\n"
        "of migrations are read against.\n",
    .commands = commands,
    .run = run,
};
