/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Journal: a file of JSON for each guest, written beside and put in its place. */
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "talk.h"
#include "volume.h"

#define END     ".json"
#define LOCK    ".lock"
#define LOOK_MS 100u

const char *const xf_journal_words[XF_JOURNAL_STATES] = {
    "none", "incoming", "arriving", "here", "leaving", "left", "synced", "replica"};

static int folder(char *to, size_t size)
{
    const char *state = getenv("XL_FAST_STATEDIR");
    int n = snprintf(to, size, "%s/xl-fast/disks", state && *state ? state : "/var/lib");

    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int path_of(const char *name, const char *end, char *to, size_t size)
{
    char dir[512];
    int rc = folder(dir, sizeof(dir)), n = snprintf(to, size, "%s/%s%s", dir, name, end);

    return rc ?: n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static int make_folders(const char *path)
{
    char dir[XF_VOLUME_PATH_BYTES];

    snprintf(dir, sizeof(dir), "%s", path);
    for (char *at = dir + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        if (mkdir(dir, 0700) && errno != EEXIST)
            return -errno;
    }
    return 0;
}

int xf_journal_lock(const char *name, bool shared, unsigned wait_ms)
{
    char path[XF_VOLUME_PATH_BYTES];
    int rc = path_of(name, LOCK, path, sizeof(path));

    rc = rc ?: make_folders(path);
    if (rc)
        return rc;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    while (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
        rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (rc != -EBUSY || wait_ms < LOOK_MS) {
            close(fd);
            return rc;
        }
        wait_ms -= LOOK_MS;
        usleep(LOOK_MS * 1000);
    }
    return fd;
}

static int write_file(const char *path, const char *text)
{
    char beside[XF_VOLUME_PATH_BYTES + 8];
    int rc = 0;

    snprintf(beside, sizeof(beside), "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    size_t n = strlen(text);
    if (write(fd, text, n) != (ssize_t)n || fsync(fd))
        rc = errno ? -errno : -EIO;
    close(fd);
    if (!rc && rename(beside, path))
        rc = -errno;
    if (rc)
        unlink(beside);
    return rc ?: xf_volume_sync_folder(path);
}

int xf_journal_write_point(enum xf_journal_state state, const char *host,
                           const struct xf_manifest *m, uint64_t point_us)
{
    struct json_object *o = json_object_new_object();
    char path[XF_VOLUME_PATH_BYTES];
    int rc = path_of(m->name, END, path, sizeof(path));

    json_object_object_add(o, "state", json_object_new_string(xf_journal_words[state]));
    json_object_object_add(o, "host", json_object_new_string(host));
    json_object_object_add(o, "time_s", json_object_new_int64(time(NULL)));
    if (point_us)
        json_object_object_add(o, "point_us", json_object_new_uint64(point_us));
    json_object_object_add(o, "guest", xf_manifest_print(m));
    rc = rc ?: make_folders(path);
    rc = rc ?: write_file(path, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
    json_object_put(o);
    return rc;
}

int xf_journal_write(enum xf_journal_state state, const char *host, const struct xf_manifest *m)
{
    return xf_journal_write_point(state, host, m, 0);
}

static int read_entry(struct xf_journal *j, struct json_object *o)
{
    char why[XF_MANIFEST_WHY_BYTES];
    const char *state = xf_talk_text(o, "state");
    struct json_object *guest;

    j->state = XF_JOURNAL_STATES;
    for (unsigned i = XF_JOURNAL_INCOMING; i < XF_JOURNAL_STATES; i++)
        if (!strcmp(state, xf_journal_words[i]))
            j->state = (enum xf_journal_state)i;
    snprintf(j->host, sizeof(j->host), "%s", xf_talk_text(o, "host"));
    j->time_s = xf_talk_number(o, "time_s");
    j->point_us = xf_talk_number(o, "point_us");
    if (j->state == XF_JOURNAL_STATES || !json_object_object_get_ex(o, "guest", &guest))
        return -EINVAL;
    return xf_manifest_read(&j->manifest, guest, why);
}

int xf_journal_read(const char *name, struct xf_journal *j)
{
    char path[XF_VOLUME_PATH_BYTES];
    int rc = path_of(name, END, path, sizeof(path));

    memset(j, 0, sizeof(*j));
    if (rc)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    struct json_object *o = json_object_from_fd(fd);

    rc = o ? read_entry(j, o) : -EINVAL;
    close(fd);
    json_object_put(o);
    if (!rc && strcmp(j->manifest.name, name) != 0)
        rc = -EINVAL;
    if (rc)
        xf_manifest_fini(&j->manifest);
    return rc;
}

int xf_journal_remove(const char *name)
{
    char path[XF_VOLUME_PATH_BYTES];
    int rc = path_of(name, END, path, sizeof(path));

    if (rc)
        return rc;
    if (unlink(path))
        return errno == ENOENT ? 0 : -errno;
    return xf_volume_sync_folder(path);
}

int xf_journal_each(int (*take)(void *arg, const struct xf_journal *j), void *arg)
{
    char dir[512], name[sizeof(((struct xf_manifest *)NULL)->name)];
    struct dirent *entry;
    int rc = folder(dir, sizeof(dir));
    DIR *d = rc ? NULL : opendir(dir);

    if (!d)
        return rc ?: errno == ENOENT ? 0 : -errno;
    while (!rc && (entry = readdir(d))) {
        size_t n = strlen(entry->d_name), end = sizeof(END) - 1;
        struct xf_journal *j;

        if (n <= end || n - end >= sizeof(name) || strcmp(entry->d_name + n - end, END) != 0)
            continue;
        memcpy(name, entry->d_name, n - end);
        name[n - end] = 0;
        j = malloc(sizeof(*j));
        if (!j) {
            rc = -ENOMEM;
        } else if (!xf_journal_read(name, j) && j->state) {
            rc = take(arg, j);
            xf_manifest_fini(&j->manifest);
        }
        free(j);
    }
    closedir(d);
    return rc;
}
