/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast report: a page of a migration, from its events. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/cli/cli.h"
#include "story.h"

const struct xf_command xf_command_report = {
    .name = "report",
    .summary = "a page about a migration, from its events",
    .operands = "EVENTS FILE.html",
    .about =
        "Writes a page about the last migration of a file of events, as xl-fast demo --events and\n"
        "xl migrate --fast --json make them: rounds, rate and dirty memory over time, the parts\n"
        "of the downtime, repairs. The page is one file and needs nothing from elsewhere. - is\n"
        "stdin or stdout.\n",
    .done = "written",
    .run = xf_cli_report,
};

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
    struct xf_operands operands;
    int status = xf_options_parse(&xf_command_report, NULL, argc, argv, &operands), rc;

    if (status != XF_GO_ON)
        return status;

    const char *path = operands.words[0];
    FILE *events = strcmp(path, "-") ? fopen(path, "re") : stdin;
    if (!events) {
        fprintf(stderr, "xl-fast report: %s: %s\n", path, strerror(errno));
        return XF_EXIT_FAILED;
    }
    rc = xf_story_make_page("xl-fast report", events, operands.words[1]);
    if (events != stdin)
        fclose(events);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
