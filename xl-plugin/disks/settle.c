/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settle: names of volumes and of configurations, in an order that never leaves two to start. */
#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault_points.h"
#include "move_off.h"
#include "volume.h"

static int fail(char why[XF_MANIFEST_WHY_BYTES], const char *path)
{
    int rc = errno ? -errno : -EIO;

    snprintf(why, XF_MANIFEST_WHY_BYTES, "%s: %s", path, strerror(-rc));
    return rc;
}

static void path_aside(const struct xf_manifest *m, char path[XF_VOLUME_PATH_BYTES])
{
    snprintf(path, XF_VOLUME_PATH_BYTES, "%s" XF_MOVE_OFF_ASIDE, m->config);
}

static int put_config(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    char beside[XF_VOLUME_PATH_BYTES];
    size_t n = strlen(m->text);
    int rc = 0;

    if (!access(m->config, F_OK))
        return 0;
    snprintf(beside, sizeof(beside), "%s.xlfast-incoming", m->config);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return fail(why, beside);
    errno = 0;
    if (write(fd, m->text, n) != (ssize_t)n || fchmod(fd, m->config_mode) || fsync(fd) ||
        rename(beside, m->config))
        rc = fail(why, beside);
    close(fd);
    if (rc)
        unlink(beside);
    return rc ?: xf_volume_sync_folder(m->config) ? fail(why, m->config) : 0;
}

/* Of those that have the one name and not the other. */
static int rename_all(const struct xf_manifest *m, enum xf_volume_name from, enum xf_volume_name to,
                      char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = 0;

    for (unsigned i = 0; i < m->disks_n && !rc; i++)
        if (xf_volume_is_there(&m->disks[i], from))
            rc = xf_volume_rename(&m->disks[i], from, to, why);
    return rc;
}

int xf_settle_here(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = rename_all(m, XF_VOLUME_INCOMING, XF_VOLUME_OWN, why);

    for (unsigned i = 0; i < m->disks_n && !rc; i++)
        if (!xf_volume_is_there(&m->disks[i], XF_VOLUME_OWN)) {
            errno = ENOENT;
            rc = fail(why, m->disks[i].path);
        }
    rc = rc ?: XF_FAULT(off_target_named);
    return rc || !m->config[0] ? rc : put_config(m, why);
}

/* Whether the configuration that is there is the one that was to come. */
static bool config_is_ours(const struct xf_manifest *m)
{
    size_t n = strlen(m->text);
    int fd = open(m->config, O_RDONLY | O_CLOEXEC);
    char *there = fd < 0 ? NULL : malloc(n + 1);
    bool ours = there && read(fd, there, n + 1) == (ssize_t)n && !memcmp(there, m->text, n);

    free(there);
    if (fd >= 0)
        close(fd);
    return ours;
}

void xf_settle_back(const struct xf_manifest *m)
{
    char why[XF_MANIFEST_WHY_BYTES];

    /* First of all, for with it the guest could be started. */
    if (m->config[0] && config_is_ours(m) && unlink(m->config))
        return;
    if (m->config[0])
        xf_volume_sync_folder(m->config);
    rename_all(m, XF_VOLUME_OWN, XF_VOLUME_INCOMING, why);
}

int xf_settle_leaving(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    char aside[XF_VOLUME_PATH_BYTES];

    path_aside(m, aside);
    if (rename(m->config, aside))
        return fail(why, m->config);
    return xf_volume_sync_folder(aside) ? fail(why, aside) : 0;
}

int xf_settle_stays(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    char aside[XF_VOLUME_PATH_BYTES];

    path_aside(m, aside);
    if (!access(m->config, F_OK)) /* it was never put aside, or is back */
        return 0;
    if (renameat2(AT_FDCWD, aside, AT_FDCWD, m->config, RENAME_NOREPLACE))
        return fail(why, aside);
    return xf_volume_sync_folder(aside) ? fail(why, aside) : 0;
}

int xf_settle_left(const struct xf_manifest *m, bool remove, char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = rename_all(m, XF_VOLUME_OWN, XF_VOLUME_LEFT, why);

    for (unsigned i = 0; i < m->disks_n && !rc && remove; i++)
        rc = xf_volume_remove(&m->disks[i], XF_VOLUME_LEFT, why);
    return rc;
}

void xf_settle_forget_config(const struct xf_manifest *m)
{
    char aside[XF_VOLUME_PATH_BYTES];

    path_aside(m, aside);
    if (m->config[0])
        unlink(aside);
}
