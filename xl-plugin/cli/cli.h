/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast: a binary of subcommands, each in a file of its own that ends in one function. main.c
 * holds the table. Exit status: 0 done, 1 failed, 2 the command line makes no sense;
 * others are a command's own.
 */
#ifndef XF_CLI_CLI_H
#define XF_CLI_CLI_H

#include <stdint.h>

#define XF_EXIT_OK     0
#define XF_EXIT_FAILED 1
#define XF_EXIT_USAGE  2
#define XF_EXIT_STAYED 3 /* the demo's: given up as told, the guest goes on at the source */

/* argv[0] is the subcommand's name, as main()'s is the program's. */
typedef int xf_cli_run(int argc, char **argv);

xf_cli_run xf_cli_bench;
xf_cli_run xf_cli_cancel;
xf_cli_run xf_cli_config;
xf_cli_run xf_cli_demo;
xf_cli_run xf_cli_doctor;
xf_cli_run xf_cli_evacuate;
xf_cli_run xf_cli_faults; /* test builds only */
xf_cli_run xf_cli_follow;
xf_cli_run xf_cli_metrics;
xf_cli_run xf_cli_predict;
xf_cli_run xf_cli_probe;
xf_cli_run xf_cli_recover;
xf_cli_run xf_cli_report;
xf_cli_run xf_cli_status;

#endif
