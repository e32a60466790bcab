/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk: a block device or a regular file whose bytes are a disk, as disk_source.h reads and
 * disk_sink.h writes it, in pages of XF_PAGE_BYTES. Of the last page the bytes beyond its end
 * read as zeros and are never written.
 *
 * It is opened past the page cache (O_DIRECT) where that can be: a disk is read or written once,
 * and what others have in the cache stays there; of a block device, a guest's backend does not go
 * through the cache either. Buffers are aligned to a page then.
 *
 * Threads: any, once it is open. Errors: 0 or -errno, and a line for the user in err.
 */
#ifndef XF_DISK_DISK_H
#define XF_DISK_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define XF_DISK_SECTOR_BYTES 512u
#define XF_DISK_ERR_BYTES    256

struct xf_disk {
    int fd;
    bool device;    /* a block device, not a file */
    bool direct;    /* past the page cache */
    uint64_t bytes; /* of the disk */
    uint64_t pages; /* the last one may be partly beyond it */
};

enum xf_disk_use { XF_DISK_READ, XF_DISK_WRITE };

int xf_disk_open(struct xf_disk *disk, const char *path, enum xf_disk_use use,
                 char err[XF_DISK_ERR_BYTES]);
void xf_disk_close(struct xf_disk *disk);

/* All of these bytes, or an error; beyond the disk's end zeros are read. At page boundaries. */
int xf_disk_read(const struct xf_disk *disk, void *to, uint64_t bytes, uint64_t at);
/* What of it lies within the disk. */
int xf_disk_write(const struct xf_disk *disk, const void *from, uint64_t bytes, uint64_t at);

/* All that was written is on the medium. */
int xf_disk_sync(const struct xf_disk *disk);

/* Puts a line for the user in err, and returns rc. */
__attribute__((format(printf, 3, 4))) int xf_disk_fail(char err[XF_DISK_ERR_BYTES], int rc,
                                                       const char *format, ...);

#endif
