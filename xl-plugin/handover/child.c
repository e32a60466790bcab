/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Child: starts xl between two pipes, copies between these and ssh's, and waits for its end. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xl-plugin/plugin/stream.h"
#include "xl-plugin/plugin/fault_points.h"

#define NOT_STARTED 127

__attribute__((noreturn)) static void become(char *const words[], const int in[2], const int out[2])
{
    signal(SIGPIPE, SIG_DFL);
    /* The copy of the reading end is what it inherits. */
    if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0 && dup(out[0]) >= 0)
        execvp(words[0], words);
    _exit(NOT_STARTED);
}

int xf_child_start(struct xf_child *c, char *const words[])
{
    int in[2], out[2];

    *c = (struct xf_child){.pid = -1, .process = -1, .in = -1, .out = -1};
    if (pipe2(in, O_CLOEXEC))
        return -errno;
    if (pipe2(out, O_CLOEXEC)) {
        int rc = -errno;

        close(in[0]);
        close(in[1]);
        return rc;
    }
    c->pid = fork();
    if (!c->pid)
        become(words, in, out);
    int rc = c->pid < 0 ? -errno : 0;

    close(in[0]);
    close(out[1]);
    c->in = in[1];
    c->out = out[0];
    fcntl(c->out, F_SETFL, O_NONBLOCK);
    if (!rc) {
        c->process = (int)syscall(SYS_pidfd_open, c->pid, 0);
        rc = c->process < 0 ? -errno : 0;
    }
    return rc;
}

bool xf_child_ended(const struct xf_child *c)
{
    struct pollfd pfd = {.fd = c->process, .events = POLLIN};

    return c->process < 0 || (poll(&pfd, 1, 0) > 0 && pfd.revents);
}

ssize_t xf_child_hear(const struct xf_child *c, void *to, size_t size)
{
    ssize_t n;

    do
        n = read(c->out, to, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void end_stdin(struct xf_child *c)
{
    if (c->in >= 0)
        close(c->in);
    c->in = -1;
}

static int wait_for(struct xf_child *c)
{
    int status = 0;

    end_stdin(c);
    while (c->pid > 0 && waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (c->process >= 0)
        close(c->process);
    if (c->out >= 0)
        close(c->out);
    c->process = c->out = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* False: it will say no more. */
static bool pass_on(struct xf_child *c, int *to)
{
    uint8_t bytes[4096];
    ssize_t n;

    while ((n = xf_child_hear(c, bytes, sizeof(bytes))) > 0)
        if (*to >= 0 && xf_stream_write(*to, bytes, (size_t)n))
            *to = -1;
    return n == -EAGAIN;
}

static void take_in(struct xf_child *c, int from)
{
    uint8_t bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0 || XF_FAULT(pump_go) || xf_stream_write(c->in, bytes, (size_t)n))
        end_stdin(c);
}

int xf_child_copy(struct xf_child *c, int from, int to)
{
    bool more = c->out >= 0;

    while (c->process >= 0) {
        struct pollfd fds[] = {{.fd = c->process, .events = POLLIN},
                               {.fd = more ? c->out : -1, .events = POLLIN},
                               {.fd = c->in >= 0 ? from : -1, .events = POLLIN}};

        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            more = pass_on(c, &to);
        if (fds[2].revents)
            take_in(c, from);
        /* What it has started may have its stdout still, and is not waited for. */
        if (fds[0].revents) {
            pass_on(c, &to);
            break;
        }
    }
    return wait_for(c);
}

int xf_child_give_up(struct xf_child *c)
{
    end_stdin(c);
    return xf_child_copy(c, -1, -1);
}
