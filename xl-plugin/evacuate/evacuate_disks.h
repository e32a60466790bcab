/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `xl-fast evacuate --with-disks` asks before each move: xl-fast-disks here for the guests'
 * disks, and at each host whether they can come, and what is free there (ask_disks.h). Where a host
 * has all of a guest's disks by their names, as on shared storage, it moves without them.
 */
#ifndef XF_EVACUATE_EVACUATE_DISKS_H
#define XF_EVACUATE_EVACUATE_DISKS_H

#include "evacuate_plan.h"
#include "xl-plugin/recover/recover_reach.h"

/* After xf_evacuate_ask_hosts(). A host that cannot be asked is not usable. reach: xl-fast-disks.
 */
void xf_evacuate_ask_disks(const struct xf_reach *reach, struct xf_evacuate_host *hosts,
                           unsigned hosts_n, struct xf_evacuate_guest *guests, unsigned guests_n);

#endif
