/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Granted: the frames of a suspended guest that it lets others write to, by its grant table. Its
 * backends go on while it is suspended: packets land in the buffers of its network card, what was
 * read from a disk in pages that its backend keeps mapped (which Xen's dirty log does not see at
 * all). A frontend that comes back to life makes its rings and buffers anew, and asks again for all
 * that was on its way; so none of it is missed, with stock migration as little, and comparing such
 * pages says nothing.
 */
#ifndef XF_PLUGIN_GRANTED_H
#define XF_PLUGIN_GRANTED_H

#include <stddef.h>
#include <stdint.h>

#include <xenctrl.h>

/* The caller frees *frames: gfns, of a PV guest mfns; a frame may be there more than once. How
   many, or -errno. */
int xf_granted(xc_interface *xch, uint32_t domid, uint64_t **frames);

/* Those that a table's entries name, without the first, reserved ones (the rings of console and
   xenstore, unsteady.h), 8 bytes each in version 1 and 16 in version 2; `frames` has room for one
   each. The guest may have written anything there. */
int xf_granted_entries(unsigned version, const void *table, size_t bytes, uint64_t *frames);

#endif
