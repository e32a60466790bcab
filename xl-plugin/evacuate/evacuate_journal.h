/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `xl-fast evacuate` keeps in DIR (/run/xl-fast, or $XL_FAST_RUNDIR/xl-fast), so that it can
 * be killed at any moment and started again:
 *
 *   DIR/evacuate       while a guest is on its way: which, to which host, and the process that
 * moves it. It is there, and on the disk, before that begins, and until it is known where the guest
 * is. DIR/evacuate.lock  locked (flock) by the one that runs, with its process in it
 *
 * The journal is a few lines of text with a hash over them, replaced at once; one that is cut or
 * spoilt is told from none. Both are lost with the host's boot, as the domains are.
 */
#ifndef XF_EVACUATE_EVACUATE_JOURNAL_H
#define XF_EVACUATE_EVACUATE_JOURNAL_H

#include <sys/types.h>

#include "xl-plugin/recover/recover_look.h"

#define XF_JOURNAL_FILE "evacuate" /* in DIR: xf_moving_path() */

struct xf_journal {
    char guest[XF_NAME_SIZE]; /* its name, without control characters */
    char uuid[XF_UUID_SIZE];
    char host[XF_NAME_SIZE]; /* as the user gave it */
    pid_t pid;               /* of xl-fast migrate */
    uint64_t started;        /* when, by xf_moving_started() */
    uint32_t domid;          /* when it began; not written: 0 in what was read, not known */
};

/* As text, with a 0 after it. Returns its bytes, or -EINVAL for what could not be read back, or
   -ENAMETOOLONG. */
int xf_journal_print(const struct xf_journal *j, char *to, size_t size);

/* 0, or -EBADMSG. */
int xf_journal_parse(const char *text, size_t bytes, struct xf_journal *j);

/* 1: a guest was on its way; 0: none; -EBADMSG: one was, and which cannot be read; or -errno. */
int xf_journal_read(struct xf_journal *j);

/* When it returns 0 it is on the disk. Else -errno. */
int xf_journal_write(const struct xf_journal *j);

/* 0 or -errno. */
int xf_journal_remove(void);

/* For as long as this process lives, not for those that it starts. 0; -EBUSY, with the one that has
   it in holder (0: not known); or -errno. */
int xf_journal_lock(pid_t *holder);

#endif
