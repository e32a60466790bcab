/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unsteady: the pages of a suspended guest that others may still write, so that comparing them says
 * nothing: dom0's daemons drain the console's and xenstore's rings, Xen and the device model have
 * the ioreq pages; and what the guest lets backends write to (granted.h; an HVM or PVH guest's not
 * here). What is known by a page's content alone is in event_words.h. What the target starts with
 * there is none of the source's business: Xen's own restore clears most of them.
 */
#ifndef XF_PLUGIN_UNSTEADY_H
#define XF_PLUGIN_UNSTEADY_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

/* Those few, and what a PV guest grants: of each disk up to a thousand, of each queue of a card
 * 256. */
#define XF_UNSTEADY_MAX 8192u

/* Of a PV guest alone: what a daemon had begun when the guest stopped is done after so long, and
   verified pages are read later. Of an HVM or PVH guest the device model stands when libxl says
   that the guest does, and what others may still write to is left out, however long it takes. */
#define XF_UNSTEADY_SETTLE_US 200000u

/* An HVM or PVH guest's gfns; a PV guest's pfns, once it is suspended, in ascending order. How
   many, or -errno; -E2BIG: more than XF_UNSTEADY_MAX. */
int xf_unsteady_hvm(xc_interface *xch, uint32_t domid, uint64_t pages[XF_UNSTEADY_MAX]);
int xf_unsteady_pv(xc_interface *xch, uint32_t domid, uint64_t pages[XF_UNSTEADY_MAX]);

/* Sorts pages; whether a page is among sorted ones. */
void xf_unsteady_sort(uint64_t *pages, unsigned n);
bool xf_unsteady_has(const uint64_t *pages, unsigned n, uint64_t page);

#endif
