/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check of the place for what is known of a migration while it goes on: /run/xl-fast. */
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#define ROOM_BYTES (256u << 10) /* the events of a long migration, and what xl says */

/* 0, or -errno, and nothing is left. */
static int try_place(const char *dir)
{
    static char zeros[4096];
    char path[600];
    int rc = 0;

    snprintf(path, sizeof(path), "%s/room-%d", dir, (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    for (unsigned n = 0; n < ROOM_BYTES && !rc; n += sizeof(zeros)) {
        errno = ENOSPC; /* of a short write */
        if (write(fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros))
            rc = -errno;
    }
    close(fd);
    unlink(path);
    return rc;
}

static void fix_place(struct xf_preflight *p, const char *run, const char *dir, int rc)
{
    struct statvfs size;
    struct statfs kind;
    struct stat st;

    if (!lstat(dir, &st) && !S_ISDIR(st.st_mode))
        xf_fix(p, false, "rm %s", dir);
    else if (rc == -EROFS)
        xf_fix(p, true, "mount -o remount,rw %s", run);
    else if (rc == -ENOSPC && !statfs(run, &kind) && kind.f_type == TMPFS_MAGIC &&
             !statvfs(run, &size))
        xf_fix(p, true, "mount -o remount,size=%" PRIu64 "k,nr_inodes=%" PRIu64 " %s",
               ((uint64_t)size.f_blocks * size.f_frsize >> 10) * 2 + 1024,
               (uint64_t)size.f_files * 2, run);
}

int xf_check_room(struct xf_preflight *p)
{
    const char *run = getenv("XL_FAST_RUNDIR");
    char dir[512];
    int rc = 0;

    run = run && *run ? run : "/run";
    snprintf(dir, sizeof(dir), "%s/xl-fast", run);
    if (mkdir(dir, 0700) && errno != EEXIST)
        rc = -errno;
    rc = rc ? rc : try_place(dir);
    if (!rc)
        return xf_pass(p, "%s has room", dir);
    fix_place(p, run, dir, rc);
    return xf_refuse(p,
                     "cannot write to %s: %s: less would be known "
                     "of a migration that fails",
                     dir, strerror(-rc));
}
