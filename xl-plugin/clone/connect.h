/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connect: a fenced copy of this host gets its place on the bridge.
 *
 * A copy wakes with the guest's addresses, and sends with the guest's MAC to whom it knew before,
 * for minutes: a new MAC alone does not keep its frames apart. So it is connected only when the
 * guest itself has said that it is told apart (XF_CLONE_READY), and its port of the bridge lets no
 * frame pass but those of its own MAC (Linux 5.18 and iproute2 5.18: "locked").
 *
 *     card up, on no bridge      what it wanted to send before is thrown away
 *     card down, on the bridge   locked, with its MAC as the only one
 *     card up
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_CLONE_CONNECT_H
#define XF_CLONE_CONNECT_H

#include <libxl.h>

#define XF_CONNECT_WHY 300

int xf_connect(libxl_ctx *ctx, const char *name, char why[XF_CONNECT_WHY]);

#endif
