/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recover, reach: runs a program here or by ssh on the target, with limits of time and output. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "xl-plugin/cli/quote.h"
#include "recover_reach.h"

#define ARGS_MAX 8

int xf_reach_find(struct xf_reach *reach, const char *name)
{
    static const char *const places[] = {"", "/../lib/xl-fast"};
    const char *lib = getenv("XL_FAST_LIBDIR");
    char dir[512], *whole = NULL;
    ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

    dir[n > 0 ? n : 0] = 0;
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = 0;
    reach->program[0] = 0;
    if (lib && *lib) {
        snprintf(reach->program, sizeof(reach->program), "%s/%s", lib, name);
    } else {
        for (unsigned i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
            snprintf(reach->program, sizeof(reach->program), "%s%s/%s", dir, places[i], name);
            if (!access(reach->program, X_OK))
                break;
        }
    }
    if (access(reach->program, X_OK))
        return -ENOENT;
    /* The way it is called at the other end, too. */
    whole = realpath(reach->program, NULL);
    if (!whole || strlen(whole) >= sizeof(reach->program)) {
        free(whole);
        return -ENOENT;
    }
    strcpy(reach->program, whole);
    free(whole);
    return strspn(reach->program, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._/+-") == strlen(reach->program)
               ? 0
               : -EINVAL;
}

bool xf_reach_host_ok(const char *host)
{
    return host[0] && host[0] != '-' &&
           strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@%-") ==
               strlen(host);
}

/* The command for the shell at the other end. */
static char *command_for(const struct xf_reach *reach, const char *const *args)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    fprintf(f, XF_REACH_BEGIN "%s", reach->program);
    for (; *args; args++) {
        putc(' ', f);
        xf_quote_remote(f, *args);
    }
    fputs(XF_REACH_END, f);
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}

/* The first line of what is not ours. */
static void take_noise(const char *from, const char *until, char noise[XF_REACH_NOISE_BYTES])
{
    size_t n = 0;

    while (from < until && strchr(" \t\r\n", *from)) /* and 0 */
        from++;
    for (unsigned bytes; from < until && *from != '\n'; from += bytes) {
        unsigned shown = xf_quote_utf8(from);

        bytes = shown ? shown : 1;
        if (n + bytes + 1 > XF_REACH_NOISE_BYTES)
            break;
        memcpy(noise + n, shown ? from : "?", bytes);
        n += bytes;
    }
    noise[n] = 0;
    if (!n)
        strcpy(noise, "?"); /* blank lines */
}

/* Takes out what comes before our line. Returns whether that line is there. */
static bool take_mark(const struct xf_reach *reach, char *out, size_t bytes)
{
    char *mark = memmem(out, bytes, XF_REACH_MARK, sizeof(XF_REACH_MARK) - 1);
    char *until = mark ? mark : out + bytes;

    if (reach->noise && until > out)
        take_noise(out, until, reach->noise);
    if (!mark)
        return false;
    mark += sizeof(XF_REACH_MARK) - 1;
    memmove(out, mark, (size_t)(out + bytes - mark));
    out[out + bytes - mark] = 0;
    return true;
}

/* Of a file without a name: however much it is, nobody has to be there to write it. */
static int open_input(const char *input)
{
    size_t n = strlen(input);
    int fd = memfd_create("input", MFD_CLOEXEC);

    return fd >= 0 && write(fd, input, n) == (ssize_t)n && !lseek(fd, 0, SEEK_SET) ? fd : -1;
}

static void run_child(char *const *argv, const struct xf_reach *reach, int out)
{
    int in = reach->input ? open_input(reach->input) : open("/dev/null", O_RDONLY);
    sigset_t none;

    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
        _exit(126);
    if (reach->stop) {
        signal(SIGINT, SIG_IGN);
        signal(SIGPIPE, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
    }
    execvp(argv[0], argv);
    fprintf(stderr, "xl-fast: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int left_ms(const struct timespec *end)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    long long ms = (end->tv_sec - now.tv_sec) * 1000LL + (end->tv_nsec - now.tv_nsec) / 1000000;
    return ms < 0 ? 0 : (int)ms;
}

/* Until its output ends, which is when it does. *bytes: how much came, also after a failure. */
static int take_output(int fd, const struct xf_reach *reach, char *out, size_t size, size_t *bytes)
{
    struct pollfd in[] = {{.fd = fd, .events = POLLIN},
                          {.fd = reach->stop ? *reach->stop : -1, .events = POLLIN}};
    unsigned limit_s = reach->limit_s;
    struct timespec end;
    size_t n = 0;
    ssize_t got;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += limit_s;
    for (;;) {
        int ready = poll(in, 2, limit_s == XF_REACH_NO_LIMIT ? -1 : left_ms(&end));

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready ? -errno : -ETIMEDOUT;
        if (in[1].revents)
            return -ECANCELED;
        got = read(fd, out + n, size - 1 - n);
        if (got < 0)
            return -errno;
        if (!got)
            return 0;
        *bytes = n += (size_t)got;
        out[n] = 0;
        if (n == size - 1)
            return -EFBIG;
    }
}

/* ssh's, as words of sh: SSH HOST COMMAND. *command and *script are to be freed, also after an
   error. */
static int words_by_ssh(const struct xf_reach *reach, const char *const *args, char **command,
                        char **script, const char *argv[ARGS_MAX + 2])
{
    *command = command_for(reach, args);
    if (!*command || asprintf(script, "exec %s \"$@\"", reach->ssh) < 0) {
        *script = NULL;
        return -ENOMEM;
    }
    const char *by_ssh[] = {"sh", "-c", *script, "sh", reach->host, *command, NULL};

    memcpy(argv, by_ssh, sizeof(by_ssh));
    return 0;
}

pid_t xf_reach_start(const struct xf_reach *reach, const char *const *args, int *fd)
{
    const char *argv[ARGS_MAX + 2];
    char *command = NULL, *script = NULL;
    int ends[2] = {-1, -1}, rc = words_by_ssh(reach, args, &command, &script, argv);
    pid_t pid = -1;

    if (!rc && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        rc = -errno;
    pid = rc ? -1 : fork();
    if (!pid) {
        signal(SIGINT, SIG_IGN); /* a terminal sends it to all; it is the caller's to act on */
        if (dup2(ends[1], 0) < 0 || dup2(ends[1], 1) < 0)
            _exit(126);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (!rc && pid < 0)
        rc = -errno;
    if (ends[1] >= 0)
        close(ends[1]);
    if (rc && ends[0] >= 0)
        close(ends[0]);
    *fd = rc ? -1 : ends[0];
    free(command);
    free(script);
    return rc ? rc : pid;
}

int xf_reach_run(const struct xf_reach *reach, bool there, const char *const *args, char *out,
                 size_t size)
{
    const char *argv[ARGS_MAX + 2] = {reach->program};
    char *command = NULL, *script = NULL;
    int fds[2] = {-1, -1}, status = 0, rc = -ENOMEM;
    pid_t pid = -1;
    size_t bytes = 0;
    bool marked;

    out[0] = 0;
    if (reach->noise)
        reach->noise[0] = 0;
    if (there) {
        if (words_by_ssh(reach, args, &command, &script, argv))
            goto out;
    } else {
        for (unsigned i = 0; i < ARGS_MAX && args[i]; i++)
            argv[i + 1] = args[i];
    }
    if (pipe2(fds, O_CLOEXEC)) {
        rc = -errno;
        goto out;
    }
    pid = fork();
    if (!pid)
        run_child((char *const *)argv, reach, fds[1]);
    rc = pid < 0 ? -errno : 0;
    close(fds[1]);
    fds[1] = -1;
    rc = rc ?: take_output(fds[0], reach, out, size, &bytes);
    /* ssh ends what it has started only if it is asked to; whoever cancels does not wait for it. */
    if (rc && pid > 0)
        kill(pid, rc == -ECANCELED ? SIGTERM : SIGKILL);
    if (pid > 0 && rc != -ECANCELED && waitpid(pid, &status, 0) < 0)
        rc = rc ?: -errno;
    if (!rc)
        rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    marked = !there || take_mark(reach, out, bytes);
    if (!marked)
        out[0] = 0;                        /* all of it is noise */
    if (!marked && (rc == 0 || rc == 127)) /* 127: there is no such ssh, or no sh there */
        rc = rc ? -ENOENT : -EBADMSG;
out:
    if (fds[0] >= 0)
        close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
    free(command);
    free(script);
    return rc;
}
