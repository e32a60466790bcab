/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast: the list of commands; finds the one that is meant and runs it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "transport/base/version.h"

static const struct xf_command *const commands[] = {
    &xf_command_migrate, &xf_command_demo,    &xf_command_bench,   &xf_command_probe,
    &xf_command_doctor,  &xf_command_config,  &xf_command_recover, &xf_command_evacuate,
    &xf_command_report,  &xf_command_status,  &xf_command_set,     &xf_command_cancel,
    &xf_command_history, &xf_command_metrics, &xf_command_follow,  &xf_command_move_off,
    &xf_command_disks,   &xf_command_clone,
#ifdef XF_FAULTS
    &xf_command_faults,
#endif
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
    fputs("usage: xl-fast COMMAND [OPTION...]\n\n", to);
    for (unsigned i = 0; i < COMMANDS; i++)
        if (!commands[i]->hidden)
            fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs(
        "\n`xl-fast COMMAND --help` and `xl-fast help COMMAND` say more; `xl-fast --version` the\n"
        "version. xl migrate --fast is xl-fast migrate.\n",
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

static int unknown_command(const char *word)
{
    const char *names[COMMANDS], *meant;
    unsigned n = 0;

    for (unsigned i = 0; i < COMMANDS; i++)
        if (!commands[i]->hidden)
            names[n++] = commands[i]->name;
    meant = xf_did_you_mean(word, names, n);
    if (word[0] == '-')
        fprintf(stderr, "xl-fast: unknown option '%s'; see xl-fast --help\n", word);
    else if (meant)
        fprintf(stderr, "xl-fast: unknown command '%s'; did you mean '%s'?\n", word, meant);
    else
        fprintf(stderr, "xl-fast: unknown command '%s'; see xl-fast --help\n", word);
    return XF_EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    for (unsigned i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[0], commands[i]->name))
            return finish(argv[0], commands[i]->run(argc, argv));
    return unknown_command(argv[0]);
}

/* `help COMMAND...` is `COMMAND... --help`. */
static int help(int argc, char **argv)
{
    static char asks[] = "--help";

    if (argc == 1) {
        usage(stdout);
        return finish("help", XF_EXIT_OK);
    }
    memmove(argv, argv + 1, (size_t)(argc - 1) * sizeof(*argv));
    argv[argc - 1] = asks;
    return run(argc, argv);
}

int main(int argc, char **argv)
{
    open_standard_files();
    if (argc < 2) {
        usage(stderr);
        return XF_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "help"))
        return help(argc - 1, argv + 1);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        usage(stdout);
        return finish("help", XF_EXIT_OK);
    }
    if (!strcmp(argv[1], "--version")) {
        puts("xl-fast " XF_VERSION);
        return finish("--version", XF_EXIT_OK);
    }
    if (!strcmp(argv[1], "completion-data")) {
        for (unsigned i = 0; i < COMMANDS; i++)
            xf_command_data(commands[i], stdout);
        return finish("completion-data", XF_EXIT_OK);
    }
    return run(argc - 1, argv + 1);
}
