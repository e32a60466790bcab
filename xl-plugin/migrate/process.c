/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Process: a signalfd, fork and exec, and a poll over a signalfd and a pidfd. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int cancelling[] = {SIGINT, SIGTERM, SIGHUP};

int xf_signals_begin(struct xf_signals *s)
{
    struct sigaction before;
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    for (unsigned i = 0; i < sizeof(cancelling) / sizeof(cancelling[0]); i++)
        if (!sigaction(cancelling[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaddset(&ours, cancelling[i]);
    sigprocmask(SIG_BLOCK, &ours, &s->before);
    s->pipe_before = signal(SIGPIPE, SIG_IGN);
    s->fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->fd < 0 ? -errno : 0;
}

int xf_signals_take(const struct xf_signals *s, bool *once)
{
    struct signalfd_siginfo info;

    if (read(s->fd, &info, sizeof(info)) != sizeof(info))
        return 0;
    *once = info.ssi_signo == SIGUSR1;
    return 128 + (*once ? SIGTERM : (int)info.ssi_signo);
}

bool xf_signals_wait(const struct xf_signals *s, int ms)
{
    struct pollfd in = {.fd = s->fd, .events = POLLIN};
    int n;

    do
        n = poll(&in, 1, ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

void xf_signals_end(const struct xf_signals *s)
{
    signal(SIGPIPE, s->pipe_before);
    signal(SIGQUIT, SIG_DFL);
    sigprocmask(SIG_SETMASK, &s->before, NULL);
}

/* In the child. */
static void take_files(const int files[3])
{
    int to[3];

    /* First above those that are about to be replaced. */
    for (int i = 0; i < 3; i++) {
        int fd = files[i] < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : files[i];

        to[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (to[i] < 0)
            _exit(126);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(to[i], i) < 0)
            _exit(126);
}

static void take_signals(const struct xf_signals *s, enum xf_process_ears ears)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    if (ears == XF_EARS_LATER) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, SIG_IGN);
    }
    sigprocmask(SIG_SETMASK, &s->before, NULL);
}

pid_t xf_process_start(const struct xf_signals *s, const struct xf_process *p)
{
    pid_t pid = fork();

    if (pid)
        return pid < 0 ? -errno : pid;
    take_files(p->files);
    take_signals(s, p->ears);
    for (const char *const *set = p->env; set && *set; set++)
        putenv((char *)*set);
    execvp(p->argv[0], (char *const *)p->argv);
    int status = errno == ENOENT ? 127 : 126;
    fprintf(stderr, "xl-fast: %s: %s\n", p->argv[0], strerror(errno));
    _exit(status);
}

pid_t xf_process_fork(const struct xf_signals *s, const int files[3], int (*run)(void *), void *arg)
{
    pid_t pid = fork();

    if (pid)
        return pid < 0 ? -errno : pid;
    take_files(files);
    closefrom(3); /* a lock would be held by it, too */
    take_signals(s, XF_EARS_USUAL);
    _exit(run(arg));
}

int xf_process_end(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int xf_process_wait(const struct xf_signals *s, pid_t pid, int *status)
{
    struct pollfd fds[] = {{.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN},
                           {.fd = s->fd, .events = POLLIN}};
    int ended = 1;

    /* Where there is no such file, its end alone is waited for. */
    while (fds[0].fd >= 0) {
        if (poll(fds, 2, -1) < 0)
            continue;
        ended = fds[0].revents != 0;
        break;
    }
    if (fds[0].fd >= 0)
        close(fds[0].fd);
    if (ended)
        *status = xf_process_end(pid);
    return ended;
}
