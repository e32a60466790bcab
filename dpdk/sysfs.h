/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sysfs: what a folder of it says. Nothing here fails aloud: what is not there is not known.
   Threads: any. */
#ifndef XF_DPDK_SYSFS_H
#define XF_DPDK_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* As much of the text as fits. */
void xf_sysfs_copy(char *out, size_t size, const char *text);

/* The file's number, in C's notation; false if there is none. */
bool xf_sysfs_number(const char *dir, const char *name, long *value);

/* The file's first line without its end, as much as fits; false and "" if it cannot be read. */
bool xf_sysfs_line(const char *dir, const char *name, char *out, size_t size);

bool xf_sysfs_exists(const char *dir, const char *name);

/* The last word of what a link points to; "" if there is no link. */
void xf_sysfs_link(const char *dir, const char *name, char *out, size_t size);

/* What a test's sysfs shows is not this host's. */
static inline bool xf_sysfs_is_here(const char *sysfs)
{
    return !strcmp(sysfs, "/sys");
}

#endif
