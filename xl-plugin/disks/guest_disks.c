/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest disks: the configuration by libxl, the backends' devices by xenstore. */
#include "guest_disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <xenstore.h>

#include "volume.h"

#define fail xf_manifest_fail

#define CONNECTED 4 /* xen/io/xenbus.h */
/* What is to be done about such a disk. */
#define STOPPED "; xl-fast move-off --shutdown moves it with a stop"

struct look {
    xentoollog_logger_stdiostream *logger;
    struct xs_handle *xs;
    libxl_ctx *ctx;
};

/* ---- xenstore ------------------------------------------------------------------------------ */

/* Of FOLDER/NODE; false: there is none, or it is longer. */
static bool read_node(struct xs_handle *xs, const char *folder, const char *node, char *to,
                      size_t size)
{
    char path[256], *text;
    unsigned n = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, node);
    text = xs_read(xs, XBT_NULL, path, &n);
    bool ok = text && n < size;

    if (ok)
        memcpy(to, text, n + 1);
    free(text);
    return ok;
}

/* As the kernel calls it: /sys/dev/block/7:0 leads to .../loop0. */
static bool name_device(unsigned major, unsigned minor, char device[XF_GUEST_DISK_BYTES])
{
    char path[64], to[512];

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major, minor);
    ssize_t n = readlink(path, to, sizeof(to) - 1);
    to[n > 0 ? n : 0] = 0;
    const char *name = strrchr(to, '/');

    return name && snprintf(device, XF_GUEST_DISK_BYTES, "/dev/%s", name + 1) < XF_GUEST_DISK_BYTES;
}

/* The backend in the kernel that has that disk: its device, and whether both ends are connected. */
static bool take_backend(struct xs_handle *xs, const char *folder, const char *vdev,
                         char device[XF_GUEST_DISK_BYTES], bool *connected)
{
    char dev[32], number[32], state[8];
    unsigned major, minor;

    if (!read_node(xs, folder, "dev", dev, sizeof(dev)) || strcmp(dev, vdev) != 0 ||
        !read_node(xs, folder, "physical-device", number, sizeof(number)) ||
        sscanf(number, "%x:%x", &major, &minor) != 2)
        return false;
    if (!name_device(major, minor, device))
        return false;
    *connected = read_node(xs, folder, "state", state, sizeof(state)) && atoi(state) == CONNECTED;
    return true;
}

static int find_device(struct xs_handle *xs, uint32_t domid, const char *vdev,
                       char device[XF_GUEST_DISK_BYTES], char why[XF_MANIFEST_WHY_BYTES])
{
    char base[64], folder[128];
    bool found = false, connected = false;
    unsigned n = 0;

    snprintf(base, sizeof(base), "/local/domain/0/backend/vbd/%u", domid);
    char **names = xs_directory(xs, XBT_NULL, base, &n);

    for (unsigned i = 0; names && i < n && !found; i++) {
        snprintf(folder, sizeof(folder), "%s/%s", base, names[i]);
        found = take_backend(xs, folder, vdev, device, &connected);
    }
    free(names);
    if (!found)
        return fail(why, -ENOTSUP, "disk %s: its backend is not in dom0's kernel" STOPPED, vdev);
    return connected ? 0
                     : fail(why, -ENOTSUP,
                            "disk %s: the guest does not use it by a driver of Xen" STOPPED, vdev);
}

/* ---- libxl --------------------------------------------------------------------------------- */

static bool is_others(const libxl_device_disk *disk)
{
    return (disk->script && disk->script[0]) || disk->backend_domid ||
           (disk->backend_domname && disk->backend_domname[0]);
}

static int add_disk(struct xf_manifest *m, const libxl_device_disk *from, struct xs_handle *xs,
                    uint32_t domid, char device[XF_GUEST_DISK_BYTES],
                    char why[XF_MANIFEST_WHY_BYTES])
{
    struct xf_manifest_disk *d = &m->disks[m->disks_n];

    *d = (struct xf_manifest_disk){0};
    snprintf(d->vdev, sizeof(d->vdev), "%s", from->vdev ? from->vdev : "");
    if (is_others(from))
        return fail(why, -ENOTSUP,
                    "disk %s is another domain's, or its script's, and not this host's: it cannot "
                    "be moved",
                    d->vdev);
    strcpy(d->path, from->pdev_path ? from->pdev_path : "");
    if (from->format != LIBXL_DISK_FORMAT_RAW)
        return fail(why, -ENOTSUP, "disk %s is not raw" STOPPED, d->vdev);
    int rc = xf_volume_look(d, why);

    if (!rc && d->kind == XF_DISK_DEVICE)
        rc = fail(why, -ENOTSUP,
                  "disk %s: %s is neither a file nor a logical volume; xl-fast move-off --shutdown "
                  "--overwrite moves it with a stop, onto one that is there",
                  d->vdev, d->path);
    return rc ?: find_device(xs, domid, d->vdev, device, why);
}

static void refuse_disk(struct xf_guest_refused *refused, const struct xf_manifest_disk *d,
                        const char *why)
{
    unsigned i = refused->n++;

    strcpy(refused->disks[i].vdev, d->vdev);
    strcpy(refused->disks[i].path, d->path);
    snprintf(refused->disks[i].why, sizeof(refused->disks[i].why), "%s", why);
}

/* An ISO image has to be there. */
static int add_one(struct xf_manifest *m, const libxl_device_disk *from, struct xs_handle *xs,
                   uint32_t domid, char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES],
                   struct xf_guest_refused *refused, char why[XF_MANIFEST_WHY_BYTES])
{
    const char *path = from->pdev_path ? from->pdev_path : "";

    if (from->is_cdrom)
        return path[0] ? xf_manifest_need(m, path, why) : 0;
    if (m->disks_n + (refused ? refused->n : 0) == XF_MANIFEST_DISKS_MAX ||
        strlen(path) >= sizeof(m->disks[0].path))
        return fail(why, -E2BIG, "it has too many disks");
    int rc = add_disk(m, from, xs, domid, devices[m->disks_n], why);

    if (rc && refused) {
        refuse_disk(refused, &m->disks[m->disks_n], why);
        return 0;
    }
    m->disks_n += !rc;
    return rc;
}

static void close_look(struct look *l)
{
    if (l->ctx)
        libxl_ctx_free(l->ctx);
    if (l->logger)
        xtl_logger_destroy((xentoollog_logger *)l->logger);
    if (l->xs)
        xs_close(l->xs);
}

static int open_look(struct look *l, char why[XF_MANIFEST_WHY_BYTES])
{
    l->logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    l->xs = xs_open(0);
    l->ctx = NULL;
    return !l->xs || !l->logger ||
                   libxl_ctx_alloc(&l->ctx, LIBXL_VERSION, 0, (xentoollog_logger *)l->logger)
               ? fail(why, -EIO, "cannot reach Xen: not running as root in dom0?")
               : 0;
}

static int find_domain(libxl_ctx *ctx, const char *uuid, uint32_t *domid,
                       char why[XF_MANIFEST_WHY_BYTES])
{
    int n = 0, rc = -ENOENT;
    libxl_dominfo *all = libxl_list_domain(ctx, &n);
    char text[40];

    for (int i = 0; i < n && rc; i++) {
        snprintf(text, sizeof(text), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(all[i].uuid));
        *domid = all[i].domid;
        rc = strcmp(text, uuid) ? -ENOENT : 0;
    }
    if (all)
        libxl_dominfo_list_free(all, n);
    return rc ? fail(why, rc, "there is no guest %s here", uuid) : 0;
}

static int read_config(struct xf_manifest *m, struct look *l, uint32_t domid,
                       char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES],
                       struct xf_guest_refused *refused, char why[XF_MANIFEST_WHY_BYTES])
{
    libxl_domain_config config;
    int rc = 0;

    libxl_domain_config_init(&config);
    if (libxl_retrieve_domain_configuration(l->ctx, domid, &config, NULL)) {
        rc = fail(why, -EIO, "libxl has no configuration of domain %u", domid);
    } else {
        snprintf(m->name, sizeof(m->name), "%s", config.c_info.name ? config.c_info.name : "");
        snprintf(m->uuid, sizeof(m->uuid), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(config.c_info.uuid));
    }
    for (int i = 0; i < config.num_disks && !rc; i++)
        rc = add_one(m, &config.disks[i], l->xs, domid, devices, refused, why);
    libxl_domain_config_dispose(&config);
    return rc;
}

int xf_guest_disks_read(struct xf_manifest *m,
                        char devices[XF_MANIFEST_DISKS_MAX][XF_GUEST_DISK_BYTES], const char *uuid,
                        uint32_t *domid, struct xf_guest_refused *refused,
                        char why[XF_MANIFEST_WHY_BYTES])
{
    struct look l;
    int rc = open_look(&l, why);

    memset(m, 0, sizeof(*m));
    if (refused)
        refused->n = 0;
    m->text = strdup("");
    if (!m->text)
        rc = fail(why, -ENOMEM, "%s", strerror(ENOMEM));
    rc = rc ?: find_domain(l.ctx, uuid, domid, why);
    rc = rc ?: read_config(m, &l, *domid, devices, refused, why);
    close_look(&l);
    return rc ?: xf_manifest_check(m, why);
}

int xf_guest_disks_find(const char *name, char uuid[40], char why[XF_MANIFEST_WHY_BYTES])
{
    struct look l;
    libxl_dominfo *all = NULL;
    int n = 0, rc = open_look(&l, why);
    bool found = false;

    if (!rc && !(all = libxl_list_domain(l.ctx, &n)))
        rc = fail(why, -EIO, "cannot list the domains");
    for (int i = 0; i < n && !rc && !found; i++) {
        char *called = libxl_domid_to_name(l.ctx, all[i].domid);

        found = called && !strcmp(called, name) && all[i].domid;
        free(called);
        snprintf(uuid, 40, LIBXL_UUID_FMT, LIBXL_UUID_BYTES(all[i].uuid));
    }
    if (all)
        libxl_dominfo_list_free(all, n);
    close_look(&l);
    return rc || found ? rc : fail(why, -ENOENT, "there is no guest %s here", name);
}

int xf_guest_disks_list(char (**uuids)[40], char why[XF_MANIFEST_WHY_BYTES])
{
    struct look l;
    libxl_dominfo *all = NULL;
    int n = 0, listed = 0, rc = open_look(&l, why);

    *uuids = NULL;
    if (!rc && !(all = libxl_list_domain(l.ctx, &n)))
        rc = fail(why, -EIO, "cannot list the domains");
    if (!rc && !(*uuids = calloc((size_t)n + 1, sizeof(**uuids))))
        rc = fail(why, -ENOMEM, "%s", strerror(ENOMEM));
    for (int i = 0; i < n && !rc; i++)
        if (all[i].domid)
            snprintf((*uuids)[listed++], sizeof(**uuids), LIBXL_UUID_FMT,
                     LIBXL_UUID_BYTES(all[i].uuid));
    if (all)
        libxl_dominfo_list_free(all, n);
    close_look(&l);
    return rc ?: listed;
}
