/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readers: finds other save helpers of a domain in /proc, and checks that its dirty log is still
 * on.
 */
#include "readers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A process's name as the kernel keeps it. One that lingers after the helper has another
   (linger.h). */
#define HELPER_COMM "libxl-save-help\n"

static ssize_t read_file(int proc, const char *pid, const char *name, char *to, size_t size)
{
    char path[64];
    int n = snprintf(path, sizeof(path), "%s/%s", pid, name);
    int fd = n < (int)sizeof(path) ? openat(proc, path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd < 0 ? -1 : read(fd, to, size - 1);

    if (fd >= 0)
        close(fd);
    to[got > 0 ? got : 0] = 0;
    return got;
}

/* libxl-save-helper --save-domain FD FD DOMID ... (run_helper() of libxl_save_callout.c). */
static bool saves(int proc, const char *pid, uint32_t domid)
{
    char comm[32], words[512];
    ssize_t bytes;
    size_t at = 0;

    if (read_file(proc, pid, "comm", comm, sizeof(comm)) <= 0 || strcmp(comm, HELPER_COMM))
        return false;
    bytes = read_file(proc, pid, "cmdline", words, sizeof(words));
    for (unsigned word = 0; bytes > 0 && at < (size_t)bytes; word++) {
        if (word == 1 && strcmp(words + at, "--save-domain"))
            return false;
        if (word == 4)
            return strtoul(words + at, NULL, 10) == domid;
        at += strlen(words + at) + 1;
    }
    return false;
}

pid_t xf_reader_find(const char *proc, uint32_t domid)
{
    DIR *all = opendir(proc);
    struct dirent *entry;
    pid_t found = 0;

    if (!all)
        return -errno;
    while (!found && (entry = readdir(all))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);

        if (end != entry->d_name && !*end && pid != getpid() &&
            saves(dirfd(all), entry->d_name, domid))
            found = (pid_t)pid;
    }
    closedir(all);
    return found;
}

/* Of the process: as what it keeps back. */
static bool log_left;

void xf_reader_leave_log(bool leave)
{
    log_left = leave;
}

bool xf_reader_log_is_left(void)
{
    return log_left;
}

int xf_reader_check_pv(xc_interface *xch, uint32_t domid, char why[256])
{
    pid_t other = xf_reader_find("/proc", domid);

    if (other < 0) {
        snprintf(why, 256, "cannot tell who else saves the guest: %s", strerror(-other));
        return other;
    }
    if (other) {
        xf_reader_leave_log(true);
        snprintf(why, 256,
                 "another save or migration of the guest has begun (process %d), and what it reads "
                 "of the dirty log is missing here",
                 (int)other);
        return -ESTALE;
    }
    /* To turn on what is on fails. */
    if (!xc_shadow_control(xch, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0)) {
        snprintf(why, 256,
                 "another save or migration of the guest has turned its dirty log off meanwhile");
        return -ESTALE;
    }
    return 0;
}
