/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench: its subcommands, each in a file of its own. argv[0] is the subcommand's name. */
#ifndef XF_BENCH_BENCH_H
#define XF_BENCH_BENCH_H

int bench_seal(int argc, char **argv);
int bench_link(int argc, char **argv);
int bench_plot(int argc, char **argv);

extern const char bench_seal_help[], bench_link_help[], bench_plot_help[];

#endif
