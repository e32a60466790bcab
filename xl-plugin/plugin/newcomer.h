/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Newcomer: the domain of a guest's UUID that is made after we began to look: the one that xl
 * receives the guest into. A move within this host has its source of the same UUID, which was there
 * before. Domains that are being destroyed do not count.
 *
 * Functions return 0 or -errno, and say nothing. One thread.
 */
#ifndef XF_PLUGIN_NEWCOMER_H
#define XF_PLUGIN_NEWCOMER_H

#include <stdint.h>

#include <xenctrl.h>

#define XF_NEWCOMER_BEFORE 8u

struct xf_newcomer {
    xc_interface *xch;
    uint8_t uuid[16];
    uint32_t before[XF_NEWCOMER_BEFORE];
    unsigned before_n;
};

/* uuid: as text. -EINVAL: it is none; -E2BIG: more domains of it than can be. */
int xf_newcomer_begin(struct xf_newcomer *w, xc_interface *xch, const char *uuid);

/* 0, and what Xen knows of it; -ENOENT: there is none (any more). */
int xf_newcomer_find(const struct xf_newcomer *w, xc_domaininfo_t *info);

#endif
