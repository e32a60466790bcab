/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Target check: whether a guest's disks can come to this host, before anything is made. What an
 * earlier try, or an earlier stay, of the guest has left is what only changes come to.
 *
 * Private to disks/. Errors: 0 or -errno, and a line for the user in t->why.
 */
#ifndef XF_DISKS_TARGET_CHECK_H
#define XF_DISKS_TARGET_CHECK_H

#include "target_state.h"

/* Fills t->disks, and gives what is left here of the guest the names of disks that arrive: t->old.
   With t->dry_run nothing is touched, and all disks are looked at, whatever else is refused. */
int xf_disks_target_check(struct xf_disks_target *t);

#endif
