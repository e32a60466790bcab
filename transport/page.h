/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page: is it all zeros, and what is its hash? The first with the widest registers the CPU has,
 * chosen at run time. */
#ifndef XF_TRANSPORT_PAGE_H
#define XF_TRANSPORT_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"
#include "wire.h"

/* `page`: XF_PAGE_BYTES, aligned to 64. Its bytes may change meanwhile; the answer is then either.
 */
bool xf_page_is_zero(const void *page);

#define XF_PAGE_LINES (XF_PAGE_BYTES / 64u) /* of the cache */

/* Fetches the first lines of a page into the cache, if it is there (not NULL): the CPU fetches the
   others by itself once it sees them read in turn, but later. Always inline: GCC takes it for a
   function without effects and drops the call. */
__attribute__((always_inline)) static inline void xf_page_prefetch(const void *page, unsigned lines)
{
    if (!page)
        return;
    for (unsigned line = 0; line < lines; line++)
        __builtin_prefetch((const char *)page + 64 * line);
}

/* Copies a page into the guest's memory, past the caches: it is not read here again soon, and what
   was there need not be fetched first. `page` is aligned. */
void xf_page_write(void *page, const void *from);
/* Before another thread is told that pages are there: those that this one has written. */
void xf_page_written(void);

/* XXH3-128 of a page, low half first, little-endian: what both ends compare when asked to verify.
 */
void xf_page_hash(const void *page, uint64_t seed, uint8_t out[XF_HASH_BYTES]);

/* The seed is the session's, so that nobody can prepare two pages of one hash. */
uint64_t xf_page_hash_seed(const uint8_t session_id[16]);

#endif
