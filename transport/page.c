/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page: zero test. Leaves at the first 128 bytes that are not zero, as most pages' are. */
#include "page.h"

#include <stdint.h>
#include <string.h>

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
