/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checks of xl-fast-preflight: each looks at one thing. preflight.c has their table. */
#ifndef XF_PREFLIGHT_CHECKS_H
#define XF_PREFLIGHT_CHECKS_H

#include <stdint.h>

#include <libxl.h>

#include "findings.h"

typedef int xf_check(struct xf_preflight *p);

/* preflight_here.c: what needs no Xen. The later ones need xf_check_config() to have passed. */
xf_check xf_check_installation, xf_check_path, xf_check_config, xf_check_port, xf_check_lanes,
    xf_check_lock, xf_check_turn;

/* room.c */
xf_check xf_check_room;

/* preflight_disks.c */
xf_check xf_check_disks;

/* preflight_xen.c: all need xf_check_xen() to have passed. */
xf_check xf_check_xen, xf_check_domain, xf_check_memory, xf_check_peer, xf_check_cpu, xf_check_xl;
void xf_close_xen(struct xf_preflight *p);

/* preflight_guest.c: of the question, which xf_check_config() need not have passed for. */
xf_check xf_check_guest;

/* preflight_asks.c: prints what the guest needs at a target; or refuses, where it cannot move at
   all. */
int xf_preflight_asks(struct xf_preflight *p, const libxl_dominfo *info,
                      const libxl_domain_config *config);

/* measure.c: for measure_s seconds. */
xf_check xf_check_measure;

/* Whether xl-fast.conf rules an early hand-over out; the check of it need not have been. */
bool xf_preflight_is_late(void);

/* preflight_guests.c */
xf_check xf_check_guests;
/* What the guest needs at a target, with what Xen itself needs for it. 0 or an error of libxl's.
   The configuration is init'ed, and the caller's to dispose of. */
int xf_preflight_need(libxl_ctx *ctx, uint32_t domid, libxl_domain_config *config,
                      uint64_t *need_kib);

#endif
