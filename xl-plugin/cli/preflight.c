/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_BYTES 8192

/* Beside this program (a build folder), or where `make install` puts it. */
static bool find(char *path, size_t size)
{
    static const char *const places[] = {"", "/../lib/xl-fast"};
    const char *lib = getenv("XL_FAST_LIBDIR");
    char dir[512];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

    if (lib && *lib) {
        snprintf(path, size, "%s/xl-fast-preflight", lib);
        return !access(path, X_OK);
    }
    dir[n > 0 ? n : 0] = 0;
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = 0;
    for (unsigned i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, size, "%s%s/xl-fast-preflight", dir, places[i]);
        if (!access(path, X_OK))
            return true;
    }
    return false;
}

/* A word of a shell's command line. */
static void put_word(FILE *to, const char *word)
{
    putc('\'', to);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\''", to);
        else
            putc(*word, to);
    }
    fputs("' ", to);
}

int xf_preflight_ask(const char *const args[], xf_preflight_take *take, void *arg,
                     char why[XF_PREFLIGHT_WHY_BYTES])
{
    char path[600], command[COMMAND_BYTES], line[768];

    if (!find(path, sizeof(path))) {
        snprintf(why, XF_PREFLIGHT_WHY_BYTES,
                 "xl-fast-preflight is not there: xl-fast was built or installed without its Xen "
                 "part");
        return -ENOENT;
    }
    FILE *words = fmemopen(command, sizeof(command), "w");
    if (words) {
        put_word(words, path);
        for (; *args; args++)
            put_word(words, *args);
        fputs("2>/dev/null", words);
    }
    /* A command line that is cut off would be another one. */
    FILE *f = words && !fclose(words) && strlen(command) < sizeof(command) - 1
                  ? popen(command, "re")
                  : NULL;
    while (f && fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = 0;
        char *value = strchr(line, '=');

        if (value) {
            *value++ = 0;
            take(arg, line, value);
        }
    }
    if (!f || pclose(f)) {
        snprintf(why, XF_PREFLIGHT_WHY_BYTES, "%s does not run", path);
        return -EIO;
    }
    return 0;
}
