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

const struct xf_command xf_command_faults = {
    .name = "faults",
    .summary = "where this test build can be made to fail, and how",
    .about =
        "Lists points and actions of XF_FAULT='POINT[:NTH]=ACTION[:ARGUMENT] ...', which may also\n"
        "stand in the file " XF_FAULT_PATH ".\n",
    .hidden = true,
    .run = xf_cli_faults,
};

int xf_cli_faults(int argc, char **argv)
{
    struct xf_operands operands;
    int status = xf_options_parse(&xf_command_faults, NULL, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    for (unsigned i = 0; i < xf_fault_points_n; i++)
        printf("point  %-28s %s\n", xf_fault_points[i].name, xf_fault_points[i].when);
    for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        printf("action %s:%-*d %s\n", actions[i].word, 27 - (int)strlen(actions[i].word),
               actions[i].argument, actions[i].what);
    return XF_EXIT_OK;
}
