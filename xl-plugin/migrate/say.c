/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Say: formats a line, takes out what a terminal acts on, writes it at once. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/screen/live.h"

void xf_migrate_say(const char *format, ...)
{
    char *text = NULL, *plain;
    va_list args;
    size_t size;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return;
    size = (size_t)n + sizeof("xl-fast: \n");
    plain = malloc(size);
    if (plain) {
        memcpy(plain, "xl-fast: ", 9);
        xf_live_plain(plain + 9, size - 10, text);
        strcat(plain, "\n");
        /* Nobody may be there to read it. */
        if (write(STDERR_FILENO, plain, strlen(plain)) < 0)
            (void)0;
    }
    free(plain);
    free(text);
}
