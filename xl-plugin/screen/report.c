/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast report: a page of a migration, from its events. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/cli/cli.h"
#include "story.h"

static const char help[] =
    "usage: xl-fast report EVENTS FILE.html\n"
    "\n"
    "Writes a page about the last migration of a file of events, as xl-fast demo --events and\n"
    "xl migrate --fast --json make them: rounds, rate and dirty memory over time, the "
    "blackout's\n"
    "parts, repairs. The page is one file and needs nothing from elsewhere. - is stdin or stdout.\n"
    "\n"
    "Exit status: 0 written, 1 failed, 2 wrong options.\n";

static int write_page(const struct xf_story *s, const char *path)
{
    FILE *to = strcmp(path, "-") ? fopen(path, "we") : stdout;
    int rc = 0;

    if (!to)
        return -errno;
    xf_story_write_html(s, to);
    errno = 0;
    if (fflush(to) || ferror(to))
        rc = errno ? -errno : -EIO;
    if (to != stdout && fclose(to) && !rc)
        rc = -errno;
    return rc;
}

int xf_story_make_page(const char *name, FILE *events, const char *path)
{
    char why[XF_STORY_ERR_BYTES];
    struct xf_story s;
    int rc = xf_story_read(&s, events, why);

    if (rc) {
        fprintf(stderr, "%s: no report: the events: %s\n", name, why);
    } else {
        rc = write_page(&s, path);
        if (rc)
            fprintf(stderr, "%s: no report: %s: %s\n", name, path, strerror(-rc));
    }
    xf_story_free(&s);
    return rc;
}

int xf_cli_report(int argc, char **argv)
{
    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(help, stdout);
        return XF_EXIT_OK;
    }
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' && argv[i][1]) {
            fprintf(stderr, "xl-fast report: %s is no option; see xl-fast report --help\n",
                    argv[i]);
            return XF_EXIT_USAGE;
        }
    if (argc != 3) {
        fputs("xl-fast report: wants EVENTS and FILE.html; see xl-fast report --help\n", stderr);
        return XF_EXIT_USAGE;
    }
    FILE *events = strcmp(argv[1], "-") ? fopen(argv[1], "re") : stdin;
    if (!events) {
        fprintf(stderr, "xl-fast report: %s: %s\n", argv[1], strerror(errno));
        return XF_EXIT_FAILED;
    }
    int rc = xf_story_make_page("xl-fast report", events, argv[2]);
    if (events != stdin)
        fclose(events);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
