/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks gate: of a guest that moves or is copied with its disks, the suspended guest goes no
 * further until its disks are whole at the target. xl-fast-disks sees to them
 * (xl-plugin/disks/live.h), one process for each target; XL_FAST_DISKS names the sockets at which
 * they listen, a word HOST=PATH each. Told "stands", each says "done", or "failed" and why. Then
 * the suspend has failed, and the guest goes on here; unless the host is one of several, and the
 * others go on without it. One guest a process, one thread.
 */
#ifndef XF_PLUGIN_DISKS_GATE_H
#define XF_PLUGIN_DISKS_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

#include <xenguest.h> /* wants xenctrl.h before it */

/* The callbacks to use: `wrapped`, filled, or `callbacks` of a guest without such disks. limit_s:
   as long as the target bears the wait. */
struct save_callbacks *xf_disks_gate_wrap(struct save_callbacks *wrapped,
                                          struct save_callbacks *callbacks, unsigned limit_s);

/* Who is told of a host whose disks are not whole: true: the guest may go without it. NULL: nobody.
 */
void xf_disks_gate_on_lost(bool (*lost)(void *arg, const char *host, const char *why), void *arg);

#endif
