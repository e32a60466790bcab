/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page: zero test and hash. The test leaves at the first 128 bytes that are not zero, as most
 * pages' are. */
#include "page.h"

#include <emmintrin.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

#include "guest.h"

#define STEP_WORDS 16

/*
 * GCC and clang clone this for AVX2 and pick by CPUID when the program is loaded: a lab's or an old
 * machine's CPU without AVX runs the SSE2 clone. (ThreadSanitizer cannot run such resolvers.)
 */
#if !defined(__SANITIZE_THREAD__) && !defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
bool xf_page_is_zero(const void *page)
{
    const uint64_t *w = page;

    for (unsigned i = 0; i < XF_PAGE_BYTES / sizeof(*w); i += STEP_WORDS) {
        uint64_t any = 0;

        for (unsigned j = 0; j < STEP_WORDS; j++)
            any |= w[i + j];
        if (any)
            return false;
    }
    return true;
}

void xf_page_write(void *page, const void *from)
{
    __m128i *to = page;

    for (unsigned i = 0; i < XF_PAGE_BYTES / sizeof(*to); i++)
        _mm_stream_si128(to + i, _mm_loadu_si128((const __m128i *)from + i));
}

void xf_page_written(void)
{
    _mm_sfence();
}

void xf_page_hash(const void *page, uint64_t seed, uint8_t out[XF_HASH_BYTES])
{
    XXH128_hash_t h = XXH3_128bits_withSeed(page, XF_PAGE_BYTES, seed);

    memcpy(out, &h.low64, 8);
    memcpy(out + 8, &h.high64, 8);
}

uint64_t xf_page_hash_seed(const uint8_t session_id[16])
{
    uint64_t seed;

    memcpy(&seed, session_id + 8, sizeof(seed));
    return seed;
}
