/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drivers of a guest's disk and network card, which Debian's kernels have as modules. */
#define _GNU_SOURCE
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "/modules/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
    close(fd);
    return err;
}

int load_modules(void)
{
    struct dirent **entries;
    int err = 0, n = scandir("/modules", &entries, NULL, alphasort);

    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' && !err) {
            err = load(entries[i]->d_name);
            if (err)
                say("module %s: %s\n", entries[i]->d_name, strerror(-err));
        }
        free(entries[i]);
    }
    free(entries);
    return err;
}
