/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Linger: clones a process that shares the helper's memory and frees it after the helper's exit. */
#include "linger.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/clock.h"

#define STACK_BYTES 65536

struct mapping {
    void *base;
    size_t bytes;
};

/* Of the time, so much is left to others: the pause after a piece, in times of what it took. */
#define REST 3

static bool lingers;
static unsigned wait_s;
static pid_t helper;
static struct mapping *left;
static size_t left_count, left_room;

static void pause_us(uint64_t us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* In the second process. It shares the thread's errno as well: the helper waits while this makes
   calls that could fail, and then it waits for the helper's end. */
static int linger_main(void *arg)
{
    const sigset_t *all = arg;

    if (prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != helper)
        _exit(1);
    prctl(PR_SET_NAME, "xl-fast-linger");
    setpriority(PRIO_PROCESS, 0, 19);
    /* Who waits for the helper's end of a pipe must not wait for ours. The last one closed tells
       the helper that this process is there. */
    if (close_range(0, UINT_MAX, 0))
        _exit(1);
    while (getppid() == helper)
        sigwaitinfo(all, NULL);
    /* Piece by piece: in between, who has more to do gets the CPU. At the exit, a PV dom0's kernel
       would have Xen look through all of it in one hypercall. */
    pause_us((uint64_t)wait_s * 1000000);
    for (size_t i = 0; i < left_count; i++) {
        uint64_t before = xf_now_us();

        munmap(left[i].base, left[i].bytes);
        if (wait_s)
            pause_us((xf_now_us() - before) * REST);
    }
    _exit(0);
}

void xf_linger_start(void)
{
    static _Alignas(16) char stack[STACK_BYTES];
    static sigset_t all;
    sigset_t before;
    int there[2];
    char byte;

    if (lingers || pipe(there))
        return;
    helper = getpid();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(linger_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, &all);
    close(there[1]);
    /* It ends when that process has closed its files, or itself. */
    while (pid > 0 && read(there[0], &byte, 1) > 0)
        continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(there[0]);
    lingers = pid > 0 && !waitpid(pid, NULL, WNOHANG);
}

bool xf_lingers(void)
{
    return lingers;
}

void xf_linger_wait(unsigned seconds)
{
    wait_s = seconds;
}

void xf_linger_give_back(void)
{
    for (size_t i = 0; i < left_count; i++)
        munmap(left[i].base, left[i].bytes);
    left_count = 0;
}

bool xf_linger_unmap(void *base, size_t bytes)
{
    if (!lingers)
        return false;
    if (left_count == left_room) {
        size_t room = left_room ? left_room * 2 : 64;
        struct mapping *more = realloc(left, room * sizeof(*more));

        if (!more)
            return false;
        left = more;
        left_room = room;
    }
    left[left_count++] = (struct mapping){base, bytes};
    return true;
}
