/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sysfs: small files and links, read without complaint. */
#include "sysfs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void xf_sysfs_copy(char *out, size_t size, const char *text)
{
    size_t n = strnlen(text, size - 1);

    memcpy(out, text, n);
    out[n] = 0;
}

bool xf_sysfs_number(const char *dir, const char *name, long *value)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fscanf(f, "%li", value) == 1;
    fclose(f);
    return ok;
}

bool xf_sysfs_line(const char *dir, const char *name, char *out, size_t size)
{
    char path[512];

    out[0] = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fgets(out, (int)size, f);
    fclose(f);
    out[strcspn(out, "\n")] = 0;
    return ok;
}

bool xf_sysfs_exists(const char *dir, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return !access(path, F_OK);
}

void xf_sysfs_link(const char *dir, const char *name, char *out, size_t size)
{
    char path[512], to[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    ssize_t n = readlink(path, to, sizeof(to) - 1);
    out[0] = 0;
    if (n <= 0)
        return;
    to[n] = 0;
    const char *last = strrchr(to, '/');
    xf_sysfs_copy(out, size, last ? last + 1 : to);
}
