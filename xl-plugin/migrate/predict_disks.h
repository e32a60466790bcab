/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Predict, disks: what `xl-fast migrate --dry-run --with-disks` says of a guest's disks. */
#ifndef XF_MIGRATE_PREDICT_DISKS_H
#define XF_MIGRATE_PREDICT_DISKS_H

#include <stdint.h>

#include "xl-plugin/doctor/ask_disks.h"

struct json_object;

/* A line of all, and one of each. rate: bytes a second, 0: not known. */
void xf_predict_disks_print(const struct xf_disks_asked *disks, uint64_t rate);

/* Adds them to the prediction. */
void xf_predict_disks_put(struct json_object *to, const struct xf_disks_asked *disks);

#endif
