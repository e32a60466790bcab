/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains: whether this host has a guest already, and whether any guest of it has a disk (libxl).
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_DOMAINS_H
#define XF_DISKS_DOMAINS_H

#include "manifest.h"

enum xf_domains_guest {
    XF_DOMAINS_IS_OFF,
    XF_DOMAINS_MAY_RUN, /* a domain of its name or UUID may have its disks */
};

/* -EEXIST: there is a domain of the guest's name or UUID, or another one that has a disk of it. */
int xf_domains_check(const struct xf_manifest *m, enum xf_domains_guest guest,
                     char why[XF_MANIFEST_WHY_BYTES]);

#endif
