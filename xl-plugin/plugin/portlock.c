/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "portlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../transport/clock.h"

#define AGAIN_US 50000u

/* A port's name may have slashes, in a vdev's arguments. */
static int open_file(const char *port, int flags)
{
    const char *run = getenv("XL_FAST_RUNDIR");
    char path[512];
    int dir = snprintf(path, sizeof(path), "%s/xl-fast", run && *run ? run : "/run");
    int len = snprintf(path + dir, sizeof(path) - (size_t)dir, "/port-%s.lock", port);

    if (dir + len >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (flags & O_CREAT) {
        path[dir] = 0;
        if (mkdir(path, 0700) && errno != EEXIST)
            return -errno;
        path[dir] = '/';
    }
    for (char *c = path + dir + 1; *c; c++)
        if (*c == '/')
            *c = '_';
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

static pid_t read_holder(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

int xf_portlock_take(const char *port, unsigned wait_ms, pid_t *holder)
{
    uint64_t until = xf_now_us() + (uint64_t)wait_ms * 1000;
    int fd = open_file(port, O_RDWR | O_CREAT);

    if (fd < 0)
        return fd;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        int rc = errno == EWOULDBLOCK ? -EBUSY : -errno;

        if (rc != -EBUSY || xf_now_us() >= until) {
            *holder = read_holder(fd);
            close(fd);
            return rc;
        }
        usleep(AGAIN_US);
    }
    /* Only for those who ask: the lock holds without it. */
    if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0)
        errno = 0;
    return fd;
}

int xf_portlock_look(const char *port, pid_t *holder)
{
    int fd = open_file(port, O_RDONLY), rc = 0;

    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK) {
        *holder = read_holder(fd);
        rc = -EBUSY;
    }
    close(fd);
    return rc;
}
