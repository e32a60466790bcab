/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk: what is opened, how large it is, whole reads and writes. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/guest.h"

int xf_disk_fail(char err[XF_DISK_ERR_BYTES], int rc, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(err, XF_DISK_ERR_BYTES, format, ap);
    va_end(ap);
    return rc;
}

/* What it is, and how large. */
static int look(struct xf_disk *disk, const char *path, char err[XF_DISK_ERR_BYTES])
{
    struct stat st;

    if (fstat(disk->fd, &st))
        return xf_disk_fail(err, -errno, "%s: %s", path, strerror(errno));
    disk->device = S_ISBLK(st.st_mode);
    if (disk->device && ioctl(disk->fd, BLKGETSIZE64, &disk->bytes))
        return xf_disk_fail(err, -errno, "%s: its size is not known: %s", path, strerror(errno));
    if (!disk->device && !S_ISREG(st.st_mode))
        return xf_disk_fail(err, -ENOTBLK, "%s is neither a block device nor a file", path);
    if (!disk->device)
        disk->bytes = (uint64_t)st.st_size;
    if (!disk->bytes)
        return xf_disk_fail(err, -EINVAL, "%s is empty", path);
    disk->pages = (disk->bytes + XF_PAGE_BYTES - 1) / XF_PAGE_BYTES;
    return 0;
}

int xf_disk_open(struct xf_disk *disk, const char *path, enum xf_disk_use use,
                 char err[XF_DISK_ERR_BYTES])
{
    const int flags = (use == XF_DISK_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC;

    *disk = (struct xf_disk){.fd = open(path, flags | O_DIRECT), .direct = true};
    if (disk->fd < 0 && errno == EINVAL) { /* a file system without it, as tmpfs */
        disk->direct = false;
        disk->fd = open(path, flags);
    }
    if (disk->fd < 0)
        return xf_disk_fail(err, -errno, "%s: %s", path, strerror(errno));
    int rc = look(disk, path, err), now = fcntl(disk->fd, F_GETFL);

    /* Past the cache, only whole sectors can be written. */
    if (!rc && disk->direct && disk->bytes % XF_DISK_SECTOR_BYTES) {
        disk->direct = false;
        if (now < 0 || fcntl(disk->fd, F_SETFL, now & ~O_DIRECT))
            rc = xf_disk_fail(err, -errno, "%s: %s", path, strerror(errno));
    }
    if (rc)
        xf_disk_close(disk);
    return rc;
}

void xf_disk_close(struct xf_disk *disk)
{
    if (disk->fd >= 0)
        close(disk->fd);
    disk->fd = -1;
}

/* Where to go on behind `done` bytes of `all`: where O_DIRECT can. */
static uint64_t whole_pages(uint64_t done, uint64_t all)
{
    return done < all ? done - done % XF_PAGE_BYTES : done;
}

int xf_disk_read(const struct xf_disk *disk, void *to, uint64_t bytes, uint64_t at)
{
    uint64_t done = 0, within = at < disk->bytes ? disk->bytes - at : 0;

    if (within > bytes)
        within = bytes;
    while (done < within) {
        /* Whole pages are asked for, as O_DIRECT wants it: the file ends where it ends. */
        ssize_t n = pread(disk->fd, (uint8_t *)to + done, bytes - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n) /* it has become shorter */
            return -EIO;
        done = whole_pages(done + (uint64_t)n, within);
    }
    if (within < bytes)
        memset((uint8_t *)to + within, 0, bytes - within);
    return 0;
}

int xf_disk_write(const struct xf_disk *disk, const void *from, uint64_t bytes, uint64_t at)
{
    uint64_t done = 0, within = at < disk->bytes ? disk->bytes - at : 0;

    if (within > bytes)
        within = bytes;
    while (done < within) {
        ssize_t n =
            pwrite(disk->fd, (const uint8_t *)from + done, within - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            return -EIO;
        done = whole_pages(done + (uint64_t)n, within);
    }
    return 0;
}

int xf_disk_sync(const struct xf_disk *disk)
{
    return fdatasync(disk->fd) ? -errno : 0;
}
