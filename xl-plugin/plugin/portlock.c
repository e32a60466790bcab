/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port lock: the lock of a port, the queue for it, and the tickets of sources that wait for their
 * turn.
 */
#include "portlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/clock.h"

#define AGAIN_US 50000u

#define PATH_BYTES 512

/* The path of a file of DIR, and how long DIR's own is; or -ENAMETOOLONG. A port's name may have
   slashes, in a vdev's arguments. */
static int path_of(char *path, size_t size, const char *before, const char *name, const char *after)
{
    const char *run = getenv("XL_FAST_RUNDIR");
    int dir = snprintf(path, size, "%s/xl-fast", run && *run ? run : "/run");

    if (dir < 0 || (size_t)dir >= size ||
        snprintf(path + dir, size - (size_t)dir, "/%s%s%s", before, name, after) >=
            (int)(size - (size_t)dir))
        return -ENAMETOOLONG;
    for (char *c = path + dir + 1; *c; c++)
        if (*c == '/')
            *c = '_';
    return dir;
}

static int open_file(const char *port, int flags)
{
    char path[PATH_BYTES];
    int dir = path_of(path, sizeof(path), "port-", port, ".lock");

    if (dir < 0)
        return dir;
    if (flags & O_CREAT) {
        path[dir] = 0;
        if (mkdir(path, 0700) && errno != EEXIST)
            return -errno;
        path[dir] = '/';
    }
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

/* ---- the queue ------------------------------------------------------------------------------- */

int xf_queue_path(const char *port, char *path, size_t size)
{
    int rc = path_of(path, size, "queue-", port, "");

    return rc < 0 ? rc : 0;
}

bool xf_queue_is_taken(const char *port)
{
    char path[PATH_BYTES];
    int fd = xf_queue_path(port, path, sizeof(path))
                 ? -1
                 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool taken = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    return taken;
}

/* ---- turns ----------------------------------------------------------------------------------- */

#define TICKET "turn-"

struct ticket {
    uint64_t asked_ms, renewed_ms;
    char port[256];
};

/* A ticket of this port that counts: its source has asked again not long ago. */
static bool read_ticket(const char *path, const char *port, uint64_t now_ms, struct ticket *t)
{
    FILE *f = fopen(path, "re");

    memset(t, 0, sizeof(*t));
    bool ok = f && fscanf(f, "%" SCNu64 " %" SCNu64 " %255[^\n]", &t->asked_ms, &t->renewed_ms,
                          t->port) == 3;

    if (f)
        fclose(f);
    return ok && !strcmp(t->port, port) && t->renewed_ms <= now_ms &&
           now_ms - t->renewed_ms <= XF_TURN_FRESH_MS;
}

static int write_ticket(const char *path, const struct ticket *t)
{
    FILE *f = fopen(path, "we");

    if (!f)
        return -errno;
    fprintf(f, "%" PRIu64 " %" PRIu64 " %s\n", t->asked_ms, t->renewed_ms, t->port);
    return fclose(f) ? -errno : 0;
}

/* Of those that do not count the files go too, once they are old. */
static unsigned count_before(const char *dir, const char *port, const char *attempt,
                             const struct ticket *own, uint64_t now_ms)
{
    unsigned before = 0;
    DIR *d = opendir(dir);

    for (const struct dirent *e; d && (e = readdir(d));) {
        const char *other = e->d_name + sizeof(TICKET) - 1;
        char path[PATH_BYTES + 300];
        struct ticket t;

        if (strncmp(e->d_name, TICKET, sizeof(TICKET) - 1) != 0 || !strcmp(other, attempt))
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (!read_ticket(path, port, now_ms, &t)) {
            if (!strcmp(t.port, port))
                unlink(path);
            continue;
        }
        before += t.asked_ms < own->asked_ms ||
                  (t.asked_ms == own->asked_ms && strcmp(other, attempt) < 0);
    }
    if (d)
        closedir(d);
    return before;
}

unsigned xf_turn_ask(const char *port, const char *attempt, uint64_t now_ms)
{
    char path[PATH_BYTES], lock[PATH_BYTES];
    struct ticket own, old;
    unsigned before = 0;
    int dir = path_of(path, sizeof(path), TICKET, attempt, "");

    if (dir < 0 || path_of(lock, sizeof(lock), "turns.lock", "", "") < 0 || strlen(port) > 255)
        return 0;
    path[dir] = 0;
    mkdir(path, 0700);
    path[dir] = '/';
    /* One asks at a time, so that of two one sees the other. */
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || flock(fd, LOCK_EX)) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    own = (struct ticket){.asked_ms = now_ms, .renewed_ms = now_ms};
    strcpy(own.port, port);
    if (read_ticket(path, port, now_ms, &old))
        own.asked_ms = old.asked_ms;
    if (!write_ticket(path, &own)) {
        path[dir] = 0;
        before = count_before(path, port, attempt, &own, now_ms);
    }
    close(fd);
    return before;
}
