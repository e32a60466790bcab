/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast: a binary of commands, each a table of options (options.h) in a file of its own, with a
 * function that runs it. main.c holds the list.
 */
#ifndef XF_CLI_CLI_H
#define XF_CLI_CLI_H

#include "exits.h"
#include "options.h"

/* Each command's table, and what runs it. */
extern const struct xf_command xf_command_bench, xf_command_cancel, xf_command_clone,
    xf_command_config, xf_command_demo, xf_command_disks, xf_command_doctor, xf_command_evacuate,
    xf_command_follow, xf_command_history, xf_command_metrics, xf_command_migrate,
    xf_command_move_off, xf_command_probe, xf_command_recover, xf_command_report, xf_command_set,
    xf_command_status;
extern const struct xf_command xf_command_faults; /* test builds only */
xf_cli_run xf_cli_cancel, xf_cli_clone, xf_cli_config, xf_cli_demo, xf_cli_disks, xf_cli_doctor,
    xf_cli_evacuate, xf_cli_faults, xf_cli_follow, xf_cli_metrics, xf_cli_migrate, xf_cli_move_off,
    xf_cli_probe, xf_cli_recover, xf_cli_report, xf_cli_set, xf_cli_status;

#endif
