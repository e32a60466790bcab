/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Special pages: those of an HVM or PVH guest that its host's daemons and device model use to talk
 * with it: xenstore's ring, the console's, and two of I/O requests. Xen's own restore makes them
 * zero whatever the source has sent (tools/libs/guest/xg_sr_restore_x86_hvm.c). Where the hand-over
 * is early, the target's daemons use theirs before the memory comes, so they do not travel at all.
 *
 * And HVM_PARAMS, the record that says where they are: an array of numbers and values.
 */
#ifndef XF_PLUGIN_SPECIAL_H
#define XF_PLUGIN_SPECIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

#include "stream.h"

#define XF_SPECIAL_MAX  4u
#define XF_SPECIAL_WHY  XF_STREAM_ERR_BYTES
#define XF_PARAMS_MAX   32u
#define XF_PARAMS_BYTES (8 + XF_PARAMS_MAX * 16) /* of the record, at the most */

/* Their gfns in a domain, those below page_count. How many, or -errno. */
int xf_special_of(xc_interface *xch, uint32_t domid, uint64_t page_count,
                  uint64_t gfns[XF_SPECIAL_MAX]);

struct xf_params {
    unsigned n;
    struct {
        uint64_t index, value;
    } of[XF_PARAMS_MAX];
};

/* A record's body as a peer sent it: each index once, no value zero, and the two rings that each
   guest has, on pages below page_count. 0, or -EBADMSG with why. */
int xf_params_decode(struct xf_params *p, const void *body, uint32_t length, uint64_t page_count,
                     char why[XF_SPECIAL_WHY]);

/* The gfns that they name, each once. How many. */
unsigned xf_params_special(const struct xf_params *p, uint64_t gfns[XF_SPECIAL_MAX]);

/* What has changed since: in `set`, where a guest may have changed it by itself; zero: not set any
   more. 0, or -EBADMSG with why: only its builder sets it. */
int xf_params_changes(const struct xf_params *early, const struct xf_params *late,
                      struct xf_params *set, char why[XF_SPECIAL_WHY]);

#endif
