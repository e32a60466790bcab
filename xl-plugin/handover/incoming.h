/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Incoming: the domain that the target's xl makes, by Xen's calls: which it is, and what the pump
 * does to it beside xl.
 *
 * xl gives its helper a context of nothing but a header: what Xen gives a new domain stays as it
 * is, and all vCPUs stay down (Xen: hvm_load() sets _VPF_down). So until the guest's own context is
 * set nothing of the copy can run, whoever unpauses it. And of one that somebody has unpaused it is
 * not set: it would run there and then, before the source's go.
 *
 * Functions return 0 or -errno, and say nothing. One thread.
 */
#ifndef XF_HANDOVER_INCOMING_H
#define XF_HANDOVER_INCOMING_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

#include "xl-plugin/plugin/newcomer.h"
#include "xl-plugin/plugin/special.h"

#define XF_TSC_BYTES 24u /* the body of X86_TSC_INFO */

struct xf_incoming {
    xc_interface *xch;
    struct xf_newcomer newcomer;
    uint32_t domid;
    bool paused; /* when it was last found */
};

/* uuid: as text. -EINVAL: it is none. */
int xf_incoming_open(struct xf_incoming *i, const char *uuid);
void xf_incoming_close(struct xf_incoming *i);

/* Of that UUID, and not there before. 0: domid is its number; -ENOENT: there is none (any more). */
int xf_incoming_find(struct xf_incoming *i);

/* 0: all of these pages have memory; -EAGAIN: not yet. */
int xf_incoming_has(const struct xf_incoming *i, const uint64_t *gfns, unsigned n);

/* Its own context, of which only the header is left. To be freed. */
int xf_incoming_header(const struct xf_incoming *i, void **context, uint32_t *length);

/* The guest's TSC, context, and the parameters that it has changed itself. It must still be the
   same domain, as another may have got its number, and paused: -EBUSY, it is not. */
int xf_incoming_finish(struct xf_incoming *i, const uint8_t tsc[XF_TSC_BYTES], void *context,
                       uint32_t length, const struct xf_params *set);

#endif
