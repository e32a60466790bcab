/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk units: hashes of a disk, of XF_DISK_UNIT_PAGES pages each. Where the target has an older
 * copy of a disk, both ends make them, and what differs is all that is sent.
 *
 * Threads: one calls, and a few read side by side until it returns. Errors: 0 or -errno.
 */
#ifndef XF_DISK_DISK_UNITS_H
#define XF_DISK_DISK_UNITS_H

#include "disk.h"
#include "transport/wire.h"

/* Guests write here and there: of larger units, most of what is sent would be the same. */
#define XF_DISK_UNIT_PAGES  1u
#define XF_DISK_UNITS_BATCH 32768u /* of one call, at the most: 128 MiB of a disk */

uint64_t xf_disk_units(const struct xf_disk *disk);

/* XXH3-128, XF_HASH_BYTES a unit. seed: of this comparison, so that nobody can prepare two units of
   one hash. */
int xf_disk_hash_units(const struct xf_disk *disk, uint64_t seed, uint64_t first, uint64_t n,
                       uint8_t *hashes);

#endif
