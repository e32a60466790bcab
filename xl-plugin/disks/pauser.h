/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pauser: a process of its own that pauses a domain and lets it go on: when it is told so, when
 * nobody is left to tell it, however that one has ended, and after XF_PAUSER_LIMIT_MS. A guest that
 * somebody else has paused stays paused, for Xen counts pauses.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_PAUSER_H
#define XF_DISKS_PAUSER_H

#include <stdint.h>

#include "manifest.h"

#define XF_PAUSER_LIMIT_MS 5000

struct xf_pauser;

/* Before this process has opened what nobody else may hold open: a connection, a lock, a port. */
int xf_pauser_start(struct xf_pauser **out, char why[XF_MANIFEST_WHY_BYTES]);
void xf_pauser_end(struct xf_pauser *p);

/* When it returns none of the domain's CPUs runs. */
int xf_pauser_pause(struct xf_pauser *p, uint32_t domid, char why[XF_MANIFEST_WHY_BYTES]);
/* *us: how long it stood. -ETIMEDOUT: it went on before it was told to. */
int xf_pauser_resume(struct xf_pauser *p, uint64_t *us, char why[XF_MANIFEST_WHY_BYTES]);

#endif
