/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Dirty log: Xen's log of the pages that a domain writes to, and its canary, which tells whether
 * somebody else reads it too (readers.h). That is one page of the guest's that is marked dirty, as
 * a device model marks what it has written: a page that the guest itself has no use for. If it is
 * not dirty any more, another has read the log in between, or has turned it off. A PV guest has no
 * such page. One thread's; what fails returns -errno, with errno.
 */
#ifndef XF_PLUGIN_DIRTY_LOG_H
#define XF_PLUGIN_DIRTY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

#define XF_NO_CANARY UINT64_MAX

struct xf_dirty_log {
    xc_interface *xch;
    uint32_t domid;
    uint64_t page_count;
    xc_hypercall_buffer_t hbuf; /* the bitmap that Xen fills */
    int hbuf_xen_pages;
    uint64_t canary; /* a gfn, or XF_NO_CANARY */
    bool marked;     /* it is dirty, unless another has read the log */
};

/* Of gfns below page_count; the log is as it was. xf_dirty_log_free() when it is done with. */
int xf_dirty_log_new(struct xf_dirty_log *log, xc_interface *xch, uint32_t domid,
                     uint64_t page_count);
void xf_dirty_log_free(struct xf_dirty_log *log);

/* The bits that the last call of xf_dirty_log_op() has read. */
const uint64_t *xf_dirty_log_bits(const struct xf_dirty_log *log);

/* XEN_DOMCTL_SHADOW_OP_PEEK or _CLEAN, of the first pages: how many were read. */
long long xf_dirty_log_op(struct xf_dirty_log *log, unsigned op, uint64_t pages, unsigned mode);

/* Of a log that is on: chooses a page, and marks it. There may be none. */
int xf_canary_choose(struct xf_dirty_log *log);

bool xf_canary_mark(struct xf_dirty_log *log);

/* Without clearing. 1: it is there; 0: gone. */
int xf_canary_look(struct xf_dirty_log *log);

#endif
