/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source config: the manifest of a guest that is shut off, made of its configuration, in xl's
 * syntax (libxlutil reads it), and of what its disks are; and what stands in the way, as its
 * domain that runs after all.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_SOURCE_CONFIG_H
#define XF_DISKS_SOURCE_CONFIG_H

#include "manifest.h"

/* xf_manifest_fini() it, also after an error. */
int xf_source_config_read(struct xf_manifest *m, const char *path, char why[XF_MANIFEST_WHY_BYTES]);

#endif
