/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Demo, parent: starts the two ends, looks after them, compares what they say. See demo_parts.h. */
#include "demo_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/screen/story.h"

#define BLAME_US (UINT64_C(500000))
#define POLL_MS  100

/* The source is the first child, the targets follow. */
enum { SOURCE, TARGET };
#define ENDS_MAX (TARGET + XF_MEMBERS_MAX)

struct child {
    char name[24];
    pid_t pid; /* 0: not there, or waited for */
    int fd;    /* its socket of messages; -1 if closed */
    uint64_t heard_us;
    bool up, landed, resumed;
};

/* Each pair's first end is the parent's, or the source's. */
struct sockets {
    int up[ENDS_MAX][2], peers[XF_MEMBERS_MAX][2];
};

struct demo {
    struct xf_demo_options options;
    struct xf_demo_outcome outcome;
    struct child children[ENDS_MAX];
    bool resumes; /* the targets have been told to */
    unsigned ends;
    struct xf_ends_dir dir;
    struct xf_demo_progress_line line;
    struct xf_events events; /* the start and the end; the source writes what is between */
    struct xf_control control;
    FILE *reported; /* the same, to be read for the report; NULL: none is asked for */
};

/* The first reason is the one that counts: what fails after it fails because of it. */
static void __attribute__((format(printf, 2, 3))) give_up(struct demo *d, const char *fmt, ...)
{
    va_list ap;

    if (d->outcome.error[0])
        return;
    va_start(ap, fmt);
    vsnprintf(d->outcome.error, sizeof(d->outcome.error), fmt, ap);
    va_end(ap);
}

/* ---- children ---------------------------------------------------------------------------------
 */

static struct xf_demo_target *target_of(struct demo *d, unsigned which)
{
    return &d->outcome.targets[which - TARGET];
}

static bool is_dropped(const struct demo *d, unsigned which)
{
    return which != SOURCE && d->outcome.targets[which - TARGET].dropped[0];
}

/* Never returns: the child's life. */
static void __attribute__((noreturn))
be_child(struct demo *d, unsigned which, int parent, const struct sockets *s, pid_t parent_pid)
{
    struct xf_demo_end end = {.options = &d->options,
                              .events = which == SOURCE ? &d->events : NULL,
                              .control = which == SOURCE ? &d->control : NULL,
                              .memif_socket = d->dir.socket,
                              .parent = parent,
                              .number = which == SOURCE ? 0 : which - TARGET};
    char name[32];
    int status;

    if (which == SOURCE)
        for (unsigned i = 0; i + TARGET < d->ends; i++)
            end.peers[i] = s->peers[i][0];
    else
        end.peers[0] = s->peers[which - TARGET][1];
    snprintf(name, sizeof(name), "xl-fast %s", d->children[which].name);
    xf_ends_be_child(parent_pid, name);
    dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is the report's alone */
    status = which == SOURCE ? xf_demo_source_main(&end) : xf_demo_target_main(&end);
    fflush(stderr);
    exit(status);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* All that `which` does not need; ENDS_MAX: all. Whoever holds another's end of a socket hides that
   the other has died. */
static void close_others(struct demo *d, struct sockets *s, unsigned which)
{
    for (unsigned i = 0; i < d->ends; i++) {
        close_one(&s->up[i][0]);
        if (i != which)
            close_one(&s->up[i][1]);
        if (i == SOURCE)
            continue;
        if (which != SOURCE)
            close_one(&s->peers[i - TARGET][0]);
        if (which != i)
            close_one(&s->peers[i - TARGET][1]);
    }
}

static int make_sockets(struct demo *d, struct sockets *s)
{
    memset(s, -1, sizeof(*s));
    for (unsigned i = 0; i < d->ends; i++)
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->up[i]) ||
            (i != SOURCE &&
             socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->peers[i - TARGET])))
            return -errno;
    return 0;
}

static int start_children(struct demo *d)
{
    pid_t self = getpid();
    struct sockets s;
    int rc = make_sockets(d, &s);

    if (rc)
        give_up(d, "no sockets: %s", strerror(-rc));
    for (unsigned i = 0; i < d->ends && !rc; i++) {
        struct child *c = &d->children[i];
        pid_t pid = fork();

        if (pid < 0) {
            rc = -errno;
            give_up(d, "no process: %s", strerror(-rc));
        } else if (pid == 0) {
            for (unsigned j = 0; j < i; j++)
                close_one(&d->children[j].fd);
            close_others(d, &s, i);
            be_child(d, i, s.up[i][1], &s, self);
        } else {
            c->pid = pid;
            c->fd = s.up[i][0];
            c->heard_us = xf_now_us();
            s.up[i][0] = -1;
        }
    }
    close_others(d, &s, ENDS_MAX);
    return rc;
}

static void order(struct child *c, enum xf_demo_order what)
{
    char byte = (char)what;

    if (c->fd >= 0 && send(c->fd, &byte, 1, MSG_NOSIGNAL) < 0) {
        /* It has died: the loop will see it. */
    }
}

static bool wait_for(struct child *c, uint64_t limit_us, int *status)
{
    if (!xf_ends_wait(c->pid, limit_us, status))
        return false;
    c->pid = 0;
    return true;
}

static void kill_child(struct child *c)
{
    if (c->pid) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
        c->pid = 0;
    }
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* What becomes of the others is the source's to say. */
static void drop(struct demo *d, unsigned which, const char *why)
{
    char line[sizeof(target_of(d, which)->dropped) + 16];

    if (is_dropped(d, which))
        return;
    snprintf(target_of(d, which)->dropped, sizeof(target_of(d, which)->dropped), "%s", why);
    kill_child(&d->children[which]);
    if (d->options.json)
        return;
    snprintf(line, sizeof(line), "dropped: %s", why);
    xf_live_note(&d->line.live, line);
}

/* An end that has failed ends the demo; but for a clone, without which the others go on. */
static void __attribute__((format(printf, 3, 4)))
fail_end(struct demo *d, unsigned which, const char *fmt, ...)
{
    char why[sizeof(d->outcome.error)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    if (d->options.clones && which != SOURCE)
        drop(d, which, why);
    else
        give_up(d, "%s", why);
}

static void say_how_it_ended(struct demo *d, unsigned which, int status)
{
    const struct child *c = &d->children[which];

    if (WIFSIGNALED(status))
        fail_end(d, which, "the %s process was killed by signal %d (%s)", c->name, WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        fail_end(d, which, "the %s process ended early, with status %d", c->name,
                 WEXITSTATUS(status));
}

/* An end has closed its socket without having been told to. */
static void on_death(struct demo *d, unsigned which)
{
    struct child *c = &d->children[which];
    int status = 0;

    close(c->fd);
    c->fd = -1;
    if (wait_for(c, xf_ends_patience_us(0), &status))
        say_how_it_ended(d, which, status);
    else
        fail_end(d, which, "the %s process closed its connection and hangs", c->name);
}

/*
 * An end has failed. If the other is dying, that is why: a link that goes down is often seen before
 * its killed process is gone.
 */
static void on_failure(struct demo *d, unsigned which, const char *reason)
{
    const unsigned other = which == SOURCE ? TARGET : SOURCE;
    int status = 0;

    if (d->children[other].pid && wait_for(&d->children[other], BLAME_US, &status) &&
        WIFSIGNALED(status))
        say_how_it_ended(d, other, status);
    else
        fail_end(d, which, "%s: %s", d->children[which].name, reason);
}

/* ---- the talk ---------------------------------------------------------------------------------
 */

static void show_set(struct demo *d, const struct xf_steer *set)
{
    char text[XF_STEER_TEXT_BYTES], line[XF_STEER_TEXT_BYTES + 8];

    if (set->what & XF_STEER_BANDWIDTH)
        d->outcome.bandwidth_set = true;
    if (d->options.json)
        return;
    snprintf(line, sizeof(line), "set: %s", xf_steer_show(text, set));
    xf_live_note(&d->line.live, line);
}

static bool is_up(const struct demo *d, unsigned which)
{
    return d->children[which].up;
}

static bool has_result(const struct demo *d, unsigned which)
{
    return which == SOURCE || d->outcome.targets[which - TARGET].have;
}

static bool has_resumed(const struct demo *d, unsigned which)
{
    return which == SOURCE || d->children[which].resumed;
}

/* Of those that were not dropped. */
static bool all(const struct demo *d, bool (*are)(const struct demo *, unsigned))
{
    for (unsigned i = 0; i < d->ends; i++)
        if (!is_dropped(d, i) && !are(d, i))
            return false;
    return true;
}

/* Both ends of a memif hold the connection itself. */
static void remove_sockets(struct demo *d)
{
    char path[XF_DEMO_SOCKET_BYTES];

    for (unsigned i = 0; i < xf_demo_targets(&d->options); i++)
        unlink(xf_demo_socket(path, d->dir.socket, i));
    xf_ends_dir_remove(&d->dir);
}

static void on_message(struct demo *d, unsigned which, const struct xf_demo_message *m)
{
    struct child *c = &d->children[which];
    struct xf_demo_outcome *o = &d->outcome;

    switch (m->kind) {
    case DEMO_UP:
        c->up = true;
        if (all(d, is_up))
            remove_sockets(d);
        break;
    case DEMO_MEASURED:
        o->measured = m->measured;
        break;
    case DEMO_PROGRESS:
        if (which == SOURCE && !d->options.json)
            xf_demo_progress_show(&d->line, &m->progress);
        break;
    case DEMO_SET:
        show_set(d, &m->set);
        break;
    case DEMO_LANDED:
        c->landed = true;
        break;
    case DEMO_RESULT:
        if (which == SOURCE) {
            o->source = m->result;
            o->have_source = true;
            for (unsigned i = TARGET; i < d->ends; i++)
                order(&d->children[i], DEMO_SEEN);
        } else {
            target_of(d, which)->result = m->result;
            target_of(d, which)->have = true;
        }
        break;
    case DEMO_RESUMED:
        target_of(d, which)->resumed_pages = m->pages;
        c->resumed = true;
        break;
    case DEMO_DROPPED:
        if (m->target < xf_demo_targets(&d->options))
            drop(d, TARGET + m->target, m->reason);
        break;
    case DEMO_STAYED:
        o->stayed = true;
        o->stayed_pages = m->pages;
        give_up(d, "%s", m->reason);
        break;
    case DEMO_FAILED:
        on_failure(d, which, m->reason);
        break;
    }
}

/* Once all that are left have what the source sent. Until then they wait for it, silently. */
static void resume_targets(struct demo *d)
{
    if (d->resumes || !d->outcome.have_source || !all(d, has_result))
        return;
    d->resumes = true;
    for (unsigned i = TARGET; i < d->ends; i++) {
        d->children[i].heard_us = xf_now_us();
        order(&d->children[i], DEMO_RESUME);
    }
}

/* Takes all that an end has to say. */
static void listen_to(struct demo *d, unsigned which)
{
    struct child *c = &d->children[which];
    struct xf_demo_message m;
    ssize_t n = 0;

    while (c->fd >= 0 && (n = recv(c->fd, &m, sizeof(m), MSG_DONTWAIT)) == (ssize_t)sizeof(m)) {
        c->heard_us = xf_now_us();
        on_message(d, which, &m);
    }
    if (c->fd < 0)
        return;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        on_death(d, which);
}

static void check_silence(struct demo *d)
{
    uint64_t now = xf_now_us();
    uint64_t limit = xf_ends_patience_us(d->options.memory_bytes) + d->options.measure_s * 1000000;

    for (unsigned i = 0; i < d->ends; i++) {
        struct child *c = &d->children[i];
        bool waits = i == SOURCE ? d->outcome.have_source
                                 : is_dropped(d, i) ||
                                       (target_of(d, i)->have && (c->resumed || !d->resumes));

        if (!waits && now - c->heard_us > limit)
            fail_end(d, i, "the %s process has said nothing for %llu s", c->name,
                     (unsigned long long)((now - c->heard_us) / 1000000));
    }
}

static void talk(struct demo *d)
{
    while (!d->outcome.error[0] && !(d->outcome.have_source && all(d, has_resumed))) {
        struct pollfd pfd[ENDS_MAX];

        int sig = xf_ends_interrupted();

        if (sig) {
            give_up(d, "interrupted by signal %d (%s)", sig, strsignal(sig));
            return;
        }
        for (unsigned i = 0; i < d->ends; i++)
            pfd[i] = (struct pollfd){.fd = d->children[i].fd, .events = POLLIN};
        if (poll(pfd, d->ends, POLL_MS) > 0)
            for (unsigned i = 0; i < d->ends; i++)
                if (pfd[i].revents && !d->outcome.error[0])
                    listen_to(d, i);
        check_silence(d);
        resume_targets(d);
    }
    for (unsigned i = TARGET; i < d->ends && d->options.clones; i++)
        if (!is_dropped(d, i))
            return;
    if (d->options.clones && !d->outcome.error[0])
        give_up(d, "no clone is left: %s", target_of(d, TARGET)->dropped);
}

/*
 * The source first, and the targets only when it is gone: net_memif does not like both ends of a
 * connection to close at the same moment.
 */
static void quit_children(struct demo *d)
{
    for (unsigned i = 0; i < d->ends; i++) {
        struct child *c = &d->children[i];
        int status = 0;

        if (is_dropped(d, i))
            continue;
        order(c, DEMO_QUIT);
        if (!wait_for(c, xf_ends_patience_us(0), &status))
            give_up(d, "the %s process does not end", c->name);
        else if (!WIFEXITED(status) || WEXITSTATUS(status))
            give_up(d, "the %s process ended badly (%s %d)", c->name,
                    WIFSIGNALED(status) ? "signal" : "status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static bool events_on_stdout(const struct xf_demo_options *o)
{
    return o->events && !strcmp(o->events, "-");
}

static int open_events(struct demo *d)
{
    const struct xf_demo_options *o = &d->options;
    struct xf_events_start start = {
        .program = "demo",
        .guest = "simulated guest",
        .domid = -1,
        .max_downtime_us = o->max_downtime_us,
    };
    char memory[40];
    const char *path = o->events;
    int rc;

    if (!path && !o->report)
        return 0;
    if (!path) {
        /* Events that only the report wants leave nothing behind, however this ends. */
        int fd = memfd_create("xl-fast events", MFD_CLOEXEC);

        d->reported = fd < 0 ? NULL : fdopen(fd, "r");
        snprintf(memory, sizeof(memory), "/proc/self/fd/%d", fd);
        path = memory;
    }
    rc = xf_events_open(&d->events, path);
    if (!rc && o->report && !d->reported)
        d->reported = fopen(path, "re");
    if (!rc && o->report && !d->reported)
        rc = -errno;
    if (rc)
        fprintf(stderr, "xl-fast demo: %s: %s\n", path, strerror(-rc));
    else
        xf_events_start(&d->events, &start);
    return rc;
}

static int open_control(struct demo *d)
{
    const char *path = d->options.control;
    int rc = path ? xf_control_open(&d->control, path) : 0;

    if (rc)
        fprintf(stderr, "xl-fast demo: --control %s: %s\n", path, strerror(-rc));
    return rc;
}

int xf_cli_demo(int argc, char **argv)
{
    struct demo *d = calloc(1, sizeof(*d));
    int status, rc;

    if (!d) {
        fputs("xl-fast demo: no memory\n", stderr);
        return XF_EXIT_FAILED;
    }
    xf_events_init(&d->events);
    xf_control_init(&d->control);
    d->events.fixed_us = 0; /* there is no toolstack */
    status = xf_demo_options_parse(&xf_command_demo, &d->options, argc, argv);
    if (status != XF_GO_ON)
        goto out;
    status = XF_EXIT_FAILED;
    if (open_control(d) || open_events(d))
        goto out;
    d->outcome.options = &d->options;
    d->ends = TARGET + xf_demo_targets(&d->options);
    for (unsigned i = 0; i < d->ends; i++)
        d->children[i].fd = -1;
    strcpy(d->children[SOURCE].name, "source");
    strcpy(d->children[TARGET].name, "target");
    for (unsigned i = 0; i < d->options.clones; i++)
        snprintf(d->children[TARGET + i].name, sizeof(d->children[0].name), "clone %u", i + 1);
    xf_live_init(&d->line.live);
    d->line.pages_total = d->options.memory_bytes / XF_PAGE_BYTES;

    xf_ends_catch_signals();
    rc = xf_ends_dir_make(&d->dir, "xl-fast-demo");
    if (rc)
        give_up(d, "no directory for the memif's socket: %s", strerror(-rc));
    else if (!start_children(d))
        talk(d);
    if (!d->outcome.error[0])
        quit_children(d);
    for (unsigned i = 0; i < d->ends; i++)
        kill_child(&d->children[i]);
    if (d->dir.path[0])
        remove_sockets(d);

    xf_live_end(&d->line.live);
    xf_demo_report_events(&d->outcome, &d->events);
    if (d->options.json)
        xf_demo_report_json(&d->outcome);
    else if (!events_on_stdout(&d->options))
        xf_demo_report_table(&d->outcome);
    if (d->outcome.error[0])
        fprintf(stderr, "xl-fast demo: %s\n", d->outcome.error);
    if (d->outcome.stayed)
        status = XF_EXIT_STAYED;
    else if (!d->outcome.error[0] && xf_demo_verified(&d->outcome) &&
             !xf_demo_any_dropped(&d->outcome))
        status = XF_EXIT_OK;
    xf_events_exit(&d->events, status);
    if (d->reported && xf_story_make_page("xl-fast demo", d->reported, d->options.report))
        status = XF_EXIT_FAILED;

out:
    xf_control_close(&d->control);
    xf_events_close(&d->events);
    if (d->reported)
        fclose(d->reported);
    free(d);
    return status;
}

const struct xf_command xf_command_demo = {
    .name = "demo",
    .summary = "migrate a simulated guest between two processes, here and now",
    .about = "Migrates a simulated guest that is being written to between two processes of this "
             "machine,\n"
             "over DPDK's memif, and proves that both ends' memory is the same. Needs no Xen, NIC, "
             "root\n"
             "or hugepages.\n",
    .options = xf_demo_option_rows,
    .exits = 1u << XF_EXIT_STAYED,
    .run = xf_cli_demo,
};
