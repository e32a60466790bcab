/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page: is it all zeros? With the widest registers the CPU has, chosen at run time. */
#ifndef XF_TRANSPORT_PAGE_H
#define XF_TRANSPORT_PAGE_H

#include <stdbool.h>

/* `page`: XF_PAGE_BYTES, aligned to 64. Its bytes may change meanwhile; the answer is then either.
 */
bool xf_page_is_zero(const void *page);

#endif
