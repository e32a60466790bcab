/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volume: finds, makes, renames and removes files and logical volumes. */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "xl-plugin/recover/recover_reach.h"

#define fail xf_manifest_fail

#define TOOL_LIMIT_S   120
#define TOOL_OUT_BYTES 1024

static const char *const suffixes[] = {"", ".xlfast-incoming", ".xlfast-left"};

static int fail_errno(char why[XF_MANIFEST_WHY_BYTES], const char *path)
{
    int rc = -errno;

    return fail(why, rc, "%s: %s", path, strerror(-rc));
}

/* ---- lvm2's tools -------------------------------------------------------------------------- */

/* What it says, without blanks at both ends, if it ends well. */
static int run_tool(const char *const *argv, char out[TOOL_OUT_BYTES])
{
    struct xf_reach reach = {.limit_s = TOOL_LIMIT_S};

    /* Of what libxl has open they would warn. */
    setenv("LVM_SUPPRESS_FD_WARNINGS", "1", 1);
    snprintf(reach.program, sizeof(reach.program), "%s", argv[0]);
    int rc = xf_reach_run(&reach, false, argv + 1, out, TOOL_OUT_BYTES);
    size_t begin = strspn(out, " \t\n"), n = strlen(out + begin);

    memmove(out, out + begin, n + 1);
    while (n && strchr(" \t\n", out[n - 1]))
        out[--n] = 0;
    return rc;
}

#define TOOL(out, ...) run_tool((const char *const[]){__VA_ARGS__, NULL}, out)

/* Whole, or not at all. */
static bool take_word(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    if (n < size)
        memcpy(to, from, n + 1);
    return n < size;
}

#define TAKE(to, from) take_word(to, sizeof(to), from)

/* VG/LV/POOL of a device; false: it is no logical volume, or there is no lvm2. */
static bool ask_lvm(struct xf_manifest_disk *d)
{
    char out[TOOL_OUT_BYTES], *lv, *pool;

    if (access("/sbin/lvs", X_OK) ||
        TOOL(out, "lvs", "--noheadings", "--separator=/", "-ovg_name,lv_name,pool_lv", d->path))
        return false;
    lv = strchr(out, '/');
    pool = lv ? strchr(lv + 1, '/') : NULL;
    if (!pool)
        return false;
    *lv++ = 0;
    *pool++ = 0;
    return TAKE(d->vg, out) && TAKE(d->lv, lv) && TAKE(d->pool, pool);
}

/* Whether what a thin pool gives out reads as zeros. */
static bool pool_zeroes(const struct xf_manifest_disk *d)
{
    char out[TOOL_OUT_BYTES], pool[sizeof(d->vg) + sizeof(d->pool) + 1];

    snprintf(pool, sizeof(pool), "%s/%s", d->vg, d->pool);
    return !TOOL(out, "lvs", "--noheadings", "-ozero", pool) && !strcmp(out, "zero");
}

/* ---- names --------------------------------------------------------------------------------- */

void xf_volume_path(const struct xf_manifest_disk *d, enum xf_volume_name name,
                    char path[XF_VOLUME_PATH_BYTES])
{
    if (d->kind == XF_DISK_LV && name != XF_VOLUME_OWN)
        snprintf(path, XF_VOLUME_PATH_BYTES, "/dev/%s/%s%s", d->vg, d->lv, suffixes[name]);
    else
        snprintf(path, XF_VOLUME_PATH_BYTES, "%s%s", d->path,
                 d->kind == XF_DISK_FILE ? suffixes[name] : "");
}

int xf_volume_look(struct xf_manifest_disk *d, char why[XF_MANIFEST_WHY_BYTES])
{
    struct stat st;
    int fd = open(d->path, O_RDONLY | O_CLOEXEC), rc = 0;

    if (fd < 0 || fstat(fd, &st)) {
        rc = fail_errno(why, d->path);
        goto out;
    }
    d->bytes = (uint64_t)st.st_size;
    d->mode = st.st_mode & 0777;
    d->uid = st.st_uid;
    d->gid = st.st_gid;
    if (S_ISREG(st.st_mode))
        d->kind = XF_DISK_FILE;
    else if (!S_ISBLK(st.st_mode))
        rc = fail(why, -ENOTBLK, "%s is neither a block device nor a file", d->path);
    else if (ioctl(fd, BLKGETSIZE64, &d->bytes))
        rc = fail_errno(why, d->path);
    else
        d->kind = ask_lvm(d) ? XF_DISK_LV : XF_DISK_DEVICE;
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

bool xf_volume_is_there(const struct xf_manifest_disk *d, enum xf_volume_name name)
{
    char path[XF_VOLUME_PATH_BYTES];

    xf_volume_path(d, name, path);
    return !access(path, F_OK);
}

int xf_volume_sync_folder(const char *path)
{
    char copy[XF_VOLUME_PATH_BYTES];

    snprintf(copy, sizeof(copy), "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- making -------------------------------------------------------------------------------- */

/* Up to where another file system begins. */
static void find_mount(char path[XF_MANIFEST_PATH_BYTES])
{
    char up[XF_MANIFEST_PATH_BYTES];
    struct stat at, above;

    while (strcmp(path, "/") != 0) {
        snprintf(up, sizeof(up), "%s", path);
        char *slash = strrchr(up, '/');

        slash[slash == up] = 0;
        if (stat(path, &at) || stat(up, &above) || at.st_dev != above.st_dev)
            return;
        strcpy(path, up);
    }
}

static int place_of_file(const struct xf_manifest_disk *d, struct xf_volume_place *place,
                         char why[XF_MANIFEST_WHY_BYTES])
{
    char copy[XF_MANIFEST_PATH_BYTES], whole[PATH_MAX];
    struct statvfs fs;

    strcpy(copy, d->path);
    const char *folder = dirname(copy);
    if (statvfs(folder, &fs) || !realpath(folder, whole))
        return fail_errno(why, folder);
    if (!TAKE(place->name, whole))
        return fail(why, -ENAMETOOLONG, "%s: %s", folder, strerror(ENAMETOOLONG));
    find_mount(place->name);
    place->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return 0;
}

/* SIZE,PERCENT in use, as lvs prints them of a thin pool. */
static int place_in_pool(const struct xf_manifest_disk *d, struct xf_volume_place *place,
                         char why[XF_MANIFEST_WHY_BYTES])
{
    char out[TOOL_OUT_BYTES], *percent;

    place->thin = true;
    snprintf(place->name, sizeof(place->name), "%s/%s", d->vg, d->pool);
    if (TOOL(out, "lvs", "--noheadings", "--units=b", "--nosuffix", "--separator=,",
             "-olv_size,data_percent", place->name))
        return fail(why, -ENOENT, "disk %s: there is no thin pool %s", d->vdev, place->name);
    double size = strtod(out, &percent), used = *percent == ',' ? strtod(percent + 1, NULL) : 0;

    place->free_bytes = used < 100 ? (uint64_t)(size * (1 - used / 100)) : 0;
    return 0;
}

static int place_in_group(const struct xf_manifest_disk *d, struct xf_volume_place *place,
                          char why[XF_MANIFEST_WHY_BYTES])
{
    char out[TOOL_OUT_BYTES];

    snprintf(place->name, sizeof(place->name), "%s", d->vg);
    if (TOOL(out, "vgs", "--noheadings", "--units=b", "--nosuffix", "-ovg_free", d->vg))
        return fail(why, -ENOENT, "disk %s: there is no volume group %s", d->vdev, d->vg);
    place->free_bytes = strtoull(out, NULL, 10);
    return 0;
}

int xf_volume_place(const struct xf_manifest_disk *d, struct xf_volume_place *place,
                    char why[XF_MANIFEST_WHY_BYTES])
{
    *place = (struct xf_volume_place){0};
    return d->kind == XF_DISK_FILE ? place_of_file(d, place, why)
           : d->kind != XF_DISK_LV ? fail(why, -ENODEV, "disk %s: %s is not made", d->vdev, d->path)
           : d->pool[0]            ? place_in_pool(d, place, why)
                                   : place_in_group(d, place, why);
}

uint64_t xf_volume_taken(const struct xf_manifest_disk *d, enum xf_volume_name name)
{
    char path[XF_VOLUME_PATH_BYTES];
    struct stat st;

    xf_volume_path(d, name, path);
    if (stat(path, &st))
        return 0;
    return S_ISREG(st.st_mode) ? (uint64_t)st.st_blocks * 512 : d->bytes;
}

static int make_file(const struct xf_manifest_disk *d, const char *path,
                     char why[XF_MANIFEST_WHY_BYTES])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;

    if (fd < 0)
        return fail_errno(why, path);
    if (fchown(fd, d->uid, d->gid) || fchmod(fd, d->mode) || ftruncate(fd, (off_t)d->bytes) ||
        fsync(fd)) {
        rc = fail_errno(why, path);
        unlink(path);
    }
    close(fd);
    return rc ?: xf_volume_sync_folder(path);
}

static int make_lv(const struct xf_manifest_disk *d, enum xf_volume_name name,
                   char why[XF_MANIFEST_WHY_BYTES])
{
    char out[TOOL_OUT_BYTES], size[40], called[sizeof(d->lv) + 40], pool[sizeof(d->pool) + 16],
        path[XF_VOLUME_PATH_BYTES];
    struct xf_manifest_disk made = {.kind = XF_DISK_LV};

    snprintf(called, sizeof(called), "-n%s%s", d->lv, suffixes[name]);
    snprintf(size, sizeof(size), d->pool[0] ? "-V%llub" : "-L%llub", (unsigned long long)d->bytes);
    snprintf(pool, sizeof(pool), "--thinpool=%s", d->pool);
    int rc = d->pool[0] ? TOOL(out, "lvcreate", "-qqy", size, pool, called, d->vg)
                        : TOOL(out, "lvcreate", "-qqy", "-Wy", "-Zy", size, called, d->vg);
    if (rc)
        return fail(why, -EIO, "lvcreate cannot make %s/%s%s of %llu bytes (status %d)", d->vg,
                    d->lv, suffixes[name], (unsigned long long)d->bytes, rc);
    xf_volume_path(d, name, path);
    rc = TAKE(made.path, path) ? xf_volume_look(&made, why)
                               : fail(why, -ENAMETOOLONG, "%s: %s", path, strerror(ENAMETOOLONG));
    if (!rc && made.bytes != d->bytes)
        rc = fail(why, -EINVAL,
                  "%s: volume group %s can have %llu bytes, and the disk has %llu: its extents are "
                  "of another size than the source's",
                  made.path, d->vg, (unsigned long long)made.bytes, (unsigned long long)d->bytes);
    if (rc)
        TOOL(out, "lvremove", "-qqy", path);
    return rc;
}

int xf_volume_make(const struct xf_manifest_disk *d, enum xf_volume_name name, bool *zeros,
                   char why[XF_MANIFEST_WHY_BYTES])
{
    char path[XF_VOLUME_PATH_BYTES];
    int rc = 0;

    xf_volume_path(d, name, path);
    *zeros = d->kind == XF_DISK_FILE;
    if (d->kind == XF_DISK_FILE)
        return make_file(d, path, why);
    if (d->kind == XF_DISK_DEVICE)
        return fail(why, -ENOENT, "%s: a device like this is not made, it has to be there", path);
    rc = make_lv(d, name, why);
    *zeros = !rc && d->pool[0] && pool_zeroes(d);
    return rc;
}

int xf_volume_resize(const struct xf_manifest_disk *d, enum xf_volume_name name,
                     char why[XF_MANIFEST_WHY_BYTES])
{
    char path[XF_VOLUME_PATH_BYTES];

    xf_volume_path(d, name, path);
    return d->kind == XF_DISK_FILE && truncate(path, (off_t)d->bytes) ? fail_errno(why, path) : 0;
}

int xf_volume_rename(const struct xf_manifest_disk *d, enum xf_volume_name from,
                     enum xf_volume_name to, char why[XF_MANIFEST_WHY_BYTES])
{
    char old[XF_VOLUME_PATH_BYTES], new[XF_VOLUME_PATH_BYTES], name[sizeof(d->lv) + 40],
        out[TOOL_OUT_BYTES];

    if (d->kind == XF_DISK_DEVICE)
        return 0;
    xf_volume_path(d, from, old);
    xf_volume_path(d, to, new);
    if (d->kind == XF_DISK_FILE) {
        /* Nothing that is there is written over. */
        if (renameat2(AT_FDCWD, old, AT_FDCWD, new, RENAME_NOREPLACE))
            return fail(why, -errno, "%s cannot be renamed to %s: %s", old, new, strerror(errno));
        int rc = xf_volume_sync_folder(new);

        return rc ? fail(why, rc, "%s: %s", new, strerror(-rc)) : 0;
    }
    snprintf(name, sizeof(name), "%s%s", d->lv, suffixes[from]);
    snprintf(new, sizeof(new), "%s%s", d->lv, suffixes[to]);
    int rc = TOOL(out, "lvrename", "-qq", d->vg, name, new);

    return rc ? fail(why, -EIO, "lvrename cannot rename %s/%s to %s (status %d)", d->vg, name, new,
                     rc)
              : 0;
}

int xf_volume_remove(const struct xf_manifest_disk *d, enum xf_volume_name name,
                     char why[XF_MANIFEST_WHY_BYTES])
{
    char path[XF_VOLUME_PATH_BYTES], out[TOOL_OUT_BYTES];
    int rc;

    if (d->kind == XF_DISK_DEVICE || name == XF_VOLUME_OWN || !xf_volume_is_there(d, name))
        return 0;
    xf_volume_path(d, name, path);
    if (d->kind == XF_DISK_FILE)
        return unlink(path) ? fail_errno(why, path) : 0;
    rc = TOOL(out, "lvremove", "-qqy", path);
    return rc ? fail(why, -EIO, "lvremove cannot remove %s (status %d)", path, rc) : 0;
}

/* ---- what was written ---------------------------------------------------------------------- */

/* As the kernel counts: Documentation/block/stat.rst. */
static int sectors_changed(dev_t dev, uint64_t *stamp)
{
    unsigned long long written = 0, discarded = 0;
    char path[80];

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(dev), minor(dev));
    FILE *f = fopen(path, "re");
    int n = f ? fscanf(f, "%*u %*u %*u %*u %*u %*u %llu %*u %*u %*u %*u %*u %*u %llu", &written,
                       &discarded)
              : 0;

    if (f)
        fclose(f);
    *stamp = written + discarded;
    return n == 2 ? 0 : -EIO;
}

int xf_volume_stamp(const struct xf_manifest_disk *d, uint64_t *stamp,
                    char why[XF_MANIFEST_WHY_BYTES])
{
    struct stat st;
    int rc = 0;

    if (stat(d->path, &st))
        return fail_errno(why, d->path);
    if (S_ISBLK(st.st_mode))
        rc = sectors_changed(st.st_rdev, stamp);
    else
        *stamp = (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st.st_mtim.tv_nsec;
    return rc ? fail(why, rc, "%s: how much is written to it is not known", d->path) : 0;
}
