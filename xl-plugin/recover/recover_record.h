/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `xl migrate --fast` leaves in writing at both ends, so that recover can tell a guest that
 * came back from one that ran at the target and ended there:
 *
 *   DIR/receive-UUID  at the target, by xl-fast-receive: a line with the attempt, then all that
 *                     xl migrate-receive said. "Cleanup OK, granting sender permission to resume"
 *                     says that it had not started its copy and has destroyed it. xl-fast-helper
 *                     adds "xl-fast: domid N", the domain that it restores into.
 *   DIR/left-UUID     at the source, by migrate when xl has ended and the guest is suspended:
 *                     the attempt, the domain, and the CPU time that it has used. A take-back of
 *                     recover's writes one too, of no attempt (XF_RECORD_NO_ATTEMPT).
 *
 * The record counts for the attempt of that name only, and that only while the guest's CPU time is
 * still what it was: any later run of the guest makes both void. Both are lost with their host's
 * boot, as the domains are. DIR is /run/xl-fast, or $XL_FAST_RUNDIR/xl-fast.
 */
#ifndef XF_RECOVER_RECOVER_RECORD_H
#define XF_RECOVER_RECOVER_RECORD_H

#include "recover_look.h"

#define XF_RECORD_NO_ATTEMPT "00000000-0000-0000-0000-000000000000"

/* Fills look->record and look->left; what is missing or not understood stays empty. */
void xf_record_read(const char *uuid, struct xf_look *look);

/* Writes look->left, or removes it where its attempt is "". 0 or -errno. */
int xf_record_write_left(const char *uuid, const struct xf_look *look);

#endif
