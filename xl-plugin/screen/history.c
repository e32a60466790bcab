/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* History: the file of moves that are over. Adds one, puts a full file aside, reads all. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "xl-plugin/cli/exits.h"
#include "xl-plugin/cli/json_text.h"

#define FILE_NOW  "history.jsonl"
#define FILE_OLD  FILE_NOW ".1"
#define FILE_NEXT FILE_NOW ".new"
#define VERSION   1
/* Beyond it no sum is right any more; nothing real comes near. */
#define NUMBER_MAX (INT64_C(1) << 53)

const char *const xf_history_results[XF_HISTORY_RESULTS] = {"moved", "failed", "cancelled",
                                                            "cloned"};

enum xf_history_result xf_history_result(const struct xf_history_move *m)
{
    if (!m->status)
        return strcmp(m->state, "here") ? XF_HISTORY_MOVED : XF_HISTORY_CLONED;
    return xf_exit_is_cancelled(m->status) ? XF_HISTORY_CANCELLED : XF_HISTORY_FAILED;
}

/* ---- from events -------------------------------------------------------------------------- */

void xf_history_take_events(struct xf_history_move *m, const char *path, uint64_t from)
{
    char why[XF_STORY_ERR_BYTES];
    struct xf_story s = {0};
    FILE *events = fopen(path, "re");

    if (!events)
        return;
    /* A line that cannot be read ends it; what came before that counts. */
    if (!fseeko(events, (off_t)from, SEEK_SET))
        xf_story_read(&s, events, why);
    if (s.program[0]) {
        m->began = true;
        m->done = s.done;
        m->early = !strcmp(s.hand_over, "early");
        m->time_us = s.time_us;
        m->total_us = s.total_us ? s.total_us : s.now_us;
        m->downtime = s.downtime;
        m->predicted_us = s.predicted_us;
        m->reachable = s.reachable;
        m->rounds = s.totals.rounds;
        m->bytes = s.totals.bytes_wire;
        m->pages = s.totals.pages_sent;
        m->repaired = s.totals.pages_repaired;
        m->deferred = s.totals.pages_deferred;
        m->lost = s.totals.packets_lost;
        m->payload_bps = s.payload_bps;
        m->bandwidth_bps = s.totals.limit_bytes_per_s * 8;
        snprintf(m->error, sizeof(m->error), "%.500s", s.error);
    }
    xf_story_free(&s);
    fclose(events);
}

/* ---- a line ------------------------------------------------------------------------------- */

/* Of this boot of this host: "" if it cannot be said, which is like no other then. */
static void boot_id(char to[40])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!f || !fgets(to, 40, f))
        to[0] = 0;
    to[strcspn(to, "\n")] = 0;
    if (f)
        fclose(f);
}

static void put_u64(struct json_object *to, const char *key, uint64_t v)
{
    json_object_object_add(to, key, json_object_new_uint64(v));
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
    if (*text)
        json_object_object_add(to, key, xf_json_text(text));
}

static struct json_object *begin_object(void)
{
    struct json_object *o = json_object_new_object();
    char boot[40];

    boot_id(boot);
    put_u64(o, "version", VERSION);
    put_text(o, "boot", boot);
    return o;
}

/* As a line with its end, to be freed; NULL without memory. Takes the object. */
static char *line_of(struct json_object *o)
{
    const char *text =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    char *line = NULL;

    if (!text || asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    json_object_put(o);
    return line;
}

void xf_history_put(struct json_object *o, const struct xf_history_move *m)
{
    struct json_object *downtime;

    put_u64(o, "time_us", m->time_us);
    put_text(o, "guest", m->guest);
    put_text(o, "uuid", m->uuid);
    put_text(o, "from", m->from);
    put_text(o, "to", m->to);
    put_text(o, "result", xf_history_results[xf_history_result(m)]);
    put_u64(o, "status", (uint64_t)m->status);
    put_text(o, "state", m->state);
    put_text(o, "error", m->error);
    if (!m->began)
        return;
    json_object_object_add(o, "done", json_object_new_boolean(m->done));
    if (m->early)
        put_text(o, "hand_over", "early");
    put_u64(o, "total_us", m->total_us);
    if (m->downtime.whole)
        put_u64(o, "downtime_us", m->downtime.us);
    if (xf_downtime_any(&m->downtime)) {
        downtime = json_object_new_object();
        xf_downtime_put(downtime, &m->downtime);
        json_object_object_add(o, "downtime", downtime);
    }
    if (m->predicted_us)
        put_u64(o, "predicted_downtime_us", m->predicted_us);
    if (m->reachable.n)
        json_object_object_add(o, "reachable", xf_reachable_json(&m->reachable));
    put_u64(o, "rounds", m->rounds);
    put_u64(o, "bytes", m->bytes);
    put_u64(o, "pages_sent", m->pages);
    put_u64(o, "pages_repaired", m->repaired);
    put_u64(o, "pages_deferred", m->deferred);
    put_u64(o, "packets_lost", m->lost);
    put_u64(o, "payload_bps", m->payload_bps);
    if (m->bandwidth_bps)
        put_u64(o, "bandwidth_bps", m->bandwidth_bps);
}

static char *print_move(const struct xf_history_move *of)
{
    struct xf_history_move m = *of;
    struct json_object *o = begin_object();

    if (!m.from[0] && gethostname(m.from, sizeof(m.from) - 1))
        m.from[0] = 0;
    if (!m.time_us)
        m.time_us = (uint64_t)time(NULL) * 1000000;
    xf_history_put(o, &m);
    return line_of(o);
}

static char *print_sums(const struct xf_history_sums *s)
{
    struct json_object *o = begin_object(), *sums = json_object_new_object();

    for (unsigned i = 0; i < XF_HISTORY_RESULTS; i++)
        put_u64(sums, xf_history_results[i], s->count[i]);
    put_u64(sums, "bytes", s->bytes);
    put_u64(sums, "pages_sent", s->pages);
    put_u64(sums, "pages_repaired", s->repaired);
    put_u64(sums, "pages_deferred", s->deferred);
    put_u64(sums, "packets_lost", s->lost);
    json_object_object_add(o, "sums", sums);
    return line_of(o);
}

static uint64_t get_u64(struct json_object *o, const char *key)
{
    struct json_object *v;
    int64_t value = json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int)
                        ? json_object_get_int64(v)
                        : 0;

    return value < 0 ? 0 : value > NUMBER_MAX ? NUMBER_MAX : (uint64_t)value;
}

static void get_text(struct json_object *o, const char *key, char *to, size_t size)
{
    struct json_object *v;

    to[0] = 0;
    if (json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string))
        snprintf(to, size, "%s", json_object_get_string(v));
}

static void parse_move(struct xf_history_move *m, struct json_object *o)
{
    struct json_object *v;

    get_text(o, "guest", m->guest, sizeof(m->guest));
    get_text(o, "uuid", m->uuid, sizeof(m->uuid));
    get_text(o, "from", m->from, sizeof(m->from));
    get_text(o, "to", m->to, sizeof(m->to));
    get_text(o, "state", m->state, sizeof(m->state));
    get_text(o, "error", m->error, sizeof(m->error));
    m->time_us = get_u64(o, "time_us");
    m->status = (int)(get_u64(o, "status") & 0xff);
    m->began = json_object_object_get_ex(o, "done", &v);
    m->done = m->began && json_object_get_boolean(v);
    m->early = json_object_object_get_ex(o, "hand_over", &v) &&
               json_object_is_type(v, json_type_string) &&
               !strcmp(json_object_get_string(v), "early");
    m->total_us = get_u64(o, "total_us");
    if (json_object_object_get_ex(o, "downtime", &v) && json_object_is_type(v, json_type_object))
        xf_downtime_take(&m->downtime, v);
    /* Before 0.11.0 it ended with the memory, and had other parts: nothing to compare with. */
    m->downtime.whole =
        m->downtime.have[XF_DOWNTIME_FREEZE] && json_object_object_get_ex(o, "downtime_us", &v);
    m->downtime.us = m->downtime.whole ? get_u64(o, "downtime_us") : 0;
    m->predicted_us = get_u64(o, "predicted_downtime_us");
    if (json_object_object_get_ex(o, "reachable", &v))
        xf_reachable_take_all(&m->reachable, v);
    m->rounds = get_u64(o, "rounds");
    m->bytes = get_u64(o, "bytes");
    m->pages = get_u64(o, "pages_sent");
    m->repaired = get_u64(o, "pages_repaired");
    m->deferred = get_u64(o, "pages_deferred");
    m->lost = get_u64(o, "packets_lost");
    m->payload_bps = get_u64(o, "payload_bps");
    m->bandwidth_bps = get_u64(o, "bandwidth_bps");
}

static void parse_sums(struct xf_history_sums *s, struct json_object *o)
{
    for (unsigned i = 0; i < XF_HISTORY_RESULTS; i++)
        s->count[i] += get_u64(o, xf_history_results[i]);
    s->bytes += get_u64(o, "bytes");
    s->pages += get_u64(o, "pages_sent");
    s->repaired += get_u64(o, "pages_repaired");
    s->deferred += get_u64(o, "pages_deferred");
    s->lost += get_u64(o, "packets_lost");
}

static void add_to_sums(void *arg, const struct xf_history_move *m)
{
    struct xf_history_sums *s = arg;

    if (!m->this_boot)
        return;
    s->count[xf_history_result(m)]++;
    s->bytes += m->bytes;
    s->pages += m->pages;
    s->repaired += m->repaired;
    s->deferred += m->deferred;
    s->lost += m->lost;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* A line that is none was not written whole: what it told is lost, and nothing else. sums: NULL,
   or takes what a first line has of this boot. */
static int read_file(FILE *f, xf_history_take *take, void *arg, struct xf_history_sums *sums)
{
    char *line = NULL, mine[40];
    size_t cap = 0;

    boot_id(mine);
    while (getline(&line, &cap, f) > 0) {
        struct json_object *o = json_tokener_parse(line), *v;
        struct xf_history_move m = {0};
        char boot[40];

        if (json_object_is_type(o, json_type_object) && get_u64(o, "version") == VERSION) {
            get_text(o, "boot", boot, sizeof(boot));
            m.this_boot = mine[0] && !strcmp(boot, mine);
            if (!json_object_object_get_ex(o, "sums", &v)) {
                parse_move(&m, o);
                take(arg, &m);
            } else if (sums && m.this_boot) {
                parse_sums(sums, v);
            }
        }
        json_object_put(o);
    }
    free(line);
    return ferror(f) ? -EIO : 0;
}

/* The folder's lock; false: not within a second. A handle of the folder keeps it until it is
   closed. */
static bool lock_within_a_second(int dir, int how)
{
    const struct timespec pause = {.tv_nsec = 5000000};

    for (unsigned i = 0; i < 200; i++) {
        if (!flock(dir, how | LOCK_NB))
            return true;
        if (errno != EWOULDBLOCK)
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* A handle of the folder, or -errno. */
static int open_folder(bool make)
{
    const char *state = getenv("XL_FAST_STATEDIR");
    char path[512];
    int n = snprintf(path, sizeof(path), "%s/xl-fast", state && *state ? state : "/var/lib");
    int dir;

    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    if (make)
        mkdir(path, 0700); /* whether it is there is seen next */
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -errno : dir;
}

/* NULL with *rc 0: there is none. */
static FILE *open_to_read(int dir, const char *name, int *rc)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

    *rc = f || errno == ENOENT ? 0 : -errno;
    if (!f && fd >= 0)
        close(fd);
    return f;
}

static bool are_one(FILE *a, FILE *b)
{
    struct stat x, y;

    return !fstat(fileno(a), &x) && !fstat(fileno(b), &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

int xf_history_read(xf_history_take *take, void *arg)
{
    int dir = open_folder(false), rc = 0, old_rc = 0;
    FILE *now, *old;

    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    lock_within_a_second(dir, LOCK_SH); /* without it, perhaps not all */
    now = open_to_read(dir, FILE_NOW, &rc);
    old = rc ? NULL : open_to_read(dir, FILE_OLD, &old_rc);
    rc = rc ? rc : old_rc;
    /* Who put it aside may have died in between: then both names are one file's. */
    if (!rc && old && !(now && are_one(now, old)))
        rc = read_file(old, take, arg, NULL);
    if (!rc && now)
        rc = read_file(now, take, arg, NULL);
    if (old)
        fclose(old);
    if (now)
        fclose(now);
    close(dir);
    return rc;
}

static int sums_of_file(int dir, struct xf_history_sums *s)
{
    int rc;
    FILE *now = open_to_read(dir, FILE_NOW, &rc);

    if (now) {
        rc = read_file(now, add_to_sums, s, s);
        fclose(now);
    }
    return rc;
}

int xf_history_since_boot(struct xf_history_sums *s)
{
    int dir = open_folder(false), rc;

    *s = (struct xf_history_sums){0};
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    lock_within_a_second(dir, LOCK_SH);
    rc = sums_of_file(dir, s);
    close(dir);
    return rc;
}

/* ---- adding ------------------------------------------------------------------------------- */

static int write_whole(int fd, const char *text, size_t bytes)
{
    ssize_t n = write(fd, text, bytes);

    return n < 0 ? -errno : (size_t)n < bytes ? -ENOSPC : fdatasync(fd) ? -errno : 0;
}

/* What comes after a line that was cut begins a line of its own. What is cut now is taken away
   again, where nobody else can have added to it. */
static int append(int dir, const char *line, bool locked, off_t *size)
{
    int fd = openat(dir, FILE_NOW, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    struct stat st;
    char *text = NULL, last = '\n';
    int rc = 0, bytes;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -EINVAL;
    else if (st.st_size && pread(fd, &last, 1, st.st_size - 1) != 1)
        rc = -EIO;
    if (!rc) {
        bytes = asprintf(&text, "%s%s", last == '\n' ? "" : "\n", line);
        rc = bytes < 0 ? -ENOMEM : write_whole(fd, text, (size_t)bytes);
        if (bytes >= 0)
            free(text);
        if (rc && locked && ftruncate(fd, st.st_size))
            rc = -errno;
        *size = st.st_size + bytes;
    }
    close(fd);
    return rc;
}

/* The file takes the name of the old one, and one with the sums takes its place. There is a file
   of that name all the while. Needs the lock. */
static int put_aside(int dir)
{
    struct xf_history_sums sums = {0};
    int rc = sums_of_file(dir, &sums), fd;
    char *line = rc ? NULL : print_sums(&sums);

    if (!line)
        return rc ? rc : -ENOMEM;
    fd = openat(dir, FILE_NEXT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    rc = fd < 0 ? -errno : write_whole(fd, line, strlen(line));
    if (fd >= 0)
        close(fd);
    if (!rc && unlinkat(dir, FILE_OLD, 0) && errno != ENOENT)
        rc = -errno;
    if (!rc && (linkat(dir, FILE_NOW, dir, FILE_OLD, 0) || renameat(dir, FILE_NEXT, dir, FILE_NOW)))
        rc = -errno;
    if (rc)
        unlinkat(dir, FILE_NEXT, 0);
    free(line);
    return rc;
}

int xf_history_add(const struct xf_history_move *m)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    int dir = open_folder(true), rc;
    char *line;
    off_t size = 0;
    bool locked;

    if (dir < 0)
        return dir;
    line = print_move(m);
    locked = lock_within_a_second(dir, LOCK_EX);
    sigaction(SIGXFSZ, &ignore, &before); /* a limit of a file's size is a full disk */
    rc = line ? append(dir, line, locked, &size) : -ENOMEM;
    if (!rc && locked && size > (off_t)XF_HISTORY_BYTES)
        put_aside(dir); /* else the next one does */
    sigaction(SIGXFSZ, &before, NULL);
    free(line);
    close(dir);
    return rc;
}
