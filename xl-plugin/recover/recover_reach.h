/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs one of the programs that know Xen (xl-fast-domain, xl-fast-preflight), here or at the target
 * by ssh, and takes what it prints: no more than fits, and no longer than it may take. What is
 * printed on its stderr reaches the user as it is.
 *
 * The other host's login shell is anybody's. It is told one command that bash, dash, fish, tcsh and
 * zsh take alike, and that begins its output with a line of ours:
 *
 *     exec sh -c 'echo xl-fast-answer; exec PROGRAM WORDS'           (WORDS: quote.h)
 *
 * What comes before that line is noise: whatever the shell, or sshd, prints on its own. xl migrate
 * would take it for the words of the target's xl and fail, so it is named. xl-plugin/migrate/xl
 * asks in the same way, and xl-plugin/migrate/gate.c lets through what has this form.
 */
#ifndef XF_RECOVER_RECOVER_REACH_H
#define XF_RECOVER_RECOVER_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As xl does it, but never with a question to somebody who may not be there. */
#define XF_REACH_SSH      "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
#define XF_REACH_LIMIT_S  60
#define XF_REACH_NO_LIMIT 0u

#define XF_REACH_BEGIN "exec sh -c 'echo xl-fast-answer; exec "
#define XF_REACH_END   "'"
#define XF_REACH_MARK  "xl-fast-answer\n"

#define XF_REACH_NOISE_BYTES 100
/* What is said of noise; its subject is the host. %s: the noise. */
#define XF_REACH_NOISY                                                                             \
    "its login shell prints '%s' before the answer, and xl migrate fails on that: what it reads "  \
    "at its start must print nothing"
/* Fixes it, there: a shell that reads nothing then. */
#define XF_REACH_FIX "chsh -s /bin/sh"

struct xf_reach {
    const char *input; /* its stdin's; NULL: none */
    char program[640]; /* at the same place at both ends */
    const char *ssh;   /* words of the user's shell, as in xl migrate -s; then HOST and a command */
    const char *host;
    unsigned limit_s; /* XF_REACH_NO_LIMIT: it may take as long as it takes */
    char
        *noise; /* NULL, or XF_REACH_NOISE_BYTES: its first line, to be shown; "": there was none */
    /* NULL, or a file: once that is readable, it is ended. Ctrl-C, which a terminal sends to what
       is run as well, is then the caller's to act on, and so are the signals that it has blocked.
     */
    const int *stop;
};

/* Where that program of ours is: $XL_FAST_LIBDIR, beside this program (a build folder), or where
   `make install` puts it. -ENOENT; -EINVAL for a path that would not get through ssh's shell. */
int xf_reach_find(struct xf_reach *reach, const char *name);

/* A name, or USER@NAME, that neither ssh nor a shell takes for anything else. */
bool xf_reach_host_ok(const char *host);

/* Runs it there, or here, with the arguments up to a NULL. What it prints goes to out, with a 0
   after it, and without noise. Returns its exit status (a signal counts as 128 and its number), or
   -EBADMSG for a command that ended well but has not begun with our line (of which 127 is the
   status of a program that is not there; without it, -ENOENT), or -ETIMEDOUT, -EFBIG, -ECANCELED
   (by stop), -errno; then it has been killed, and what it has begun at the target may go on. */
int xf_reach_run(const struct xf_reach *reach, bool there, const char *const *args, char *out,
                 size_t size);

/* Starts it there, and does not wait for its end: *fd is its stdin and stdout, which begins as said
   above. Returns ssh's process, or -errno. */
pid_t xf_reach_start(const struct xf_reach *reach, const char *const *args, int *fd);

#endif
