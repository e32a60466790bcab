/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk copy: a session whose guest is a disk (disk_source.h, disk_sink.h), stepped by the calling
 * thread from its offer to its end. The offer is carried by the caller.
 *
 * Ownership: all stays the caller's. Errors: 0 or -errno, and a line for the user in err.
 */
#ifndef XF_DISK_DISK_COPY_H
#define XF_DISK_DISK_COPY_H

#include "disk_sink.h"
#include "disk_source.h"
#include "transport/base/compress_mode.h"
#include "transport/base/stats.h"
#include "transport/offer.h"
#include "transport/threads.h"

struct xf_disk_copy {
    struct xf_link *link;
    struct xf_threads threads;      /* of the lanes */
    uint64_t bandwidth_bytes_per_s; /* the source's; 0: no limit */
    enum xf_compress_mode compress; /* the source's */
    bool verify;                    /* both ends read their disk once more, and compare */
    /* The source's; may be NULL. */
    void (*progress)(void *arg, const struct xf_progress *progress);
    /* Asked now and then: 0: go on; else the copy ends with it, and the peer is told so. NULL:
       nobody is to be asked. */
    int (*look)(void *arg);
    /* The target's: all has landed and is on its medium. Once; it steps on, for the source may not
       have heard of it, until seen() says that it has. */
    void (*landed)(void *arg, const struct xf_stats *stats);
    bool (*seen)(void *arg);
    void *arg; /* of all four */
};

/* What was counted goes to *stats. */
int xf_disk_copy_send(const struct xf_disk_copy *c, struct xf_disk_source *disk,
                      const struct xf_offer *offer, struct xf_stats *stats,
                      char err[XF_DISK_ERR_BYTES]);

/* -ECONNABORTED: the source has given up; why, it says itself. */
int xf_disk_copy_receive(const struct xf_disk_copy *c, struct xf_disk_sink *disk,
                         const struct xf_offer *offer, char err[XF_DISK_ERR_BYTES]);

#endif
