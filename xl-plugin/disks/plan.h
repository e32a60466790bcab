/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan: what a move with disks would find, and nothing is touched: for `xl-fast migrate --dry-run
 * --with-disks` and `xl-fast evacuate --with-disks` (xl-plugin/doctor/ask_disks.h). The source
 * describes guests; the target, which gets that on its stdin, judges them.
 *
 *     xl-fast-disks describe [UUID [copy NAME NEW_UUID [replace]]]
 *         {"guests": [{"uuid", "guest": MANIFEST, "replace", "why",
 *                      "disks": [{"vdev", "path", "is", "bytes", "data_bytes", "why"}]}]}
 *     xl-fast-disks judge
 *         {"guests": [{"uuid", "shared", "why",
 *                      "disks": [{"vdev", "old_s", "place", "free_bytes", "need_bytes", "thin",
 *                                 "why"}]}]}
 *
 * why: what stands against the guest, or the disk; without it nothing does. Of disks that cannot
 * move while the guest runs the manifest has none, and nor has the judgement. shared: all that the
 * guest has is there by its name, as where both hosts reach the same storage.
 */
#ifndef XF_DISKS_PLAN_H
#define XF_DISKS_PLAN_H

#include "live.h"

/* o->uuid NULL: all guests of this host. They print, and return an exit status. */
int xf_disks_describe(const struct xf_live_options *o);
int xf_disks_judge(int in);

#endif
