/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast faults: lists the fault points of a test build (transport/base/fault.h). In no other
 * build. */
#include <stdio.h>
#include <string.h>

#include "transport/base/fault.h"
#include "cli.h"

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
    for (unsigned i = 0; i < xf_fault_points_n; i++)
        printf("point  %-28s %s\n", xf_fault_points[i].name, xf_fault_points[i].when);
    for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        printf("action %s:%-*d %s\n", actions[i].word, 27 - (int)strlen(actions[i].word),
               actions[i].argument, actions[i].what);
    return XF_EXIT_OK;
}
