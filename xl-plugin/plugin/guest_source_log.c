/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The dirty log of a guest source, and whether somebody else reads it too (dirty_log.h). The canary
 * is marked after each read. Before the next, which would take from the other what is its own, we
 * look without clearing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/bitmap.h"
#include "guest_source_log.h"
#include "readers.h"
#include "say.h"

static int cannot_read(const struct xf_xen_source *x)
{
    return xf_xen_source_fail(x, "cannot read its dirty bitmap");
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
    return xf_canary_choose(&x->log) ? cannot_read(x) : 0;
}

int xf_xen_log_read(struct xf_xen_source *x, uint64_t *dirty, bool final)
{
    const bool canary = x->log.canary != XF_NO_CANARY;
    int rc = canary ? xf_canary_look(&x->log) : check_alone(x);

    if (rc < 0)
        return canary ? cannot_read(x) : rc;
    if (canary && !rc)
        return stolen(x);
    long long n = xf_dirty_log_op(&x->log, XEN_DOMCTL_SHADOW_OP_CLEAN, x->page_count,
                                  final ? XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL : 0);

    if (n < 0 || (uint64_t)n != x->page_count)
        return cannot_read(x);
    memcpy(dirty, xf_dirty_log_bits(&x->log), xf_bitmap_words(x->page_count) * sizeof(uint64_t));
    x->log.marked = false;
    if (canary && !xf_bitmap_test(dirty, x->log.canary))
        return stolen(x);
    if (!canary || final)
        return 0;
    /* It comes with the last round, whatever wrote to it. */
    xf_bitmap_clear(dirty, x->log.canary);
    if (!xf_canary_mark(&x->log))
        return xf_xen_source_fail(x, "cannot mark a page of its dirty");
    return 0;
}

void xf_xen_log_stop(struct xf_xen_source *x)
{
    /* Who has begun since the last read goes on with it. */
    if (x->logdirty && x->log.marked && !xf_reader_log_is_left() && !xf_canary_look(&x->log))
        xf_reader_leave_log(true);
    if (xf_reader_log_is_left())
        return;
    if (x->logdirty && xc_shadow_control(x->xch, x->domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0) < 0)
        xf_say("source: domain %u: Xen still logs its dirty pages: %s", x->domid, strerror(errno));
    if (x->qemu_logdirty && x->callbacks->switch_qemu_logdirty(x->domid, 0, x->callbacks->data))
        xf_say("source: domain %u: its device model still logs dirty pages", x->domid);
}
