/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench: its commands, each in a file of its own. */
#ifndef XF_BENCH_BENCH_H
#define XF_BENCH_BENCH_H

#include "xl-plugin/cli/options.h"

xf_cli_run bench_seal, bench_link, bench_plot;
extern const struct xf_command bench_seal_command, bench_link_command, bench_plot_command;

#endif
