/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sync: `xl-fast disks sync GUEST HOST`: the target gets a copy of a running guest's disks, all of
 * one moment, as after a power failure. It is a move's (live.h) beginning without its end:
 *
 *     source                                     target
 *       |  writes are tracked
 *       | -- manifest (live, replica), offers: as there, rounds, until little is written ->
 *       | -- names ------------------------------> |  closes its port; the volumes stay
 *       | <---------------------------- named ---- |  as they are called: .xlfast-incoming
 *       | -- pages, rounds ----------------------> |
 *     the guest is paused (pauser.h): no request is on its way (rings.h); what was written since
 *     the last round is read into memory; the guest goes on
 *       | -- pages: the last --------------------> |
 *       |  compare, if asked, or if the kernel's count does not tell: what differs must have been
 *       |  written to since
 *       | -- sync -------------------------------> |  on the medium
 *       | <--------------------------- synced ---- |
 *       | -- here (point_us) --------------------> |  journal: replica
 *       |  journal: synced <-------------- done -- |
 *
 * The next copy, sync or move, to that host writes over it, and sends what differs. Broken off, it
 * leaves what an unfinished move does: that is no copy of one moment, and both journals say so.
 */
#ifndef XF_DISKS_SYNC_H
#define XF_DISKS_SYNC_H

#include "xl-plugin/migrate/move_off.h"

/* Returns an exit status. */
int xf_disks_sync(const struct xf_sync_options *o);

#endif
