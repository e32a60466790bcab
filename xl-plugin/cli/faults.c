/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast faults: lists the fault points of a test build (transport/base/fault.h). In no other
 * build. */
#include <stdio.h>
#include <string.h>

#include "transport/base/fault.h"
#include "cli.h"

#define POINT(name, when) {#name, when},
static const struct {
    const char *name, *when;
} points[] = {XF_FAULT_POINTS_TRANSPORT(POINT) XF_FAULT_POINTS_PLUGIN(POINT)};
#undef POINT

#define ACTION(name, word, argument, what) {word, argument, what},
static const struct {
    const char *word;
    int argument;
    const char *what;
} actions[] = {XF_FAULT_ACTIONS(ACTION)};
#undef ACTION

int xf_cli_faults(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") && strcmp(argv[1], "-h")) {
        fputs("xl-fast faults: takes no arguments\n", stderr);
        return XF_EXIT_USAGE;
    }
    if (argc > 1)
        puts("usage: xl-fast faults\n\n"
             "Lists points and actions of XF_FAULT='POINT[:NTH]=ACTION[:ARGUMENT] ...',\n"
             "which may also stand in the file " XF_FAULT_PATH ".\n");
    for (unsigned i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        printf("point  %-28s %s\n", points[i].name, points[i].when);
    for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        printf("action %s:%-*d %s\n", actions[i].word, 27 - (int)strlen(actions[i].word),
               actions[i].argument, actions[i].what);
    return XF_EXIT_OK;
}
