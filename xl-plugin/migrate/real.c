/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the real xl is, beside which the alias of the same name stands (xl-plugin/migrate/xl, which
 * looks in the same order, and says what it has found): where our package has put it aside, by a
 * link whose name is xl too, since Debian's xl is a script that goes by the name it is called by;
 * else the next xl in PATH. A second copy of the alias further on would call us back, so whoever is
 * called from below goes to the usual place.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steps.h"

#define USUAL "/usr/sbin/xl"

static bool is_program(const char *path)
{
    struct stat st;

    return !access(path, X_OK) && !stat(path, &st) && !S_ISDIR(st.st_mode);
}

static bool is_alias(const char *lib, const char *path)
{
    char alias[PATH_MAX], ours[PATH_MAX], theirs[PATH_MAX];

    snprintf(alias, sizeof(alias), "%s/xl", lib);
    return realpath(alias, ours) && realpath(path, theirs) && !strcmp(ours, theirs);
}

static bool find_in_path(const char *lib, char *to, size_t size)
{
    const char *at = getenv("PATH");

    for (size_t n; at && *at; at += n + (at[n] == ':')) {
        n = strcspn(at, ":");
        if (snprintf(to, size, "%.*s/xl", (int)n, at) < (int)size && is_program(to) &&
            !is_alias(lib, to))
            return true;
    }
    return false;
}

int xf_real_find(const char *lib, char *to, size_t size)
{
    const char *named = getenv("XL_FAST_REAL_XL"), *below = getenv("XL_FAST_SHIM");

    if (named && *named) {
        snprintf(to, size, "%s", named);
        return is_program(to) ? 0 : -ENOENT;
    }
    snprintf(to, size, "%s/stock/xl", lib);
    if (is_program(to))
        return 0;
    if (!(below && *below) && find_in_path(lib, to, size))
        return 0;
    snprintf(to, size, USUAL);
    return is_program(to) && !is_alias(lib, to) ? 0 : -ENOENT;
}
