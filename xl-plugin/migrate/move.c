/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the real xl migrate, with our save helper at both ends, and stays until it has ended,
 * because of what is to be said if it leaves the guest suspended.
 *
 * To cancel: the helper ends by itself when it is told to as libxl would tell it; xl then lets the
 * guest go on here, and tells the target. With the helper gone the memory is there and xl is about
 * to start the guest there, or to let it go on here: to end xl then could leave it suspended at
 * both ends. So that is only for who asks once more, after so long that it was no impatience, and
 * not for `xl-fast cancel`, which sends SIGUSR1.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fixed.h"
#include "steps.h"
#include "say.h"
#include "transport/member.h"
#include "xl-plugin/screen/moving.h"

#define IMPATIENCE_S 4
#define WORDS_BYTES  4096 /* the helper's words are a few */

static int64_t now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* ---- xl's words -------------------------------------------------------------------------------
 */

/* xl's; and xl-fast-clone's, in its place. */
#define COPY_WORDS_MAX (8 + 4 * XF_MEMBERS_MAX)
#define WORDS_MAX      (XF_OPTION_TEXTS_MAX + 16 + COPY_WORDS_MAX)

struct words {
    const char *of[WORDS_MAX];
    char *remote[XF_MEMBERS_MAX]; /* to be freed */
    unsigned n, remotes;
    bool whole;
};

static void add(struct words *w, const char *word)
{
    w->of[w->n++] = word;
    w->of[w->n] = NULL;
}

/* The host string is not quoted by xl: what follows the name becomes words of the remote command.
   The receiver's words are kept there under this attempt's name, for `xl-fast recover`. */
static const char *remote_words(const struct xf_migrate *m, const struct xf_copy *copy,
                                struct words *w)
{
    const char *marks = getenv("XL_FAST_MARKS");
    char *text;

    if (asprintf(&text,
                 "%s env LIBXL_SAVE_HELPER=%s/xl-fast-helper XL_FAST=%s%s%s %s/xl-fast-receive "
                 "%s %s",
                 copy ? copy->host : m->o.host, m->lib, m->late[0] ? "1" : "early",
                 marks && *marks ? " XL_FAST_MARKS=1" : "", copy ? " XL_FAST_CLONE=1" : "", m->lib,
                 copy ? copy->uuid : m->source.uuid, m->attempt) < 0) {
        w->whole = false;
        return "";
    }
    return w->remote[w->remotes++] = text;
}

static void copy_words(const struct xf_migrate *m, struct words *w)
{
    const struct xf_copies *c = m->copies;
    const struct xf_copy *first = m->copy;
    const char *before[] = {m->clone,
                            "copy",
                            m->source.uuid,
                            m->o.ssh,
                            first->net,
                            first->disks,
                            first->paused ? "paused" : "running",
                            c->all ? "all" : "any"};

    for (unsigned i = 0; i < sizeof(before) / sizeof(before[0]); i++)
        add(w, before[i]);
    for (unsigned i = 0; i < c->n; i++) {
        const struct xf_copy *one = &c->of[i];

        if (one->status != XF_COPY_OPEN)
            continue;
        add(w, remote_words(m, one, w));
        add(w, one->name);
        add(w, one->uuid);
        add(w, one->number);
    }
}

static void xl_words(const struct xf_migrate *m, const char *host, struct words *w)
{
    const struct xf_migrate_options *o = &m->o;
    const struct {
        bool given;
        const char *word;
    } flags[] = {{o->pause, "-p"},      {o->no_watch, "-e"},   {o->keep_domid, "-D"},
                 {o->foreground, "-F"}, {o->debug, "--debug"}, {o->live, "--live"}};

    add(w, m->real);
    for (unsigned i = 0; i < o->before.n; i++)
        add(w, o->before.texts[i]);
    add(w, "migrate");
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].given)
            add(w, flags[i].word);
    if (o->config) {
        add(w, "-C");
        add(w, o->config);
    }
    if (o->own_ssh) {
        add(w, "-s");
        add(w, o->ssh);
    }
    if (o->domain[0] == '-')
        add(w, "--");
    add(w, o->domain);
    add(w, host);
}

/* ---- xl's environment, for the helper (xl-plugin/cli/environment.h) -------------------------- */

#define SETTINGS_MAX 15u

struct settings {
    char *set[SETTINGS_MAX + 1];
    unsigned n;
    bool whole;
};

static void set(struct settings *s, const char *name, const char *value)
{
    if (s->n == SETTINGS_MAX)
        s->whole = false;
    else if (value[0] && asprintf(&s->set[s->n], "%s=%s", name, value) < 0)
        s->whole = false;
    else if (value[0])
        s->n++;
    s->set[s->n] = NULL;
}

static int cap_path(const struct xf_migrate *m, char path[XF_PATH_BYTES])
{
    char name[60];

    snprintf(name, sizeof(name), "cap-%s", m->attempt);
    return xf_moving_path(path, XF_PATH_BYTES, name);
}

static void begin_settings(const struct xf_migrate *m, struct settings *s)
{
    struct xf_fixed fixed = {.host = m->o.host, .early = !m->late[0]};
    char path[sizeof(m->lib) + 32];

    *s = (struct settings){.whole = true};
    snprintf(path, sizeof(path), "%s/xl-fast-helper", m->lib);
    set(s, "LIBXL_SAVE_HELPER", path);
    set(s, "XL_FAST", "1");
    set(s, "XL_FAST_HAND_OVER", m->late[0] ? m->late : "early");
    set(s, "XL_FAST_SAID", m->said);
    set(s, "XL_FAST_UNTOUCHED", m->untouched);
    set(s, "XL_FAST_CONTROL", m->control);
    char *disks = xf_migrate_disks_sockets(m);
    s->whole = s->whole && disks;
    set(s, "XL_FAST_DISKS", disks ? disks : "");
    free(disks);
    if (m->copies && m->copies->all)
        set(s, "XL_FAST_ALL_OR_NONE", "1");
    if (m->copies && m->copies->min_bytes_per_s) {
        snprintf(path, sizeof(path), "%" PRIu64, m->copies->min_bytes_per_s * 8);
        set(s, "XL_FAST_MIN_RATE", path);
    }
    if (!m->events[0])
        return;
    set(s, "XL_FAST_EVENTS", m->events);
    set(s, "XL_FAST_GUEST", m->source.name);
    set(s, "XL_FAST_HOST", m->o.host);
    /* What a copy's devices take is none of the guest's time. */
    if (!m->copy && !xf_history_read(xf_fixed_take, &fixed) && fixed.moves) {
        snprintf(path, sizeof(path), "%" PRIu64, xf_fixed_us(&fixed));
        set(s, "XL_FAST_FIXED_US", path);
    }
    if (!cap_path(m, path))
        set(s, "XL_FAST_CAP", path);
}

static void end_settings(struct settings *s)
{
    for (unsigned i = 0; i < s->n; i++)
        free(s->set[i]);
}

/* ---- cancelling --------------------------------------------------------------------------------
 */

/* A process that is the helper, by a handle: no other that gets its number is meant. -1: it is
   none. */
static int open_helper(pid_t pid)
{
    static const char wanted[] = "--save-domain";
    char path[64], words[WORDS_BYTES];
    int handle = (int)syscall(SYS_pidfd_open, pid, 0), fd;
    ssize_t n = -1;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, words, sizeof(words) - 1);
        close(fd);
    }
    words[n > 0 ? n : 0] = 0;
    for (ssize_t at = 0; at < n && !found; at += (ssize_t)strlen(words + at) + 1)
        found = !strcmp(words + at, wanted);
    if (found || handle < 0)
        return handle;
    close(handle);
    return -1;
}

/* libxl's save helper, while xl has one; or -1. */
static int find_helper(pid_t xl)
{
    char path[64];
    int handle = -1, pid;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)xl, (int)xl);
    f = fopen(path, "re");
    while (f && handle < 0 && fscanf(f, "%d", &pid) == 1)
        handle = open_helper(pid);
    if (f)
        fclose(f);
    return handle;
}

/* Without a place for events it cannot be seen whether the memory has begun to move: then as if it
   had. */
static bool may_have_begun(const struct xf_migrate *m)
{
    return !m->events[0] || xf_migrate_events_began(m);
}

static void cancel(struct xf_migrate *m, int status, bool once)
{
    int helper;

    if (m->follower > 0 && !m->o.json)
        kill(m->follower, SIGUSR1);
    if (m->cancelled) {
        if (!once && now_s() >= m->cancelled_s + IMPATIENCE_S)
            kill(m->xl, SIGTERM);
        return;
    }
    helper = find_helper(m->xl);
    if (helper >= 0) {
        syscall(SYS_pidfd_send_signal, helper, SIGTERM, NULL, 0);
        close(helper);
    } else if (!may_have_begun(m)) {
        kill(m->xl, SIGTERM);
    }
    m->cancelled = status;
    m->cancelled_s = now_s();
}

/* ---- a guest that was slowed down -------------------------------------------------------------
 */

static bool is_number(const char *word)
{
    return word[0] >= '0' && word[0] <= '9';
}

/* The helper's words, which go to xl: nothing but how to set a domain's cap. */
static bool are_cap_words(char *const words[7])
{
    return (!strcmp(words[0], "sched-credit") || !strcmp(words[0], "sched-credit2")) &&
           !strcmp(words[1], "-d") && is_number(words[2]) && !strcmp(words[3], "-c") &&
           is_number(words[4]);
}

/* A guest that the save helper has slowed down (--throttle) is given its CPU time back by the
   helper, unless that was killed; then what it has left in writing says how
   (xl-plugin/plugin/cap.h). */
static void undo_cap(struct xf_migrate *m)
{
    char path[XF_PATH_BYTES], line[200] = "", text[200], *words[7] = {0}, *rest = line;
    FILE *f = m->events[0] && !cap_path(m, path) ? fopen(path, "re") : NULL;
    unsigned n = 0;
    pid_t pid = -1;

    if (!f)
        return;
    if (!fgets(line, sizeof(line), f))
        line[0] = 0;
    fclose(f);
    line[strcspn(line, "\n")] = 0;
    if (!line[0])
        return;
    strcpy(text, line);
    while (n < 6 && (words[n] = strsep(&rest, " ")))
        n++;
    if (n == 5 && are_cap_words(words)) {
        const char *const argv[] = {m->real,  words[0], words[1], words[2],
                                    words[3], words[4], NULL};
        const struct xf_process xl = {
            argv, NULL, {-1, STDERR_FILENO, STDERR_FILENO}, XF_EARS_USUAL};

        pid = xf_process_start(&m->signals, &xl);
    }
    if (pid > 0 && !xf_process_end(pid)) {
        unlink(path);
        XF_NOTE(m, "%s was slowed down, and has its CPU time again", m->source.name);
    } else {
        xf_migrate_say("%s may still be slowed down: to undo it, xl %s", m->source.name, text);
    }
}

/* ---- running it -------------------------------------------------------------------------------
 */

/* Until it ends; a signal in between cancels it. */
static int wait_for_xl(struct xf_migrate *m)
{
    int status, asked;
    bool once;

    while (!xf_process_wait(&m->signals, m->xl, &status))
        if ((asked = xf_signals_take(&m->signals, &once)))
            cancel(m, asked, once);
    return status;
}

int xf_migrate_move(struct xf_migrate *m)
{
    struct words words = {.whole = true};
    struct settings settings;
    int said = m->said[0] ? open(m->said, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    int out = m->o.json ? STDERR_FILENO : STDOUT_FILENO, status = 1;

    begin_settings(m, &settings);
    if (m->copies)
        copy_words(m, &words);
    else
        xl_words(m, remote_words(m, NULL, &words), &words);
    if (words.whole && settings.whole) {
        const struct xf_process xl = {words.of,
                                      (const char *const *)settings.set,
                                      {STDIN_FILENO,
                                       said >= 0 && m->screen != XF_SCREEN_ALL ? said : out,
                                       said >= 0 ? said : STDERR_FILENO},
                                      XF_EARS_USUAL};

        signal(SIGQUIT, SIG_IGN); /* a terminal's, which is for xl alone */
        xf_migrate_listen_begin(m);
        m->xl = xf_process_start(&m->signals, &xl);
        if (m->xl > 0)
            status = wait_for_xl(m);
        else
            xf_migrate_say("%s: %s", words.of[0], strerror(-m->xl));
        m->xl = 0;
        undo_cap(m);
        if (!status)
            xf_migrate_queue_leave(m);
        xf_migrate_listen_end(m, !status);
    } else {
        xf_migrate_say("cannot start %s: %s", m->real, strerror(ENOMEM));
    }
    end_settings(&settings);
    for (unsigned i = 0; i < words.remotes; i++)
        free(words.remote[i]);
    if (said >= 0)
        close(said);
    return status && m->cancelled ? m->cancelled : status;
}

int xf_migrate_move_plain(struct xf_migrate *m)
{
    struct words words = {.whole = true};

    xl_words(m, m->o.host, &words);
    if (m->o.json)
        dup2(STDERR_FILENO, STDOUT_FILENO); /* which is the events' alone */
    xf_signals_end(&m->signals);
    execv(m->real, (char *const *)words.of);
    xf_migrate_say("%s: %s", m->real, strerror(errno));
    return 1;
}
