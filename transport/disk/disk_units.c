/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk units: each thread reads and hashes pieces of what is asked for, as they come. */
#include "disk_units.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "transport/guest.h"

#define THREADS     4u
#define UNIT_BYTES  (XF_DISK_UNIT_PAGES * XF_PAGE_BYTES)
#define PIECE_UNITS 256u /* read at once: 1 MiB */

_Static_assert(sizeof(XXH128_canonical_t) == XF_HASH_BYTES, "a hash");

struct work {
    const struct xf_disk *disk;
    uint64_t seed, first, n;
    uint8_t *hashes;
    _Atomic uint64_t next; /* of the pieces */
    _Atomic int rc;        /* the first error */
};

uint64_t xf_disk_units(const struct xf_disk *disk)
{
    return (disk->pages + XF_DISK_UNIT_PAGES - 1) / XF_DISK_UNIT_PAGES;
}

static int hash_piece(const struct work *w, uint8_t *data, uint64_t piece)
{
    const uint64_t from = piece * PIECE_UNITS,
                   n = w->n - from < PIECE_UNITS ? w->n - from : PIECE_UNITS;
    int rc = xf_disk_read(w->disk, data, n * UNIT_BYTES, (w->first + from) * UNIT_BYTES);

    for (uint64_t i = 0; i < n && !rc; i++)
        XXH128_canonicalFromHash(
            (XXH128_canonical_t *)(void *)(w->hashes + (from + i) * XF_HASH_BYTES),
            XXH3_128bits_withSeed(data + i * UNIT_BYTES, UNIT_BYTES, w->seed));
    return rc;
}

static void *hash_some(void *arg)
{
    const uint64_t pieces = (((struct work *)arg)->n + PIECE_UNITS - 1) / PIECE_UNITS;
    struct work *w = arg;
    uint8_t *data = aligned_alloc(XF_PAGE_BYTES, PIECE_UNITS * UNIT_BYTES);
    int rc = data ? 0 : -ENOMEM, none = 0;
    uint64_t piece;

    while (!rc && (piece = atomic_fetch_add(&w->next, 1)) < pieces)
        rc = hash_piece(w, data, piece);
    if (rc)
        atomic_compare_exchange_strong(&w->rc, &none, rc);
    free(data);
    return NULL;
}

int xf_disk_hash_units(const struct xf_disk *disk, uint64_t seed, uint64_t first, uint64_t n,
                       uint8_t *hashes)
{
    struct work w = {.disk = disk, .seed = seed, .first = first, .n = n, .hashes = hashes};
    pthread_t threads[THREADS - 1];
    unsigned begun = 0;

    while (begun < THREADS - 1 && !pthread_create(&threads[begun], NULL, hash_some, &w))
        begun++;
    hash_some(&w); /* whatever the others do */
    while (begun)
        pthread_join(threads[--begun], NULL);
    return w.rc;
}
