/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Move off: a guest that is shut off goes to another host. Both ends are this program; ssh starts
 * the target's, as root, and what they say goes by it (talk.h). The disks go by the port.
 *
 *     source                                     target
 *       |  the guest is off, its disks are no one's
 *       | -- manifest (guest, overwrite) -------> |  nothing of the guest is there; journal:
 *       |                                         |  incoming; makes volumes, or takes those
 *       |                                         |  that an earlier move left; opens its port
 *       | <------------- ready (zeros, old) ----- |
 *       | -- compare (disk, seed) --------------> |  of each old one:
 *       | <- hashes (units), then them, again --- |
 *       | -- offer (disk), then XF_OFFER_BYTES -> |  of each disk:
 *       | <====== the disk, port to port =======> |
 *       | -- seen ------------------------------> |
 *       | <--------------------------- landed --- |
 *       |  nothing was written meanwhile;         |
 *       |  journal: leaving; config put aside     |
 *       | -- commit ----------------------------> |  volumes get their names; journal: here;
 *       | <----------------------------- done --- |  the configuration is put in place
 *       |  disks put aside; journal: left         |
 *
 * At each moment at most one host has a configuration that the guest can be started with. When the
 * target hears no more before "commit", it keeps what has come of the disks, for the next try; of
 * one of which nothing has come, nothing stays. When the source does not hear of
 * what became of "commit", it asks the target's journal.
 */
#ifndef XF_DISKS_MOVE_OFF_H
#define XF_DISKS_MOVE_OFF_H

#include "xl-plugin/migrate/move_off.h"

/* What both ends allow the other's longest silence: it makes volumes, opens a port, or syncs. */
#define XF_MOVE_OFF_LIMIT_MS 300000u

#define XF_LIVE_RUN_PAGES 16u /* of one message (live.h) */

/* The name of a configuration that was put aside. */
#define XF_MOVE_OFF_ASIDE ".xlfast-left"

/* The lives of both ends; return their exit status. */
int xf_move_off_source(const struct xf_move_off_options *o);
int xf_move_off_target(int in, int out);

/* `xl-fast disks`, and what the source asks: prints the journal's word for that guest. */
int xf_disks_list(const struct xf_disks_options *o);
int xf_disks_say_state(const char *name);

#endif
