/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench: its commands, each in a file of its own. */
#ifndef XF_BENCH_BENCH_COMMANDS_H
#define XF_BENCH_BENCH_COMMANDS_H

#include "xl-plugin/cli/options.h"

xf_cli_run xf_bench_seal, xf_bench_send_alone, xf_bench_receive_alone, xf_bench_link, xf_bench_disk,
    xf_bench_plot;
extern const struct xf_command xf_bench_seal_command, xf_bench_send_command,
    xf_bench_receive_command, xf_bench_link_command, xf_bench_disk_command, xf_bench_plot_command;

#endif
