/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ended: whether a guest that is being moved has shut down, crashed, rebooted or been destroyed
 * meanwhile. Then each call that concerns it fails for a reason of its own, and this is the one to
 * tell. xl-fast migrate knows the words by how they begin (move_events.c).
 */
#ifndef XF_PLUGIN_ENDED_H
#define XF_PLUGIN_ENDED_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

#define XF_ENDED_BYTES 128

/* Of the domain's flags (XEN_DOMINF_*); found: Xen has a domain of its number. false: it has not
   ended (it may be suspended), and why is "". */
bool xf_ended_words(bool found, uint32_t flags, char why[XF_ENDED_BYTES]);

/* Asks Xen; where that fails, false. The thread that owns xch. */
bool xf_ended(xc_interface *xch, uint32_t domid, char why[XF_ENDED_BYTES]);

#endif
