/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recover, actors: finds in /proc the processes that may still move or receive a guest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recover_actors.h"

#define WORDS_BYTES (256u << 10) /* of a command line or an environment */
#define WORDS_MAX   256u

/* A process's own file of words that each end in 0. Returns its bytes, with a 0 after them. */
static ssize_t read_words(int dir, const char *name, char *to)
{
    size_t n = 0;
    ssize_t got = 0;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    while (n < WORDS_BYTES - 1 && (got = read(fd, to + n, WORDS_BYTES - 1 - n)) > 0)
        n += (size_t)got;
    if (got < 0)
        got = -errno;
    close(fd);
    to[n] = 0;
    return got < 0 ? got : (ssize_t)n;
}

static unsigned split(char *words, size_t bytes, char *to[WORDS_MAX])
{
    unsigned n = 0;

    for (size_t at = 0; at < bytes && n < WORDS_MAX; at += strlen(words + at) + 1)
        to[n++] = words + at;
    return n;
}

/* The program's name, also of one that has been replaced since it was started. -ENOENT: a kernel
   thread, or dead. */
static int program_of(int dir, char path[PATH_MAX], const char **program)
{
    static const char deleted[] = " (deleted)";
    ssize_t n = readlinkat(dir, "exe", path, PATH_MAX - 1);

    if (n < 0)
        return -errno;
    path[n] = 0;
    if ((size_t)n >= sizeof(deleted) && !strcmp(path + n - (sizeof(deleted) - 1), deleted))
        path[n - (ssize_t)(sizeof(deleted) - 1)] = 0;
    char *slash = strrchr(path, '/');
    *program = slash ? slash + 1 : path;
    return 0;
}

static bool reads_nothing(int dir)
{
    char path[64];
    ssize_t n = readlinkat(dir, "fd/0", path, sizeof(path) - 1);

    return n == 9 && !memcmp(path, "/dev/null", 9);
}

/* The process that gives a dead helper's memory back (xl-plugin/plugin/linger.h): it has the
   helper's program and command line, and acts on nothing. */
static bool lingers(int dir)
{
    static const char name[] = XF_ACTORS_LINGER "\n";
    char text[32] = "";
    ssize_t n = -1;
    int fd = openat(dir, "comm", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        n = read(fd, text, sizeof(text));
        close(fd);
    }
    return n == (ssize_t)sizeof(name) - 1 && !memcmp(text, name, sizeof(name) - 1);
}

/* What the words of a command line may be about. A domain that is on its way has another name now
   than the one it was asked for by. */
struct wanted {
    const char *name;
    const struct xf_look *look;
};

static bool names_domain(char *const *words, unsigned n, const struct wanted *wanted)
{
    char domid[16];

    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(words[i], wanted->name))
            return true;
        for (unsigned d = 0; d < wanted->look->domains_n; d++) {
            snprintf(domid, sizeof(domid), "%u", wanted->look->domains[d].domid);
            if (!strcmp(words[i], wanted->look->domains[d].name) || !strcmp(words[i], domid))
                return true;
        }
    }
    return false;
}

static void read_guest(int dir, char *buffer, char uuid[XF_UUID_SIZE])
{
    static const char key[] = XF_ACTORS_VARIABLE "=";
    char *words[WORDS_MAX];
    ssize_t bytes = read_words(dir, "environ", buffer);
    unsigned n = bytes > 0 ? split(buffer, (size_t)bytes, words) : 0;

    uuid[0] = 0;
    for (unsigned i = 0; i < n; i++)
        if (!strncmp(words[i], key, sizeof(key) - 1) && xf_uuid_ok(words[i] + sizeof(key) - 1))
            memcpy(uuid, words[i] + sizeof(key) - 1, XF_UUID_SIZE);
}

enum part { PART_NONE, PART_MOVES, PART_RECEIVES };

static enum part part_of(const char *program, char *const *words, unsigned n, int dir,
                         const struct wanted *wanted)
{
    unsigned verb = 1;

    /* It may hold a go that xl has not read yet. */
    if (!strcmp(program, XF_ACTORS_PUMP))
        return PART_RECEIVES;
    if (!strcmp(program, "libxl-save-helper")) {
        if (n > 1 && !strcmp(words[1], "--save-domain") && names_domain(words + 2, n - 2, wanted))
            return PART_MOVES;
        return n > 1 && !strcmp(words[1], "--restore-domain") ? PART_RECEIVES : PART_NONE;
    }
    while (verb < n && words[verb][0] == '-')
        verb++;
    if (verb == n)
        return PART_NONE;
    if (!strcmp(words[verb], "migrate-receive"))
        return reads_nothing(dir) ? PART_NONE : PART_RECEIVES;
    if (!strcmp(words[verb], "migrate") || !strcmp(words[verb], "save") ||
        !strcmp(words[verb], "remus"))
        return names_domain(words + verb + 1, n - verb - 1, wanted) ? PART_MOVES : PART_NONE;
    return PART_NONE;
}

/* A process that ends while it is looked at is none. */
static int look_at(int dir, uint32_t pid, const char *name, char *buffer, struct xf_look *look)
{
    const struct wanted wanted = {name, look};
    char path[PATH_MAX], *words[WORDS_MAX];
    const char *program = "";
    struct xf_look_process *p;
    int rc = program_of(dir, path, &program);

    if (rc)
        return rc;
    if (strcmp(program, "xl") && strcmp(program, "libxl-save-helper") &&
        strcmp(program, XF_ACTORS_PUMP))
        return 0;
    if (strcmp(program, "xl") && lingers(dir))
        return 0;

    ssize_t bytes = read_words(dir, "cmdline", buffer);
    if (bytes <= 0)
        return (int)bytes;
    unsigned n = split(buffer, (size_t)bytes, words);
    enum part part = part_of(program, words, n, dir, &wanted);
    if (part == PART_NONE)
        return 0;
    if (look->processes_n == XF_LOOK_PROCESSES)
        return -E2BIG;
    p = &look->processes[look->processes_n];
    memset(p, 0, sizeof(*p));
    p->pid = pid;
    p->receives = part == PART_RECEIVES;
    read_guest(dir, buffer, p->uuid);
    /* A restore that is not ours (xl restore) receives nothing. */
    if (p->receives && !p->uuid[0] && strcmp(program, "xl"))
        return 0;
    look->processes_n++;
    return 0;
}

int xf_actors_find(const char *proc, const char *name, struct xf_look *look)
{
    char *buffer = malloc(WORDS_BYTES);
    DIR *all = opendir(proc);
    struct dirent *entry;
    int rc = 0;

    look->processes_n = 0;
    if (!buffer || !all) {
        rc = buffer ? -errno : -ENOMEM;
        goto out;
    }
    while (!rc && (entry = readdir(all))) {
        char *end;
        unsigned long pid = strtoul(entry->d_name, &end, 10);

        if (end == entry->d_name || *end || pid > INT32_MAX)
            continue;
        int dir = openat(dirfd(all), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            continue;
        rc = look_at(dir, (uint32_t)pid, name, buffer, look);
        if (rc == -ENOENT || rc == -ESRCH)
            rc = 0;
        close(dir);
    }
out:
    if (all)
        closedir(all);
    free(buffer);
    return rc;
}
