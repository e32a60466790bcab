/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes that may still act on a guest, by /proc.
 *
 *   xl migrate, save, remus of NAME or a domain's number       moves
 *   libxl-save-helper --save-domain of one of the domains      moves
 *   xl migrate-receive that still reads its stream             receives
 *   libxl-save-helper --restore-domain of xl-fast's attempt    receives
 *   xl-fast-pump, between ssh and that xl                      receives
 *
 * The xl that stays with a received guest to await its end is called migrate-receive as well; its
 * stdin is /dev/null, and it starts nothing. Whose guest a receiver's is, says XL_FAST_DOMAIN in
 * its environment, which xl-fast-receive sets; it is unknown in plain xl migrate. The process that
 * outlives a save helper or a pump to give its memory back looks like it, but for its name: it does
 * nothing.
 */
#ifndef XF_RECOVER_RECOVER_ACTORS_H
#define XF_RECOVER_RECOVER_ACTORS_H

#include "recover_look.h"

#define XF_ACTORS_VARIABLE "XL_FAST_DOMAIN"
#define XF_ACTORS_PUMP     "xl-fast-pump"
#define XF_ACTORS_LINGER   "xl-fast-linger" /* what such a process calls itself */

/* Fills look->processes; look->domains is there already. proc: "/proc" (or a test's). 0; -EACCES if
   not all processes can be seen; -E2BIG; -errno. */
int xf_actors_find(const char *proc, const char *name, struct xf_look *look);

#endif
