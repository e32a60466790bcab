/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast a guest writes, measured (dirty_rate.h): "dirty=US PAGES" for each look. A file names
 * the guest while its log is on, and is locked: where this was killed, the file is left, and the
 * next measurement knows the log for one that it may turn off.
 */
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libxl_utils.h>
#include <xenctrl.h>

#include "xl-plugin/plugin/dirty_rate.h"
#include "xl-plugin/screen/moving.h"

/* Creates it, with its folder, and locks it. -EWOULDBLOCK: another has. */
static int open_record(const char *path, bool *was_left)
{
    char dir[256];
    struct stat st;
    int fd, rc = 0;

    snprintf(dir, sizeof(dir), "%s", path);
    if (mkdir(dirname(dir), 0700) && errno != EEXIST)
        return -errno;
    *was_left = !access(path, F_OK);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st))
        rc = -errno;
    else if (!st.st_nlink) /* whoever had it has removed it just now */
        rc = -EWOULDBLOCK;
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

/* What asks it to end. */
static int ears(void)
{
    sigset_t all;

    sigemptyset(&all);
    sigaddset(&all, SIGTERM);
    sigaddset(&all, SIGHUP);
    sigaddset(&all, SIGINT);
    sigprocmask(SIG_BLOCK, &all, NULL);
    return signalfd(-1, &all, SFD_CLOEXEC);
}

static int measure(struct xf_preflight *p, uint32_t domid, const char *path)
{
    struct xf_dirty_rate r = {
        .domid = domid, .duration_us = p->measure_s * UINT64_C(1000000), .stop = ears()};
    int record = open_record(path, &r.was_left), rc;

    if (record == -EWOULDBLOCK)
        return xf_refuse(p, "domain '%s' is being measured already", p->domain);
    if (record < 0)
        return xf_refuse(p, "%s: %s", path, strerror(-record));
    r.xch = xc_interface_open(NULL, NULL, 0);
    rc = r.xch ? xf_dirty_rate(&r) : -errno;
    if (!r.xch)
        rc = xf_refuse(p, "cannot reach Xen: %s", strerror(-rc));
    else if (rc)
        rc = xf_refuse(p, "domain '%s' cannot be measured: %s", p->domain, r.why);
    if (!r.log_on)
        unlink(path);
    close(record);
    if (r.xch)
        xc_interface_close(r.xch);
    for (unsigned i = 0; !rc && i < r.n; i++)
        printf("dirty=%" PRIu64 " %" PRIu64 "\n", r.samples[i].us, r.samples[i].pages);
    return rc;
}

int xf_check_measure(struct xf_preflight *p)
{
    char name[sizeof("measured-") + 36], path[256];
    libxl_dominfo info;
    uint32_t domid;
    int rc;

    if (libxl_domain_qualifier_to_domid(p->ctx, p->domain, &domid))
        return xf_refuse(p, "there is no domain '%s'", p->domain);
    libxl_dominfo_init(&info);
    if (libxl_domain_info(p->ctx, &info, domid) || !domid) {
        rc = xf_refuse(p, "domain '%s' cannot be measured", p->domain);
    } else {
        snprintf(name, sizeof(name), "measured-" LIBXL_UUID_FMT, LIBXL_UUID_BYTES(info.uuid));
        rc = xf_moving_path(path, sizeof(path), name);
        rc = rc ? xf_refuse(p, "XL_FAST_RUNDIR is too long") : measure(p, domid, path);
    }
    libxl_dominfo_dispose(&info);
    return rc;
}
