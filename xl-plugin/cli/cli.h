/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast: a binary of commands, each a table of options (options.h) in a file of its own, with a
 * function that runs it. main.c holds the list.
 */
#ifndef XF_CLI_CLI_H
#define XF_CLI_CLI_H

#include <stdint.h>

#include "options.h"

/* Exit statuses: a number means the same with every command. A signal N that ends a command is
   128 + N. xl-fast(1) has the same table. */
#define XF_EXIT_OK          0
#define XF_EXIT_FAILED      1
#define XF_EXIT_USAGE       2
#define XF_EXIT_CANNOT_TELL 3
#define XF_EXIT_IN_PROGRESS 4
#define XF_EXIT_STAYED      5

/* For struct xf_command's exits. */
#define XF_EXIT_BIT(status) (1u << (status))
#define XF_EXIT_BY_SIGNAL   (1u << 31)

#define XF_EXIT_TEXTS                                                                              \
    {                                                                                              \
        [XF_EXIT_OK] = "done", [XF_EXIT_FAILED] = "failed",                                        \
        [XF_EXIT_USAGE] = "wrong command line",                                                    \
        [XF_EXIT_CANNOT_TELL] = "cannot tell who owns the guest",                                  \
        [XF_EXIT_IN_PROGRESS] = "still in progress",                                               \
        [XF_EXIT_STAYED] = "the guest stays at the source, as told",                               \
    }

/* Each command's table, and what runs it. */
extern const struct xf_command xf_command_bench, xf_command_cancel, xf_command_config,
    xf_command_demo, xf_command_doctor, xf_command_evacuate, xf_command_follow, xf_command_history,
    xf_command_metrics, xf_command_predict, xf_command_probe, xf_command_recover, xf_command_report,
    xf_command_status;
extern const struct xf_command xf_command_faults; /* test builds only */
xf_cli_run xf_cli_cancel, xf_cli_config, xf_cli_demo, xf_cli_doctor, xf_cli_evacuate, xf_cli_faults,
    xf_cli_follow, xf_cli_metrics, xf_cli_predict, xf_cli_probe, xf_cli_recover, xf_cli_report,
    xf_cli_status;

#endif
