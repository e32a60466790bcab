/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dirty rate: log on, looks at longer and longer intervals, log off. */
#include "dirty_rate.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dirty_log.h"
#include "readers.h"
#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/offer.h"

static int fail(struct xf_dirty_rate *r, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct xf_dirty_rate *r, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(r->why, sizeof(r->why), format, args);
    va_end(args);
    return rc;
}

static int cannot_read(struct xf_dirty_rate *r)
{
    const int error = errno;

    return fail(r, -error, "cannot read its dirty log: %s", strerror(error));
}

static int check_alone(struct xf_dirty_rate *r, int rc)
{
    pid_t other = xf_reader_find("/proc", r->domid);

    if (other < 0)
        return fail(r, other, "cannot tell who saves it: %s", strerror(-other));
    return other ? fail(r, rc, "it is being saved or migrated (process %d)", (int)other) : 0;
}

static int shadow(struct xf_dirty_rate *r, unsigned op)
{
    return xc_shadow_control(r->xch, r->domid, op, NULL, 0) < 0 ? -errno : 0;
}

/* To turn on what is on fails. */
static int turn_on(struct xf_dirty_rate *r)
{
    int rc = shadow(r, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);

    if (rc == -EINVAL && r->was_left)
        rc = shadow(r, XEN_DOMCTL_SHADOW_OP_OFF) ?: shadow(r, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    if (rc == -EINVAL)
        return fail(r, -EBUSY,
                    "its dirty log is on: it is being saved or migrated, or was when that was "
                    "killed; the next migration mends that");
    if (rc)
        return fail(r, rc, "cannot start to log dirty pages: %s", strerror(-rc));
    r->log_on = true;
    return 0;
}

/* Whether the log is ours still, and only ours. */
static int check_ours(struct xf_dirty_rate *r, struct xf_dirty_log *log)
{
    int rc = check_alone(r, -ESTALE);

    if (rc || log->canary == XF_NO_CANARY)
        return rc;
    rc = xf_canary_look(log);
    if (rc < 0)
        return cannot_read(r);
    return rc ? 0 : fail(r, -ESTALE, "a save or migration of it has begun");
}

static int take_sample(struct xf_dirty_rate *r, struct xf_dirty_log *log, uint64_t began_us)
{
    const uint64_t *bits = xf_dirty_log_bits(log);
    struct xf_dirty_sample *s = &r->samples[r->n];
    long long n = xf_dirty_log_op(log, XEN_DOMCTL_SHADOW_OP_PEEK, log->page_count, 0);

    s->us = xf_now_us() - began_us;
    if (n < 0 || (uint64_t)n != log->page_count)
        return cannot_read(r);
    s->pages = xf_bitmap_count(bits, log->page_count);
    if (log->canary != XF_NO_CANARY && xf_bitmap_test(bits, log->canary))
        s->pages--;
    r->n++;
    return check_ours(r, log);
}

static int wait_until(const struct xf_dirty_rate *r, uint64_t at_us)
{
    struct pollfd stop = {.fd = r->stop, .events = POLLIN};
    uint64_t now_us = xf_now_us();

    while (now_us < at_us) {
        uint64_t ms = (at_us - now_us + 999) / 1000;

        if (poll(&stop, 1, ms < INT32_MAX ? (int)ms : INT32_MAX) > 0)
            return -ECANCELED;
        now_us = xf_now_us();
    }
    return 0;
}

static int measure(struct xf_dirty_rate *r, struct xf_dirty_log *log)
{
    const uint64_t began_us = xf_now_us();
    int rc = xf_canary_choose(log);

    if (rc)
        return cannot_read(r);
    while (!rc && r->n < XF_DIRTY_SAMPLES) {
        rc = wait_until(r, began_us + (r->duration_us >> (XF_DIRTY_SAMPLES - 1 - r->n)));
        rc = rc ? fail(r, rc, "cancelled") : take_sample(r, log, began_us);
    }
    return rc;
}

/* Another's is left on, and what cannot be told is taken for another's: a log that is on costs a
   little, one that is turned off under a migration costs the guest. */
static int turn_off(struct xf_dirty_rate *r, struct xf_dirty_log *log)
{
    char why[sizeof(r->why)];
    int rc;

    memcpy(why, r->why, sizeof(why));
    rc = check_ours(r, log);
    if (rc == -ESTALE || rc == -ESRCH) /* another's, or the guest has ended */
        r->log_on = false;
    if (!rc) {
        rc = shadow(r, XEN_DOMCTL_SHADOW_OP_OFF);
        r->log_on = rc != 0;
        if (rc)
            fail(r, rc, "Xen still logs its dirty pages: %s", strerror(-rc));
    }
    if (why[0])
        memcpy(r->why, why, sizeof(why));
    return rc;
}

int xf_dirty_rate(struct xf_dirty_rate *r)
{
    struct xf_dirty_log log = {0};
    xen_pfn_t count;
    int rc, off;

    r->n = 0;
    r->log_on = false;
    r->why[0] = 0;
    rc = check_alone(r, -EBUSY);
    if (rc)
        return rc;
    if (xc_domain_nr_gpfns(r->xch, r->domid, &count) < 0 || count > XF_PAGE_COUNT_MAX)
        return fail(r, -EINVAL, "cannot tell the size of its physical address space");
    if (xf_dirty_log_new(&log, r->xch, r->domid, count))
        return fail(r, -ENOMEM, "no memory for its dirty bitmap");
    rc = turn_on(r);
    if (!rc) {
        rc = measure(r, &log);
        off = turn_off(r, &log);
        rc = rc ? rc : off;
    }
    xf_dirty_log_free(&log);
    return rc;
}
