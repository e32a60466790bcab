/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving: lists the migrations in progress from their records, and removes stale ones. */
#include "moving.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/cli/number.h"

#define PREFIX "moving-"

static void take_text(const char *line, const char *key, char *to, size_t size)
{
    size_t n = strlen(key);

    if (!strncmp(line, key, n) && line[n] == '=')
        snprintf(to, size, "%s", line + n + 1);
}

static void take_number(const char *line, const char *key, uint64_t *to)
{
    char text[32] = "";

    take_text(line, key, text, sizeof(text));
    if (text[0] && xf_number_u64(text, 0, INT64_MAX, to))
        *to = 0;
}

int xf_moving_read(struct xf_moving *m, FILE *record)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    uint64_t pid = 0;

    rewind(record);
    while ((len = getline(&line, &cap, record)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        take_number(line, "pid", &pid);
        take_number(line, "started", &m->started);
        take_number(line, "since", &m->since_s);
        take_number(line, "from", &m->from);
        take_text(line, "guest", m->guest, sizeof(m->guest));
        take_text(line, "uuid", m->uuid, sizeof(m->uuid));
        take_text(line, "host", m->host, sizeof(m->host));
        take_text(line, "ssh", m->ssh, sizeof(m->ssh));
        take_text(line, "events", m->events, sizeof(m->events));
        take_text(line, "control", m->control, sizeof(m->control));
        take_text(line, "state", m->state, sizeof(m->state));
    }
    free(line);
    m->pid = pid <= INT32_MAX ? (pid_t)pid : 0;
    return ferror(record) ? -EIO : m->pid ? 0 : -EBADMSG;
}

int xf_moving_started(pid_t pid, uint64_t *started)
{
    char path[64], text[1024], *at;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return errno == ENOENT ? 0 : -errno;
    at = fgets(text, sizeof(text), f);
    fclose(f);
    if (!at)
        return 0; /* it ended meanwhile */
    /* A name in brackets that may hold anything, then the third field; starttime is the 22nd. */
    at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return -EBADMSG;
    if (at[2] == 'Z' || at[2] == 'X')
        return 0;
    for (unsigned field = 3; field < 22 && at; field++)
        at = strchr(at + (field == 3 ? 2 : 1), ' ');
    return at && sscanf(at, " %" SCNu64, started) == 1 ? 1 : -EBADMSG;
}

int xf_moving_alive(const struct xf_moving *m)
{
    uint64_t started;
    int rc = xf_moving_started(m->pid, &started);

    return rc == 1 ? started == m->started : rc;
}

static void remove_stale(const struct xf_moving *m, const char *dir, const char *attempt)
{
    static const char *const names[] = {"events", "control"};
    char path[sizeof(m->path)];

    unlink(m->path);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s-%s", dir, names[i], attempt);
        unlink(path);
    }
}

int xf_moving_path(char *to, size_t size, const char *name)
{
    const char *run = getenv("XL_FAST_RUNDIR");
    int n =
        snprintf(to, size, "%s/xl-fast%s%s", run && *run ? run : "/run", *name ? "/" : "", name);

    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int xf_moving_find(struct xf_moving to[XF_MOVING_MAX])
{
    struct dirent *entry;
    char dir[256];
    int n = xf_moving_path(dir, sizeof(dir), "");
    DIR *all;

    if (n)
        return n;
    all = opendir(dir);
    if (!all)
        return errno == ENOENT ? 0 : -errno;
    while (n < (int)XF_MOVING_MAX && (entry = readdir(all))) {
        struct xf_moving *m = &to[n];
        const char *attempt = entry->d_name + sizeof(PREFIX) - 1;

        if (strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) != 0)
            continue;
        *m = (struct xf_moving){0};
        snprintf(m->path, sizeof(m->path), "%.255s/%.200s", dir, entry->d_name);
        FILE *record = fopen(m->path, "re");
        if (!record)
            continue; /* it ended meanwhile, or is not ours to read */
        int rc = xf_moving_read(m, record);
        fclose(record);
        if (rc)
            continue;
        if (xf_moving_alive(m) > 0)
            n++;
        else
            remove_stale(m, dir, attempt);
    }
    closedir(all);
    return n;
}
