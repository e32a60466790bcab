/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest source: finds, maps and tracks the pages of a running HVM or PVH domain, and suspends it.
 */
#include "guest_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenforeignmemory.h>

#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/offer.h"
#include "cap.h"
#include "event_words.h"
#include "frame_error.h"
#include "granted.h"
#include "guest_source_late.h"
#include "guest_source_log.h"
#include "guest_source_state.h"
#include "say.h"
#include "unsteady.h"
#include "xen_domain.h"

/* For so long start() asks before it lets the session speak; once at least, and where a query is
   dear, as in a PVH dom0, whose hypercalls walk its page tables for each gfn, that takes longer. */
#define START_US 1000u

/* A page that did not map and has content may have come back in between: so often it is tried. */
#define MAP_TRIES 3u

/* Clears of the gfns in x->gfns[0..n) those without content from `bitmap`. */
static int drop_empty(struct xf_xen_source *x, unsigned n, uint64_t *bitmap)
{
    memcpy(x->types, x->gfns, n * sizeof(*x->types));
    int rc = xf_xen_source_types(x, x->xch, x->types, n);

    if (rc)
        return rc;
    for (unsigned i = 0; i < n; i++)
        if (!xf_xen_has_content(x->types[i]))
            xf_bitmap_clear(bitmap, x->gfns[i]);
    return 0;
}

/* Looks at candidates from gfn `first` to below gfn `end`. */
static int look_at(struct xf_xen_source *x, uint64_t *candidates, uint64_t first, uint64_t end)
{
    unsigned n = 0;
    int rc = 0;

    for (uint64_t gfn = xf_bitmap_next(candidates, end, first); gfn < end && !rc;
         gfn = xf_bitmap_next(candidates, end, gfn + 1)) {
        x->gfns[n++] = gfn;
        if (n == TYPE_BATCH) {
            rc = drop_empty(x, n, candidates);
            n = 0;
        }
    }
    if (!rc && n)
        rc = drop_empty(x, n, candidates);
    return rc;
}

static void drop_special(const struct xf_xen_source *x, uint64_t *bitmap)
{
    for (unsigned i = 0; i < x->special_n; i++)
        xf_bitmap_clear(bitmap, x->special[i]);
}

static int source_present(void *ctx, uint64_t *candidates)
{
    struct xf_xen_source *x = ctx;
    int rc = look_at(x, candidates, 0, x->page_count);

    drop_special(x, candidates);
    return rc;
}

static int source_start(void *ctx, uint64_t *present, uint64_t *known)
{
    struct xf_xen_source *x = ctx;
    const uint64_t began_us = xf_now_us(), before = *known;
    uint64_t end = x->asked;
    int rc = 0;

    if (!x->logdirty) {
        rc = xf_xen_log_start(x);
        rc = rc ?: xf_xen_late_count(x, x->xch);
        x->low_pages = x->tot_pages;
        x->fell = x->moved = false;
    }
    while (!rc && end < x->page_count && (end == x->asked || xf_now_us() - began_us < START_US)) {
        const uint64_t first = end;

        end = first + TYPE_BATCH < x->page_count ? first + TYPE_BATCH : x->page_count;
        xf_bitmap_set_range(present, first, end - first);
        rc = look_at(x, present, first, end);
    }
    rc = rc ?: xf_xen_late_count(x, x->xch);
    if (rc)
        return rc;
    x->asked = end;
    *known = end < x->page_count ? end / XF_CHUNK_PAGES * XF_CHUNK_PAGES : end;
    xf_xen_late_begin(x, present, before, *known);
    /* They are there all the same: nobody is to look for them. */
    drop_special(x, x->empty);
    drop_special(x, present);
    return end < x->page_count ? -EAGAIN : 0;
}

static int source_dirty(void *ctx, uint64_t *dirty, bool final, uint64_t *count)
{
    struct xf_xen_source *x = ctx;
    int rc = xf_xen_log_read(x, dirty, final);

    rc = rc ?: xf_xen_late_add(x, dirty, final);
    rc = rc ?: final ? xf_xen_late_check_end(x) : 0;
    if (rc)
        return rc;
    if (x->page_count % 64)
        dirty[x->page_count / 64] &= (UINT64_C(1) << (x->page_count % 64)) - 1;
    drop_special(x, dirty);
    *count = xf_bitmap_count(dirty, x->page_count);
    return 0;
}

static int source_lanes(void *ctx, unsigned lanes)
{
    struct xf_xen_source *x = ctx;

    x->lanes = calloc(lanes, sizeof(x->lanes[0]));
    if (!x->lanes)
        return -ENOMEM;
    x->lanes_n = lanes;
    for (unsigned i = 0; i < lanes; i++) {
        x->lanes[i].xch = xc_interface_open(NULL, NULL, 0);
        x->lanes[i].fmem = xenforeignmemory_open(NULL, 0);
        if (!x->lanes[i].xch || !x->lanes[i].fmem)
            return xf_xen_source_fail(x, "cannot open the interface to map foreign memory");
    }
    return 0;
}

static void source_unmap(void *ctx, unsigned lane)
{
    const struct xf_xen_source *x = ctx;
    struct xf_xen_source_lane *l = &x->lanes[lane];

    if (l->mapping)
        xenforeignmemory_unmap(l->fmem, l->mapping, l->mapped);
    l->mapping = NULL;
}

/*
 * Some of the n frames did not map, and NULL stands for them in `pages`. That is right for what the
 * guest has given back since it was queried, and for nothing else: Xen is asked again. *refused is
 * how many have content all the same, *first the place of the first.
 */
static int ask_refused(struct xf_xen_source *x, struct xf_xen_source_lane *l, unsigned n,
                       unsigned *refused, unsigned *first)
{
    unsigned bad = 0, at = 0;

    for (unsigned i = 0; i < n; i++)
        if (l->errors[i])
            l->types[bad++] = l->gfns[i];
    int rc = xf_xen_source_types(x, l->xch, l->types, bad);

    *refused = 0;
    for (unsigned i = 0; i < n && !rc; i++) {
        if (!l->errors[i])
            continue;
        if (!xf_xen_has_content(l->types[at++]))
            xf_bitmap_set(x->empty, l->gfns[i]);
        else if (!(*refused)++)
            *first = i;
    }
    return rc;
}

static int map_once(struct xf_xen_source *x, struct xf_xen_source_lane *l, unsigned n,
                    const void **pages, unsigned *bad)
{
    l->mapping = xenforeignmemory_map(l->fmem, x->domid, PROT_READ, n, l->gfns, l->errors);
    if (!l->mapping)
        return xf_xen_source_fail(x, "cannot map its pages");
    l->mapped = n;
    *bad = 0;
    for (unsigned i = 0; i < n; i++) {
        pages[i] = l->errors[i] ? NULL : (const char *)l->mapping + i * XF_PAGE_BYTES;
        *bad += l->errors[i] != 0;
    }
    return 0;
}

static int source_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n,
                      const void **pages)
{
    struct xf_xen_source *x = ctx;
    struct xf_xen_source_lane *l = &x->lanes[lane];
    unsigned bad, refused, first = 0;

    /* Often, so that memory that is given back and taken again at once is noticed. */
    int counted = lane ? 0 : xf_xen_late_count(x, l->xch);

    if (counted)
        return counted;
    for (unsigned i = 0; i < n; i++)
        l->gfns[i] = gfns[i];
    for (unsigned tries = 0; tries < MAP_TRIES; tries++) {
        source_unmap(x, lane);
        int rc = map_once(x, l, n, pages, &bad);

        if (rc || !bad)
            return rc;
        rc = ask_refused(x, l, n, &refused, &first);
        if (rc || !refused)
            return rc;
    }
    int rc = xf_frame_error(l->errors[first]);

    xf_say(
        "source: domain %u: cannot map page %#llx, which has content (of %u in one call, %u such "
        "pages): %s",
        x->domid, (unsigned long long)l->gfns[first], n, refused, strerror(-rc));
    return rc;
}

static int source_throttle(void *ctx, unsigned percent)
{
    struct xf_xen_source *x = ctx;

    return xf_cap_throttle(&x->cap, percent);
}

static int source_suspend(void *ctx)
{
    struct xf_xen_source *x = ctx;
    struct xf_xen_domain domain;

    if (!x->callbacks->suspend(x->callbacks->data)) {
        xf_say("source: domain %u did not suspend", x->domid);
        return -EIO;
    }
    int rc = xf_xen_domain(x->xch, x->domid, &domain);
    if (rc)
        return rc;
    if (!domain.shutdown || domain.shutdown_reason != SHUTDOWN_suspend) {
        xf_say("source: domain %u is not suspended: shutdown %d, reason %u", x->domid,
               domain.shutdown, domain.shutdown_reason);
        return -EIO;
    }
    return 0;
}

static int source_keep_still(void *ctx, uint64_t *pages)
{
    struct xf_xen_source *x = ctx;
    uint64_t unsteady[XF_UNSTEADY_MAX], *granted, missing = 0;
    int n = xf_unsteady_hvm(x->xch, x->domid, unsteady);

    x->still = true; /* the lanes see it by the order that follows */
    for (int i = 0; i < n; i++)
        if (unsteady[i] < x->page_count)
            xf_bitmap_clear(pages, unsteady[i]);
    if (n < 0)
        return n;
    n = xf_granted(x->xch, x->domid, &granted);
    for (int i = 0; i < n; i++)
        if (granted[i] < x->page_count)
            xf_bitmap_clear(pages, granted[i]);
    free(granted);
    if (n < 0 || !x->moved)
        return n < 0 ? n : 0;
    /* Only what the target has is compared: so what it has not must not be. */
    uint64_t *filled = xf_bitmap_new(x->page_count);
    int rc = filled ? 0 : -ENOMEM;

    rc = rc ?: xf_xen_late_find(x, UINT64_MAX, filled, &missing);
    if (!rc && missing) {
        xf_say("source: domain %u: verify: the target lacks %llu pages, the first of "
               "them %#llx",
               x->domid, (unsigned long long)missing,
               (unsigned long long)xf_bitmap_next(filled, x->page_count, 0));
        rc = -EILSEQ;
    }
    free(filled);
    return rc;
}

static bool source_unsteady(void *ctx, const void *page)
{
    const struct xf_xen_source *x = ctx;

    return x->still && xf_event_words(page);
}

int xf_xen_source_new(struct xf_xen_source **out, xc_interface *xch, uint32_t domid,
                      const struct save_callbacks *callbacks, bool early)
{
    struct xf_xen_source *x = calloc(1, sizeof(*x));
    xen_pfn_t count;
    int version, rc;

    if (!x)
        return -ENOMEM;
    x->xch = xch;
    x->domid = domid;
    x->callbacks = callbacks;
    pthread_mutex_init(&x->late, NULL);
    x->cap = (struct xf_cap){.xch = xch, .domid = domid};
    version = xc_version(xch, XENVER_version, NULL);
    if (version < 0) {
        rc = xf_xen_source_fail(x, "cannot tell the version of Xen");
        goto out;
    }
    if (xc_domain_nr_gpfns(xch, domid, &count) < 0) {
        rc = xf_xen_source_fail(x, "cannot tell the size of its physical address space");
        goto out;
    }
    /* A guest chooses where its pages are: what it chooses must not cost dom0 its memory. */
    if (count > XF_PAGE_COUNT_MAX) {
        errno = EFBIG;
        rc = xf_xen_source_fail(x, "its physical address space");
        goto out;
    }
    x->page_count = count;
    if (early) {
        rc = xf_special_of(xch, domid, count, x->special);
        if (rc < 0) {
            errno = -rc;
            rc = xf_xen_source_fail(x, "cannot tell its special pages");
            goto out;
        }
        x->special_n = (unsigned)rc;
    }
    x->counts = version < XEN_MARKS_POPULATED;
    x->empty = xf_bitmap_new(count);
    if (!x->empty) {
        errno = ENOMEM;
        rc = xf_xen_source_fail(x, "no memory for its dirty bitmap");
        goto out;
    }
    if (xf_dirty_log_new(&x->log, xch, domid, count)) {
        rc = xf_xen_source_fail(x, "no memory for its dirty bitmap");
        goto out;
    }
    rc = 0;
    *out = x;
    x = NULL;
out:
    if (x)
        xf_xen_source_free(x);
    return rc;
}

struct xf_guest_source xf_xen_source_guest(struct xf_xen_source *x)
{
    static const struct xf_guest_source_ops ops = {
        .lanes = source_lanes,
        .start = source_start,
        .dirty = source_dirty,
        .present = source_present,
        .map = source_map,
        .unmap = source_unmap,
        .keep_still = source_keep_still,
        .unsteady = source_unsteady,
    };
    static const struct xf_guest_control_ops control = {
        .throttle = source_throttle,
        .suspend = source_suspend,
    };

    return (struct xf_guest_source){
        .ops = &ops, .control = &control, .ctx = x, .page_count = x->page_count};
}

void xf_xen_source_free(struct xf_xen_source *x)
{
    int saved = errno;

    if (!x)
        return;
    for (unsigned i = 0; i < x->lanes_n; i++) {
        source_unmap(x, i);
        if (x->lanes[i].fmem)
            xenforeignmemory_close(x->lanes[i].fmem);
        if (x->lanes[i].xch)
            xc_interface_close(x->lanes[i].xch);
    }
    free(x->lanes);
    xf_xen_log_stop(x);
    xf_dirty_log_free(&x->log);
    free(x->empty);
    pthread_mutex_destroy(&x->late);
    free(x);
    errno = saved;
}
