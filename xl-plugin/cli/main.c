/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast: finds the subcommand and runs it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static const struct {
    const char *name;
    xf_cli_run *run;
    const char *what;
} commands[] = {
    {"demo", xf_cli_demo, "migrate a simulated guest between two processes, here and now"},
    {"bench", xf_cli_bench,
     "what this machine could do at best: the limit that rates are read against"},
    {"probe", xf_cli_probe, "what this host has for xl migrate --fast, and what is missing"},
    {"doctor", xf_cli_doctor, "what is wrong at one or both ends, and the command that mends it"},
    {"config", xf_cli_config, "whether xl-fast.conf is right, and which keys are in force"},
    {"recover", xf_cli_recover,
     "after an xl migrate that did not end: who owns the guest, settled"},
    {"evacuate", xf_cli_evacuate, "empty this host: all its guests move to others"},
    {"report", xf_cli_report, "a page about a migration, from its events"},
    {"status", xf_cli_status, "the migrations in progress on this host"},
    {"cancel", xf_cli_cancel, "end one of them, as Ctrl-C would"},
    {"metrics", xf_cli_metrics, "the migrations since boot, as Prometheus' text"},
    {"predict", xf_cli_predict, "how long a move will take; for xl migrate --fast --dry-run"},
    {"follow", xf_cli_follow, "the screen of a migration, from its events as they come"},
#ifdef XF_FAULTS
    {"faults", xf_cli_faults, "where this test build can be made to fail, and how"},
#endif
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
    fputs("usage: xl-fast COMMAND [OPTION...]\n\n", to);
    for (unsigned i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].what);
    fputs("\n`xl-fast COMMAND --help` says more. To migrate a guest of Xen: xl migrate --fast.\n",
          to);
}

/* What is opened later must not get the number of one of these. */
static void open_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            _exit(XF_EXIT_FAILED);
}

/* No command succeeds in silence whose words are lost. */
static int finish(const char *command, int status)
{
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    fprintf(stderr, "xl-fast %s: not all could be written to stdout\n", command);
    return status ? status : XF_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    open_standard_files();
    if (argc < 2) {
        usage(stderr);
        return XF_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        usage(stdout);
        return finish("help", XF_EXIT_OK);
    }
    for (unsigned i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name))
            return finish(argv[1], commands[i].run(argc - 1, argv + 1));
    fprintf(stderr, "xl-fast: no command '%s'; see xl-fast --help\n", argv[1]);
    return XF_EXIT_USAGE;
}
