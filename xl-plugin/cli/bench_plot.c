/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"
const char bench_plot_help[] = "usage: xl-fast bench plot FILE.jsonl FILE.svg\n";
int bench_plot(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 1;
}
