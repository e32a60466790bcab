/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains: asks libxl for all of them and their disks. */
#include "domains.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>

#define fail xf_manifest_fail

static bool is_same(const char *a, const char *b)
{
    struct stat one, two;

    if (!a || !b || stat(a, &one) || stat(b, &two))
        return false;
    return S_ISBLK(one.st_mode) ? S_ISBLK(two.st_mode) && one.st_rdev == two.st_rdev
                                : one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* Its name may have got an end by a migration. */
static bool is_named(const char *called, const char *name)
{
    size_t n = strlen(name);

    return called && !strncmp(called, name, n) &&
           (!called[n] || !strcmp(called + n, "--incoming") ||
            !strcmp(called + n, "--migratedaway"));
}

static int check_disks(libxl_ctx *ctx, uint32_t domid, const char *called,
                       const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    int n = 0, rc = 0;
    libxl_device_disk *disks = libxl_device_disk_list(ctx, domid, &n);

    for (int i = 0; i < n && !rc; i++)
        for (unsigned j = 0; j < m->disks_n && !rc; j++)
            if (is_same(disks[i].pdev_path, m->disks[j].path))
                rc = fail(why, -EEXIST, "disk %s: guest '%s' has %s", m->disks[j].vdev,
                          called ? called : "?", m->disks[j].path);
    libxl_device_disk_list_free(disks, n);
    return rc;
}

static int check_domain(libxl_ctx *ctx, const libxl_dominfo *info, const struct xf_manifest *m,
                        enum xf_domains_guest guest, char why[XF_MANIFEST_WHY_BYTES])
{
    char uuid[40], *called = libxl_domid_to_name(ctx, info->domid);
    int rc = 0;

    snprintf(uuid, sizeof(uuid), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(info->uuid));
    bool itself = is_named(called, m->name) || (m->uuid[0] && !strcasecmp(uuid, m->uuid));
    if (itself && guest == XF_DOMAINS_IS_OFF)
        rc = fail(why, -EEXIST, "guest '%s' is there, as domain %u: it has to be shut off", called,
                  info->domid);
    if (!itself)
        rc = check_disks(ctx, info->domid, called, m, why);
    free(called);
    return rc;
}

/* The host itself may use it, as for a file system. */
static int check_devices(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = 0;

    for (unsigned i = 0; i < m->disks_n && !rc; i++) {
        const struct xf_manifest_disk *d = &m->disks[i];
        int fd = d->kind == XF_DISK_FILE ? -1 : open(d->path, O_RDONLY | O_EXCL | O_CLOEXEC);

        if (fd >= 0)
            close(fd);
        else if (d->kind != XF_DISK_FILE && errno == EBUSY)
            rc = fail(why, -EEXIST, "disk %s: %s is in use by the host itself", d->vdev, d->path);
    }
    return rc;
}

int xf_domains_check(const struct xf_manifest *m, enum xf_domains_guest guest,
                     char why[XF_MANIFEST_WHY_BYTES])
{
    xentoollog_logger_stdiostream *logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    libxl_dominfo *all = NULL;
    libxl_ctx *ctx = NULL;
    int n = 0, rc = 0;

    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, (xentoollog_logger *)logger))
        rc = fail(why, -EIO, "cannot reach Xen: not running as root in dom0?");
    else if (!(all = libxl_list_domain(ctx, &n)))
        rc = fail(why, -EIO, "cannot list the domains");
    for (int i = 0; i < n && !rc; i++)
        rc = check_domain(ctx, &all[i], m, guest, why);
    if (all)
        libxl_dominfo_list_free(all, n);
    if (ctx)
        libxl_ctx_free(ctx);
    if (logger)
        xtl_logger_destroy((xentoollog_logger *)logger);
    return rc ?: check_devices(m, why);
}
