/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends: parses ports and contents, enters network namespaces, and watches over child processes. */
#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/number.h"

/* How long an end looks for packets in vain before it lets others have the processor. */
#define IDLE_STEPS_YIELD 64u
#define IDLE_STEPS_SLEEP 512u
#define IDLE_SLEEP_US    20u

#define LOOK_US 5000u

#define PATIENCE_US           (60 * UINT64_C(1000000))
#define PATIENCE_BYTES_PER_US 50u

const char *const xf_ends_fill_words[] = {[XF_FILL_RANDOM] = "random",
                                          [XF_FILL_ZERO] = "zero",
                                          [XF_FILL_MIXED] = "mixed",
                                          [XF_FILL_COMPRESSIBLE] = "compressible",
                                          NULL};

const char *xf_ends_fill_name(enum xf_simguest_fill fill)
{
    return xf_ends_fill_words[fill];
}

int xf_ends_fill_parse(const char *text, enum xf_simguest_fill *fill)
{
    for (unsigned i = 0; xf_ends_fill_words[i]; i++)
        if (!strcmp(text, xf_ends_fill_words[i])) {
            *fill = (enum xf_simguest_fill)i;
            return 0;
        }
    return -EINVAL;
}

int xf_ends_memory_parse(const char *text, uint64_t *bytes)
{
    int rc = xf_number_size(text, bytes);

    if (rc || *bytes < XF_PAGE_BYTES)
        return -EINVAL;
    *bytes = (*bytes + XF_PAGE_BYTES - 1) / XF_PAGE_BYTES * XF_PAGE_BYTES;
    return 0;
}

const char *xf_ends_take_memory(const char *text, void *bytes)
{
    return xf_ends_memory_parse(text, bytes) ? "a size of a 4K page at least: such as 64M or 64MiB"
                                             : NULL;
}

/* A port's own name may have a slash too, but only after a comma (a vdev's socket). */
int xf_ends_port_parse(const char *text, struct xf_ends_port *to)
{
    size_t n = strcspn(text, "/,");

    to->port = text;
    to->netns[0] = 0;
    if (text[n] == '/') {
        if (!n || n >= sizeof(to->netns))
            return -EINVAL;
        memcpy(to->netns, text, n);
        to->netns[n] = 0;
        to->port = text + n + 1;
    }
    return to->port[0] ? 0 : -EINVAL;
}

int xf_ends_enter_netns(const char *name)
{
    char path[NAME_MAX + 32];
    int fd, rc = 0;

    if (!name[0])
        return 0;
    snprintf(path, sizeof(path), "/run/netns/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET))
        rc = -errno;
    if (fd >= 0)
        close(fd);
    return rc;
}

bool xf_ends_is_time(uint64_t now_us, uint64_t *looked_us)
{
    if (now_us - *looked_us < LOOK_US)
        return false;
    *looked_us = now_us;
    return true;
}

void xf_ends_idle(unsigned *steps, bool was_idle)
{
    if (!was_idle) {
        *steps = 0;
        return;
    }
    if (++*steps >= IDLE_STEPS_SLEEP)
        usleep(IDLE_SLEEP_US);
    else if (*steps >= IDLE_STEPS_YIELD)
        sched_yield();
}

uint64_t xf_ends_patience_us(uint64_t memory_bytes)
{
    return PATIENCE_US + memory_bytes / PATIENCE_BYTES_PER_US;
}

/* ---- the parent --------------------------------------------------------------------------- */

int xf_ends_dir_make(struct xf_ends_dir *dir, const char *name)
{
    const char *tmp = getenv("TMPDIR");

    /* A socket's path holds 107 bytes. */
    if (!tmp || strlen(tmp) > 30)
        tmp = "/tmp";
    snprintf(dir->path, sizeof(dir->path), "%s/%s-XXXXXX", tmp, name);
    if (!mkdtemp(dir->path)) {
        int rc = -errno;

        dir->path[0] = 0;
        return rc;
    }
    snprintf(dir->socket, sizeof(dir->socket), "%s/memif", dir->path);
    return 0;
}

void xf_ends_dir_remove(struct xf_ends_dir *dir)
{
    if (!dir->path[0])
        return;
    unlink(dir->socket);
    rmdir(dir->path);
    dir->path[0] = 0;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    interrupted = sig;
}

void xf_ends_catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction sa = {.sa_handler = on_signal};

    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &sa, NULL);
}

int xf_ends_interrupted(void)
{
    return interrupted;
}

void xf_ends_be_child(pid_t parent, const char *name)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(XF_EXIT_FAILED);
    prctl(PR_SET_NAME, name);
    signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C goes to all; the parent sees to it */
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
}

bool xf_ends_wait(pid_t pid, uint64_t limit_us, int *status)
{
    uint64_t end = xf_now_us() + limit_us;
    pid_t rc;

    while ((rc = waitpid(pid, status, WNOHANG)) == 0 && xf_now_us() < end && !interrupted)
        usleep(1000);
    return rc != 0;
}
