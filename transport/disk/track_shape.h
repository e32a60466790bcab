/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Track, shape: what its program in the kernel (track.bpf.c) and track.c share. */
#ifndef XF_DISK_TRACK_SHAPE_H
#define XF_DISK_TRACK_SHAPE_H

#include <linux/types.h>

/* The program's constants, set before it is loaded. Sectors are of 512 bytes. */
struct xf_track_shape {
    __u64 first, sectors; /* of the tracked part, on the device that events name */
    __u64 bits;           /* in a bitmap */
    __u32 device;         /* that events name, as the kernel numbers it */
    __u32 shift;          /* sectors a bit, as a power of two */
};

/* What it counts. */
struct xf_track_counts {
    __u64 pending[2]; /* writes that have begun and not ended, by generation */
    __u64 sectors;    /* written and discarded */
    __u64 lost;       /* writes whose place or end was not noted */
};

/* Words of a generation's map: the first is its number, its bitmap follows. */
#define XF_TRACK_WORDS_MAX (1u << 20)

#endif
