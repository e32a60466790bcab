/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Evacuate, journal: prints, parses, writes and removes the record of the move in progress; the
 * lock.
 */
#include "evacuate_journal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "xl-plugin/screen/moving.h"
#include "xl-plugin/cli/number.h"

#define HEAD       "xl-fast evacuate 1\n"
#define TEXT_BYTES 1024

/* ---- as text ------------------------------------------------------------------------------- */

static bool is_line(const char *text)
{
    for (const char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            return false;
    return text[0] != 0;
}

int xf_journal_print(const struct xf_journal *j, char *to, size_t size)
{
    int n, m;

    if (!is_line(j->guest) || !is_line(j->host) || !xf_uuid_ok(j->uuid))
        return -EINVAL;
    n = snprintf(to, size, HEAD "guest=%s\nuuid=%s\nhost=%s\npid=%d\nstarted=%" PRIu64 "\n",
                 j->guest, j->uuid, j->host, (int)j->pid, j->started);
    if (n < 0 || (size_t)n >= size)
        return -ENAMETOOLONG;
    m = snprintf(to + n, size - (size_t)n, "hash=%016" PRIx64 "\n",
                 (uint64_t)XXH3_64bits(to, (size_t)n));
    return m > 0 && (size_t)m < size - (size_t)n ? n + m : -ENAMETOOLONG;
}

/* Takes KEY=VALUE and its newline from *at. */
static bool take(const char **at, const char *key, char *to, size_t size)
{
    size_t n = strlen(key), len;

    if (strncmp(*at, key, n) != 0)
        return false;
    len = strcspn(*at + n, "\n");
    if (!(*at)[n + len] || len >= size)
        return false;
    memcpy(to, *at + n, len);
    to[len] = 0;
    *at += n + len + 1;
    return true;
}

static bool take_number(const char **at, const char *key, uint64_t max, uint64_t *to)
{
    char text[24];

    return take(at, key, text, sizeof(text)) && !xf_number_u64(text, 0, max, to);
}

/* What is read is what would be written: so its hash, and all else, is checked by writing it. */
int xf_journal_parse(const char *text, size_t bytes, struct xf_journal *j)
{
    char copy[TEXT_BYTES], again[TEXT_BYTES];
    const char *at = copy + sizeof(HEAD) - 1;
    uint64_t pid;

    if (bytes >= sizeof(copy) || bytes < sizeof(HEAD))
        return -EBADMSG;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    memset(j, 0, sizeof(*j));
    if (!take(&at, "guest=", j->guest, sizeof(j->guest)) ||
        !take(&at, "uuid=", j->uuid, sizeof(j->uuid)) ||
        !take(&at, "host=", j->host, sizeof(j->host)) ||
        !take_number(&at, "pid=", INT32_MAX, &pid) ||
        !take_number(&at, "started=", UINT64_MAX, &j->started))
        return -EBADMSG;
    j->pid = (pid_t)pid;
    return xf_journal_print(j, again, sizeof(again)) == (int)bytes && !memcmp(again, text, bytes)
               ? 0
               : -EBADMSG;
}

/* ---- as a file ----------------------------------------------------------------------------- */

int xf_journal_read(struct xf_journal *j)
{
    char text[TEXT_BYTES], path[512];
    int rc = xf_moving_path(path, sizeof(path), XF_JOURNAL_FILE);
    FILE *f = rc ? NULL : fopen(path, "re");
    size_t n;

    if (!f)
        return rc ? rc : errno == ENOENT ? 0 : -errno;
    n = fread(text, 1, sizeof(text), f);
    rc = ferror(f) ? -EIO : xf_journal_parse(text, n, j);
    fclose(f);
    return rc ? rc : 1;
}

static int make_dir(char *path, size_t size)
{
    int rc = xf_moving_path(path, size, "");

    if (rc)
        return rc;
    return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* So that what was renamed or removed in it stays so. */
static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

static int write_file(const char *path, const char *text, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), rc = 0;

    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, bytes);
    if (n != (ssize_t)bytes)
        rc = n < 0 ? -errno : -ENOSPC;
    else if (fsync(fd))
        rc = -errno;
    close(fd);
    return rc;
}

int xf_journal_write(const struct xf_journal *j)
{
    char text[TEXT_BYTES], dir[256], path[512], new[512];
    int n = xf_journal_print(j, text, sizeof(text)), rc;

    if (n < 0)
        return n;
    rc = make_dir(dir, sizeof(dir));
    rc = rc ?: xf_moving_path(path, sizeof(path), XF_JOURNAL_FILE);
    rc = rc ?: xf_moving_path(new, sizeof(new), XF_JOURNAL_FILE ".new");
    rc = rc ?: write_file(new, text, (size_t)n);
    if (!rc && rename(new, path))
        rc = -errno;
    return rc ?: sync_dir(dir);
}

int xf_journal_remove(void)
{
    char dir[256], path[512];
    int rc = xf_moving_path(dir, sizeof(dir), "");

    rc = rc ?: xf_moving_path(path, sizeof(path), XF_JOURNAL_FILE);
    if (rc)
        return rc;
    if (unlink(path))
        return errno == ENOENT ? 0 : -errno;
    return sync_dir(dir);
}

int xf_journal_lock(pid_t *holder)
{
    char dir[256], path[512], text[24] = "";
    int rc = make_dir(dir, sizeof(dir)), fd;

    *holder = 0;
    rc = rc ?: xf_moving_path(path, sizeof(path), XF_JOURNAL_FILE ".lock");
    if (rc)
        return rc;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (read(fd, text, sizeof(text) - 1) > 0)
            *holder = (pid_t)atoi(text);
        close(fd);
        return rc;
    }
    /* Only for who is refused. */
    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) || write(fd, text, strlen(text)) < 0)
        *holder = 0;
    return 0; /* fd stays open: it is the lock */
}
