/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes what `xl-fast status` and `xl-fast cancel` read of a migration (moving.h). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "steps.h"
#include "say.h"
#include "xl-plugin/screen/movelog.h"
#include "xl-plugin/screen/moving.h"

#define ROOM_BYTES (64u << 10)

static int path_of(char *to, const char *name, const char *attempt)
{
    char file[80];

    snprintf(file, sizeof(file), "%s%s", name, attempt);
    return xf_moving_path(to, XF_PATH_BYTES, file);
}

/* A line's value: a user may have put a line end into a word. */
static void put(FILE *f, const char *key, const char *value)
{
    fprintf(f, "%s=", key);
    for (; *value; value++)
        putc(*value == '\n' ? ' ' : *value, f);
    putc('\n', f);
}

/* The events' file as others find it from elsewhere. */
static void put_events(FILE *f, const char *path)
{
    char here[PATH_MAX], whole[2 * PATH_MAX];

    if (realpath(path, here))
        path = here;
    else if (path[0] != '/' && getcwd(here, sizeof(here))) {
        snprintf(whole, sizeof(whole), "%s/%s", here, path);
        path = whole;
    }
    put(f, "events", path);
}

static int write_record(const struct xf_migrate *m, const char *path)
{
    FILE *f = fopen(path, "we");
    uint64_t started = 0;

    if (!f)
        return -errno;
    xf_moving_started(getpid(), &started);
    fprintf(f, "pid=%d\nstarted=%" PRIu64 "\nsince=%lld\n", (int)getpid(), started,
            (long long)m->since_s);
    put(f, "guest", m->source.name);
    put(f, "uuid", m->source.uuid);
    put(f, "host", m->o.host);
    put(f, "ssh", m->o.own_ssh ? m->o.ssh : "");
    put_events(f, m->events);
    fprintf(f, "from=%" PRIu64 "\n", m->from);
    put(f, "control", m->control);
    return fclose(f) ? -errno : 0;
}

void xf_migrate_record_begin(struct xf_migrate *m)
{
    char dir[XF_PATH_BYTES], draft[XF_PATH_BYTES];
    const char *events = getenv("XL_FAST_EVENTS");
    struct stat st;

    m->since_s = time(NULL);
    m->own_events = !(events && *events);
    if (!m->own_events)
        snprintf(m->events, sizeof(m->events), "%s", events);
    if (xf_moving_path(dir, sizeof(dir), "") || (mkdir(dir, 0700) && errno != EEXIST) ||
        access(dir, W_OK) || stat(dir, &st) || !S_ISDIR(st.st_mode) ||
        path_of(draft, "events-", m->attempt) || path_of(m->control, "control-", m->attempt) ||
        path_of(m->record, "moving-", m->attempt)) {
        m->record[0] = m->control[0] = 0;
        return;
    }
    if (m->own_events)
        strcpy(m->events, draft);
    m->from = stat(m->events, &st) ? 0 : (uint64_t)st.st_size;
    snprintf(draft, sizeof(draft), "%.500s.new", m->record);
    if (write_record(m, draft) || rename(draft, m->record)) {
        unlink(draft);
        m->record[0] = 0;
        XF_NOTE(m,
                "cannot write to %s: xl-fast status and cancel will not see this "
                "migration",
                dir);
    }
}

static void describe(const struct xf_migrate *m, struct xf_history_move *move)
{
    *move = (struct xf_history_move){.time_us = (uint64_t)m->since_s * 1000000};
    snprintf(move->guest, sizeof(move->guest), "%s", m->source.name);
    snprintf(move->uuid, sizeof(move->uuid), "%s", m->source.uuid);
    snprintf(move->to, sizeof(move->to), "%s", m->o.host);
    snprintf(move->ssh, sizeof(move->ssh), "%s", m->o.own_ssh ? m->o.ssh : "");
}

void xf_migrate_record_move(const struct xf_migrate *m)
{
    struct xf_history_move move;

    if (!m->record[0])
        return;
    describe(m, &move);
    xf_movelog_begin(&move);
}

static void keep(const struct xf_migrate *m, const char *state)
{
    struct xf_history_move move;

    describe(m, &move);
    move.status = m->status;
    snprintf(move.state, sizeof(move.state), "%s", state);
    xf_history_take_events(&move, m->events, m->from);
    xf_movelog_end(&move);
    xf_history_add(&move); /* or it is not there */
}

void xf_migrate_record_end(struct xf_migrate *m, const char *state)
{
    bool known = m->record[0];
    FILE *f = m->record[0] ? fopen(m->record, "ae") : NULL;

    if (f) {
        fprintf(f, "state=%s\n", state);
        fclose(f);
    }
    if (m->record[0])
        unlink(m->record);
    m->record[0] = 0;
    if (known && m->over)
        keep(m, state);
    m->over = false;
}

bool xf_migrate_record_has_room(void)
{
    static const char zeros[ROOM_BYTES];
    char dir[XF_PATH_BYTES], path[XF_PATH_BYTES + 32];
    struct stat st;
    bool room;
    int fd;

    if (xf_moving_path(dir, sizeof(dir), "") || stat(dir, &st) || !S_ISDIR(st.st_mode))
        return true; /* it will be made */
    snprintf(path, sizeof(path), "%s/room-%d", dir, (int)getpid());
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    room = fd >= 0 && write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros);
    if (fd >= 0)
        close(fd);
    unlink(path);
    return room;
}
