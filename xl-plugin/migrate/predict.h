/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Predict: how long a move will take, for `xl-fast migrate --dry-run`. */
#ifndef XF_MIGRATE_PREDICT_H
#define XF_MIGRATE_PREDICT_H

#include <stdbool.h>

struct xf_disks_asked;

struct xf_prediction {
    const char *guest, *host;    /* as the user calls them */
    const char *source, *target; /* what xl-fast-preflight answered there, lines of key=value */
    const char *refused;         /* the line that says why the guest cannot go; "": it can */
    const char *copy;            /* the name of the copy that is to be made; NULL: it moves */
    const char *late;            /* why its devices are attached late; "": early */
    const char *measured;        /* what xl-fast-preflight measure printed; "": nothing was */
    const struct xf_disks_asked
        *disks; /* that move with it; NULL: none, or they were not asked for */
    bool json;
};

/* Prints it: on stdout, as text or JSON, or why not on stderr. The exit status: XF_EXIT_OK said,
   XF_EXIT_FAILED the guest cannot move so. */
int xf_predict(const struct xf_prediction *what);

#endif
