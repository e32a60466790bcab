/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast bench: what this machine, or the link to another, could do at best. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "xl-plugin/cli/cli.h"

int xf_cli_bench(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *help;
    } benches[] = {
        {"seal", bench_seal, bench_seal_help},
        {"link", bench_link, bench_link_help},
        {"plot", bench_plot, bench_plot_help},
    };
    const char *name = argc > 1 ? argv[1] : "";

    for (unsigned i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        if (!strcmp(name, benches[i].name))
            return benches[i].run(argc - 1, argv + 1);
        if (!strcmp(name, "--help") || !strcmp(name, "-h"))
            printf("%s%s", i ? "\n" : "", benches[i].help);
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        return XF_EXIT_OK;
    fputs("xl-fast bench: wants what to measure: seal or link, or plot; see xl-fast bench --help\n",
          stderr);
    return XF_EXIT_USAGE;
}
