/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fits: whether a guest's devices may be attached at the target while it still runs at the source,
 * by its configuration, as libxl writes it in JSON (tools/libs/light/libxl_types.idl). They may
 * where all that attaching does is without effect until the guest's own drivers connect:
 *
 *     PVH; raw disks on block devices, by libxl's own block script; network cards of dom0's on a
 *     bridge, by vif-bridge, without hooks of the administrator's; and no other device
 *
 * A file's page cache, an image's tables, a script that makes a volume primary, a route to the
 * guest: these would be wrong with the guest at the other host. What is not known here is not
 * early. Both ends ask: the source before it begins (xl-fast-preflight), the pump of what comes.
 */
#ifndef XF_HANDOVER_FITS_H
#define XF_HANDOVER_FITS_H

#include <stdbool.h>
#include <stddef.h>

#define XF_FITS_WHY 200 /* bytes */

struct xf_fits {
    char why[XF_FITS_WHY]; /* why it does not; "": it does */
    char uuid[37];         /* the guest's; "": it has none */
    char **disks;          /* paths that have to be block devices at the target */
    unsigned disks_n;
};

/* The configuration alone. 0: it fits; -1: why says. Free it in any case. */
int xf_fits_config(struct xf_fits *f, const char *json);
void xf_fits_free(struct xf_fits *f);

/* This host, as the target. root: before all paths, "". 0 or -1, with why. */
int xf_fits_disk(const char *root, const char *path, char why[XF_FITS_WHY]);
int xf_fits_hooks(const char *root, char why[XF_FITS_WHY]);

#endif
