/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check of what a guest's local disks need to move with it (xl-plugin/disks). Notes alone: a
   host whose guests have none does without. */
#include "checks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/doctor/peers.h"

int xf_check_disks(struct xf_preflight *p)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/xl-fast-disks", p->lib);
    if (access(path, X_OK)) {
        xf_fix(p, false, "%s", XF_FIX_INSTALL);
        return xf_note(p, "local disks cannot move: %s: %s", path, strerror(errno));
    }
    snprintf(path, sizeof(path), "%s/kernel/btf/vmlinux", p->sysfs);
    if (access(path, R_OK))
        return xf_note(p,
                       "local disks move only with a stop (xl-fast move-off): this kernel has no "
                       "BTF, which the tracker of writes needs");
    return xf_pass(p, "local disks can move with a guest that runs");
}
