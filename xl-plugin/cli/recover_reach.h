/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs one of the programs that know Xen (xl-fast-domain, xl-fast-preflight), here or at the target
 * by ssh, and takes what it prints: no more than fits, and no longer than it may take. What is
 * printed on its stderr reaches the user as it is.
 */
#ifndef XF_CLI_RECOVER_REACH_H
#define XF_CLI_RECOVER_REACH_H

#include <stdbool.h>
#include <stddef.h>

/* As xl does it, but never with a question to somebody who may not be there. */
#define XF_REACH_SSH     "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
#define XF_REACH_LIMIT_S 60

struct xf_reach {
    char program[640]; /* at the same place at both ends */
    const char *ssh;   /* words of the user's shell, as in xl migrate -s; then HOST and a command */
    const char *host;
    unsigned limit_s;
};

/* Where that program of ours is: $XL_FAST_LIBDIR, beside this program (a build folder), or where
   `make install` puts it. -ENOENT; -EINVAL for a path that would not get through ssh's shell. */
int xf_reach_find(struct xf_reach *reach, const char *name);

/* A name, or USER@NAME, that neither ssh nor a shell takes for anything else. */
bool xf_reach_host_ok(const char *host);

/* Runs it there, or here, with the arguments up to a NULL. What it prints goes to out, with a 0
   after it. Returns its exit status (a signal counts as 128 and its number), or -ETIMEDOUT, -EFBIG,
   -errno; then it has been killed, and what it has begun at the target may go on. */
int xf_reach_run(const struct xf_reach *reach, bool there, const char *const *args, char *out,
                 size_t size);

#endif
