/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The dirty log of a guest source, and whether somebody else reads it too (readers.h). After each
 * read one page of the guest's is marked dirty, as a device model marks what it has written: a page
 * that the guest itself has no use for. If it is not dirty any more at the next read, another has
 * read the log in between, or has turned it off. Before we read, which would take from the other
 * what is its own, we look without clearing.
 */
#define XC_WANT_COMPAT_DEVICEMODEL_API
#include <xenctrl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/hvm/params.h>

#include "transport/base/bitmap.h"
#include "guest_source_log.h"
#include "readers.h"
#include "say.h"

static long long control(struct xf_xen_source *x, unsigned op, uint64_t pages, unsigned mode)
{
    xc_shadow_op_stats_t stats = {0};

    return xc_logdirty_control(x->xch, x->domid, op, &x->dirty_hbuf, pages, mode, &stats);
}

static const uint64_t *log_bits(struct xf_xen_source *x)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(uint64_t, bits, &x->dirty_hbuf);

    return bits;
}

/* ---- the canary --------------------------------------------------------------------------------
 */

static bool mark(struct xf_xen_source *x)
{
    x->marked = !xc_hvm_modified_memory(x->xch, x->domid, x->canary, 1);
    return x->marked;
}

/* 1: it is there; 0: gone; -errno. */
static int look(struct xf_xen_source *x)
{
    long long n = control(x, XEN_DOMCTL_SHADOW_OP_PEEK, x->canary + 1, 0);

    if (n < 0)
        return xf_xen_source_fail(x, "cannot read its dirty bitmap");
    return xf_bitmap_test(log_bits(x), x->canary);
}

/* Rings that no guest but one that is paged, shared or watched uses. */
static int choose_canary(struct xf_xen_source *x)
{
    static const uint32_t params[] = {HVM_PARAM_SHARING_RING_PFN, HVM_PARAM_MONITOR_RING_PFN,
                                      HVM_PARAM_PAGING_RING_PFN};

    for (unsigned i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        uint64_t gfn;

        if (xc_hvm_param_get(x->xch, x->domid, params[i], &gfn))
            return xf_xen_source_fail(x, "cannot tell its special pages");
        if (!gfn || gfn >= x->page_count)
            continue;
        x->canary = gfn;
        int rc = mark(x) ? look(x) : 0;

        if (rc > 0)
            return 0;
        x->canary = NO_CANARY;
        x->marked = false;
        if (rc)
            return rc;
    }
    return 0;
}

static int stolen(struct xf_xen_source *x)
{
    xf_reader_leave_log(true);
    xf_say("source: domain %u: another save or migration of it reads its dirty log, and what that "
           "reads is missing here: wait until it is over, and try again",
           x->domid);
    return -ESTALE;
}

/* Without a canary: as for a PV guest. */
static int check_alone(struct xf_xen_source *x)
{
    char why[256];
    int rc = xf_reader_check_pv(x->xch, x->domid, why);

    if (rc)
        xf_say("source: domain %u: %s", x->domid, why);
    return rc;
}

/* ---- on, read, off -----------------------------------------------------------------------------
 */

static int refuse_second(struct xf_xen_source *x)
{
    pid_t other = xf_reader_find("/proc", x->domid);

    if (other < 0) {
        errno = -other;
        return xf_xen_source_fail(x, "cannot tell who else saves it");
    }
    if (!other)
        return 0;
    xf_say("source: domain %u: another save or migration of it is under way (process %d): wait "
           "until it is over, and try again",
           x->domid, (int)other);
    return -EBUSY;
}

int xf_xen_log_start(struct xf_xen_source *x)
{
    const char *untouched = getenv("XL_FAST_UNTOUCHED");

    /* While this file is there, `xl migrate --fast=auto` may start again by plain xl migrate. */
    if (untouched && *untouched && unlink(untouched) && errno != ENOENT)
        return xf_xen_source_fail(x, "cannot remove the file that XL_FAST_UNTOUCHED names");

    int rc = refuse_second(x);

    if (rc)
        return rc;

    /* libxl answers at once for a guest without a device model. */
    if (x->callbacks->switch_qemu_logdirty) {
        if (x->callbacks->switch_qemu_logdirty(x->domid, 1, x->callbacks->data)) {
            xf_say("source: domain %u: its device model does not log dirty pages", x->domid);
            return -EIO;
        }
        x->qemu_logdirty = true;
    }

    /* Where a helper was killed, it is on still; and before 4.17, where the video memory is
       tracked. */
    if (xc_shadow_control(x->xch, x->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0) < 0 &&
        (xc_shadow_control(x->xch, x->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0) < 0 ||
         xc_shadow_control(x->xch, x->domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0) < 0))
        return xf_xen_source_fail(x, "cannot start to log dirty pages");
    x->logdirty = true;
    return choose_canary(x);
}

int xf_xen_log_read(struct xf_xen_source *x, uint64_t *dirty, bool final)
{
    const bool canary = x->canary != NO_CANARY;
    int rc = canary ? look(x) : check_alone(x);

    if (rc < 0)
        return rc;
    if (canary && !rc)
        return stolen(x);
    long long n = control(x, XEN_DOMCTL_SHADOW_OP_CLEAN, x->page_count,
                          final ? XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL : 0);

    if (n < 0 || (uint64_t)n != x->page_count)
        return xf_xen_source_fail(x, "cannot read its dirty bitmap");
    memcpy(dirty, log_bits(x), xf_bitmap_words(x->page_count) * sizeof(uint64_t));
    x->marked = false;
    if (canary && !xf_bitmap_test(dirty, x->canary))
        return stolen(x);
    if (!canary || final)
        return 0;
    /* It comes with the last round, whatever wrote to it. */
    xf_bitmap_clear(dirty, x->canary);
    if (!mark(x))
        return xf_xen_source_fail(x, "cannot mark a page of its dirty");
    return 0;
}

void xf_xen_log_stop(struct xf_xen_source *x)
{
    /* Who has begun since the last read goes on with it. */
    if (x->logdirty && x->marked && !xf_reader_log_is_left() && !look(x))
        xf_reader_leave_log(true);
    if (xf_reader_log_is_left())
        return;
    if (x->logdirty && xc_shadow_control(x->xch, x->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0) < 0)
        xf_say("source: domain %u: Xen still logs its dirty pages: %s", x->domid, strerror(errno));
    if (x->qemu_logdirty && x->callbacks->switch_qemu_logdirty(x->domid, 0, x->callbacks->data))
        xf_say("source: domain %u: its device model still logs dirty pages", x->domid);
}
