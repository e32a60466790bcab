/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Flip: damage to a guest at the target, from outside of what is tested, so that no build of
 * xl-fast needs a way to damage guests. Preloaded into the save helper, it turns one bit of the
 * page that is the XF_FLIP-th to be compared, in the guest's own memory and just before the
 * comparison:
 *
 *   HVM, PVH: libxlfast.so hashes the mapped page with libxxhash's XXH3_128bits_withSeed()
 *   PV:       Xen's restore compares it with memcmp()
 *
 * and says so on stderr, with the page's number where the mapping tells it ("flip: page 0x2bc").
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenforeignmemory.h>
#include <xxhash.h>

enum { PAGE_BYTES = 4096, MAPPINGS = 4096 };

static struct {
    uint8_t *base;
    size_t pages;
    xen_pfn_t first; /* of a chunk, whose frames are in a row */
} mappings[MAPPINGS];
static unsigned mapping_next;

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom, int prot, size_t pages,
                           const xen_pfn_t arr[], int err[])
{
    void *(*next)(xenforeignmemory_handle *, uint32_t, int, size_t, const xen_pfn_t *, int *) =
        (__typeof__(next))dlsym(RTLD_NEXT, "xenforeignmemory_map");
    uint8_t *base = next(fmem, dom, prot, pages, arr, err);

    mappings[mapping_next % MAPPINGS].base = base;
    mappings[mapping_next % MAPPINGS].pages = pages;
    mappings[mapping_next++ % MAPPINGS].first = arr[0];
    return base;
}

static void flip(const void *page, bool numbered)
{
    static unsigned long seen;
    const char *nth = getenv("XF_FLIP");

    if (!nth || ++seen != strtoul(nth, NULL, 0))
        return;
    ((uint8_t *)(uintptr_t)page)[1234] ^= 4;
    for (unsigned i = 0; i < MAPPINGS && numbered; i++) {
        size_t at = (size_t)((uintptr_t)page - (uintptr_t)mappings[i].base);

        if (mappings[i].base && at < mappings[i].pages * PAGE_BYTES) {
            fprintf(stderr, "flip: page %#lx\n", mappings[i].first + at / PAGE_BYTES);
            return;
        }
    }
    fprintf(stderr, "flip: a page\n");
}

XXH128_hash_t XXH3_128bits_withSeed(const void *data, size_t len, XXH64_hash_t seed)
{
    XXH128_hash_t (*next)(const void *, size_t, XXH64_hash_t) =
        (__typeof__(next))dlsym(RTLD_NEXT, "XXH3_128bits_withSeed");

    if (len == PAGE_BYTES)
        flip(data, true);
    return next(data, len, seed);
}

int memcmp(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;

    if (n == PAGE_BYTES)
        flip(a, false);
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}
