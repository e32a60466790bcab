/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exit statuses of xl-fast's commands. */
#ifndef XF_CLI_EXITS_H
#define XF_CLI_EXITS_H

#include <stdbool.h>

/* Exit statuses: a number means the same with every command. A signal N that ends a command is
   128 + N. xl-fast(1) has the same table. */
#define XF_EXIT_OK          0
#define XF_EXIT_FAILED      1
#define XF_EXIT_USAGE       2
#define XF_EXIT_CANNOT_TELL 3
#define XF_EXIT_IN_PROGRESS 4
#define XF_EXIT_STAYED      5

/* 128 and SIGHUP, SIGINT, SIGTERM: so a migration ends that was cancelled. */
static inline bool xf_exit_is_cancelled(int status)
{
    return status == 129 || status == 130 || status == 143;
}

/* For struct xf_command's exits. */
#define XF_EXIT_BIT(status) (1u << (status))
#define XF_EXIT_BY_SIGNAL   (1u << 31)

#define XF_EXIT_TEXTS                                                                              \
    {                                                                                              \
        [XF_EXIT_OK] = "done", [XF_EXIT_FAILED] = "failed",                                        \
        [XF_EXIT_USAGE] = "wrong command line",                                                    \
        [XF_EXIT_CANNOT_TELL] = "cannot tell who owns the guest",                                  \
        [XF_EXIT_IN_PROGRESS] = "still in progress",                                               \
        [XF_EXIT_STAYED] = "the guest stays at the source, as told",                               \
    }

#endif
