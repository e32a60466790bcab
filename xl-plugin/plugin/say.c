/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Say: formats a line and writes it to stderr by one write(2). */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/plugin/fault_points.h"

void xf_say(const char *format, ...)
{
    static const char prefix[] = "xl-fast: ";
    int saved = errno;
    char line[4096]; /* a result is long; one write takes it (PIPE_BUF) */
    va_list args;

    memcpy(line, prefix, sizeof(prefix));
    va_start(args, format);
    int n = vsnprintf(line + sizeof(prefix) - 1, sizeof(line) - sizeof(prefix), format, args);
    va_end(args);

    size_t len = sizeof(prefix) - 1 + (n < 0 ? 0 : (size_t)n);
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    line[len++] = '\n';
    if (XF_FAULT(log_write) || write(STDERR_FILENO, line, len) < 0) {
        /* Nobody listens; a migration does not fail for that. */
    }
    errno = saved;
}
