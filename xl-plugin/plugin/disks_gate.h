/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks gate: of a guest that moves with its disks, the suspended guest goes no further until its
 * disks are whole at the target. xl-fast-disks sees to them (xl-plugin/disks/live.h) and listens at
 * the socket that XL_FAST_DISKS names. Told "stands", it says "done", or "failed" and why; then the
 * suspend has failed, and the guest goes on here. One guest a process, one thread.
 */
#ifndef XF_PLUGIN_DISKS_GATE_H
#define XF_PLUGIN_DISKS_GATE_H

#include <stdint.h>

#include <xenctrl.h>

#include <xenguest.h> /* wants xenctrl.h before it */

/* The callbacks to use: `wrapped`, filled, or `callbacks` of a guest without such disks. limit_s:
   as long as the target bears the wait. */
struct save_callbacks *xf_disks_gate_wrap(struct save_callbacks *wrapped,
                                          struct save_callbacks *callbacks, unsigned limit_s);

#endif
