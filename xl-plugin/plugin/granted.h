/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Granted: the frames of a suspended guest that a backend has mapped so that it can write to them,
 * by the guest's grant table. A disk's frontend has pages that stay mapped for good (persistent
 * grants); what its backend reads from the disk into one is not in Xen's dirty log, and need not
 * be: a frontend that comes back to life makes its rings and grants anew, and asks again for all
 * that was on its way. So such pages may differ at the target, with stock migration too, and
 * comparing them says nothing.
 */
#ifndef XF_PLUGIN_GRANTED_H
#define XF_PLUGIN_GRANTED_H

#include <stddef.h>
#include <stdint.h>

#include <xenctrl.h>

/* The caller frees *frames: gfns, of a PV guest mfns; a frame may be there more than once. How
   many, or -errno. */
int xf_granted(xc_interface *xch, uint32_t domid, uint64_t **frames);

/*
 * Those that a table's entries name; `frames` has room for one each. 8 bytes an entry in version 1,
 * where Xen notes in the entry whether it is mapped to write; 16 in version 2, where it notes that
 * elsewhere, so all that could be are taken. The guest may have written anything there.
 */
int xf_granted_entries(unsigned version, const void *table, size_t bytes, uint64_t *frames);

#endif
