/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Track, none: what stands for track.c where clang or libbpf were not there to build it (TRACK=0).
 */
#include "track.h"

#include <errno.h>
#include <stdio.h>

int xf_track_check(const char *device, uint64_t bytes, char err[XF_DISK_ERR_BYTES])
{
    (void)bytes;
    snprintf(err, XF_DISK_ERR_BYTES,
             "%s cannot be tracked: xl-fast was built without clang or libbpf", device);
    return -EOPNOTSUPP;
}

int xf_track_new(struct xf_track **out, const char *device, uint64_t bytes,
                 char err[XF_DISK_ERR_BYTES])
{
    *out = NULL;
    return xf_track_check(device, bytes, err);
}

void xf_track_free(struct xf_track *t)
{
    (void)t;
}

int xf_track_take(void *track, uint64_t *dirty, uint64_t *count)
{
    (void)track;
    (void)dirty;
    (void)count;
    return -EOPNOTSUPP;
}

bool xf_track_has_witness(const struct xf_track *t)
{
    (void)t;
    return false;
}

bool xf_track_agrees(const struct xf_track *t)
{
    (void)t;
    return false;
}
