/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs xl-fast-preflight and hands on its key=value lines. */
#include "ask_preflight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/cli/quote.h"
#include "xl-plugin/recover/recover_reach.h"

#define COMMAND_BYTES 8192

int xf_preflight_ask(const char *const args[], xf_preflight_take *take, void *arg,
                     char why[XF_PREFLIGHT_WHY_BYTES])
{
    char command[COMMAND_BYTES], *line = NULL;
    size_t cap = 0;
    struct xf_reach reach;
    int rc = xf_reach_find(&reach, "xl-fast-preflight");

    /* -EINVAL: it is there, in a folder that another host's shell could not be told. */
    if (rc && rc != -EINVAL) {
        snprintf(why, XF_PREFLIGHT_WHY_BYTES,
                 "xl-fast-preflight is not there: xl-fast was built or installed without its Xen "
                 "part");
        return -ENOENT;
    }
    FILE *words = fmemopen(command, sizeof(command), "w");
    if (words) {
        xf_quote(words, reach.program);
        for (; *args; args++) {
            putc(' ', words);
            xf_quote(words, *args);
        }
        fputs(" 2>/dev/null", words);
    }
    /* A command line that is cut off would be another one. */
    FILE *f = words && !fclose(words) && strlen(command) < sizeof(command) - 1
                  ? popen(command, "re")
                  : NULL;
    while (f && getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *value = strchr(line, '=');

        if (value) {
            *value++ = 0;
            take(arg, line, value);
        }
    }
    free(line);
    if (!f || pclose(f)) {
        snprintf(why, XF_PREFLIGHT_WHY_BYTES, "%s does not run", reach.program);
        return -EIO;
    }
    return 0;
}
