/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settle: what is left to be done at an end once it is decided where the guest is. Each can be done
 * again after it was broken off.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_SETTLE_H
#define XF_DISKS_SETTLE_H

#include "manifest.h"

/* It has arrived: its volumes get their names, and then its configuration is put in place. */
int xf_settle_here(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES]);
/* Undoes that, as far as it goes. */
void xf_settle_back(const struct xf_manifest *m);

/* It is going: its configuration is put aside; and comes back, if it stays. */
int xf_settle_leaving(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES]);
int xf_settle_stays(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES]);

/* It has gone: its volumes are put aside, or removed. */
int xf_settle_left(const struct xf_manifest *m, bool remove, char why[XF_MANIFEST_WHY_BYTES]);
/* The configuration that was put aside is removed. */
void xf_settle_forget_config(const struct xf_manifest *m);

#endif
