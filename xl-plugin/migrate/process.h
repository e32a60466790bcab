/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Process: the signals that cancel a migration, as a file to poll, and the processes that it runs.
 *
 * From xf_signals_begin() on, the signals wait until they are asked for: none of them interrupts
 * anything, and none is lost between a look and a wait. What is started gets them as it would have
 * without us, but for SIGINT: a terminal sends that to all of its processes, and it is ours to act
 * on. One thread.
 */
#ifndef XF_MIGRATE_PROCESS_H
#define XF_MIGRATE_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct xf_signals {
    int fd;          /* readable: one is there */
    sigset_t before; /* the mask as it was */
    void (*pipe_before)(int);
};

/* SIGINT, SIGTERM and SIGHUP, those that were not ignored, and SIGUSR1 (xl-fast cancel). SIGPIPE is
   ignored. 0 or -errno. */
int xf_signals_begin(struct xf_signals *s);

/* Of the next signal that is there the exit status that it asks for, *once whether it is that of
   xl-fast cancel; 0: there is none. */
int xf_signals_take(const struct xf_signals *s, bool *once);

/* Whether one is there, which stays. */
bool xf_signals_wait(const struct xf_signals *s, int ms);

/* For exec: as if there had been no xf_signals_begin(). */
void xf_signals_end(const struct xf_signals *s);

enum xf_process_ears {
    XF_EARS_USUAL, /* all signals but SIGINT */
    XF_EARS_LATER, /* nor SIGUSR1 and SIGUSR2, until it has handlers of them */
};

struct xf_process {
    const char *const *argv; /* argv[0] by PATH, unless it has a slash */
    const char *const *env;  /* NAME=VALUE added to ours, up to a NULL; NULL: none */
    int files[3];            /* its stdin, stdout, stderr; -1: /dev/null */
    enum xf_process_ears ears;
};

/* Its number, or -errno. */
pid_t xf_process_start(const struct xf_signals *s, const struct xf_process *p);

/* The same of a function: it gets no file but files, and ends with what the function returns. */
pid_t xf_process_fork(const struct xf_signals *s, const int files[3], int (*run)(void *),
                      void *arg);

/* Waits until it has ended, or a signal is there. 1: ended, *status as a shell has it (128 and the
   number of a signal); 0: a signal is there. */
int xf_process_wait(const struct xf_signals *s, pid_t pid, int *status);

/* Waits for its end alone. */
int xf_process_end(pid_t pid);

#endif
