/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-preflight guests: the domains of this host, for `xl-fast evacuate`. Of each, key=value
 * lines: domain (its number), uuid, name, state (running, paused, suspended, shut-down, dying: the
 * words of ../cli/recover_look.h), cpu_time_ns, and need_kib, what it needs at a target, where that
 * can be told. Then "all=said".
 */
#ifndef XF_PREFLIGHT_GUESTS_H
#define XF_PREFLIGHT_GUESTS_H

#include <libxl.h>

/* Domains that work for another one (its device model) are left out: they go with it. 0, or -EIO.
 */
int xf_preflight_guests(libxl_ctx *ctx);

/* What the guest needs at a target, with what Xen itself needs for it. 0 or an error of libxl's.
   The configuration is init'ed, and the caller's to dispose of. */
int xf_preflight_need(libxl_ctx *ctx, uint32_t domid, libxl_domain_config *config,
                      uint64_t *need_kib);

#endif
