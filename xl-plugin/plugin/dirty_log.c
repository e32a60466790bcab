/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dirty log: Xen's calls, and one bit of it that only we set. */
#define XC_WANT_COMPAT_DEVICEMODEL_API
#include <xenctrl.h>

#include <errno.h>

#include <xen/hvm/params.h>

#include "dirty_log.h"
#include "transport/base/bitmap.h"
#include "transport/guest.h"

int xf_dirty_log_new(struct xf_dirty_log *log, xc_interface *xch, uint32_t domid,
                     uint64_t page_count)
{
    DECLARE_HYPERCALL_BUFFER(uint64_t, bits);

    *log = (struct xf_dirty_log){
        .xch = xch, .domid = domid, .page_count = page_count, .canary = XF_NO_CANARY};
    log->hbuf_xen_pages =
        (int)((xf_bitmap_words(page_count) * sizeof(uint64_t) + XF_PAGE_BYTES - 1) / XF_PAGE_BYTES);
    bits = xc_hypercall_buffer_alloc_pages(xch, bits, log->hbuf_xen_pages);
    if (!bits) {
        errno = ENOMEM;
        return -ENOMEM;
    }
    log->hbuf = *HYPERCALL_BUFFER(bits);
    return 0;
}

void xf_dirty_log_free(struct xf_dirty_log *log)
{
    if (log->hbuf.hbuf)
        xc__hypercall_buffer_free_pages(log->xch, &log->hbuf, log->hbuf_xen_pages);
    log->hbuf.hbuf = NULL;
}

const uint64_t *xf_dirty_log_bits(const struct xf_dirty_log *log)
{
    return log->hbuf.hbuf;
}

long long xf_dirty_log_op(struct xf_dirty_log *log, unsigned op, uint64_t pages, unsigned mode)
{
    xc_shadow_op_stats_t stats = {0};

    return xc_logdirty_control(log->xch, log->domid, op, &log->hbuf, pages, mode, &stats);
}

bool xf_canary_mark(struct xf_dirty_log *log)
{
    log->marked = !xc_hvm_modified_memory(log->xch, log->domid, log->canary, 1);
    return log->marked;
}

int xf_canary_look(struct xf_dirty_log *log)
{
    if (xf_dirty_log_op(log, XEN_DOMCTL_SHADOW_OP_PEEK, log->canary + 1, 0) < 0)
        return -errno;
    return xf_bitmap_test(xf_dirty_log_bits(log), log->canary);
}

/* Rings that no guest but one that is paged, shared or watched uses. */
int xf_canary_choose(struct xf_dirty_log *log)
{
    static const uint32_t params[] = {HVM_PARAM_SHARING_RING_PFN, HVM_PARAM_MONITOR_RING_PFN,
                                      HVM_PARAM_PAGING_RING_PFN};

    for (unsigned i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        uint64_t gfn;

        if (xc_hvm_param_get(log->xch, log->domid, params[i], &gfn))
            return -errno;
        if (!gfn || gfn >= log->page_count)
            continue;
        log->canary = gfn;
        int rc = xf_canary_mark(log) ? xf_canary_look(log) : 0;

        if (rc > 0)
            return 0;
        log->canary = XF_NO_CANARY;
        log->marked = false;
        if (rc)
            return rc;
    }
    return 0;
}
