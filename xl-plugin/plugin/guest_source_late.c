/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that come late. Before 4.22, Xen does not mark a page dirty that the guest takes into its
 * memory, and does not see writes to it before the next CLEAN (p2m_add_page(): it becomes
 * p2m_ram_rw). That a guest takes pages shows in how many it has; then what was empty is asked
 * about anew. Where that does not rise, nothing is asked.
 *
 * Not seen is a page that is given back and another that is taken between two counts, which are
 * made at each map.
 */
#include "guest_source_late.h"

#include <errno.h>
#include <string.h>

#include "transport/base/bitmap.h"
#include "say.h"
#include "xen_domain.h"

int xf_xen_late_count(struct xf_xen_source *x, xc_interface *xch)
{
    struct xf_xen_domain domain;
    int rc = xf_xen_domain(xch, x->domid, &domain);

    /* Xen answers calls about the log of such a one with success and nothing. */
    if (!rc && domain.dying)
        rc = -ESRCH;
    if (rc) {
        errno = -rc;
        return xf_xen_source_fail(x, "cannot tell how much memory it has");
    }
    if (!x->counts)
        return 0;
    pthread_mutex_lock(&x->late);
    if (domain.tot_pages != x->tot_pages) {
        x->moved = true;
        if (domain.tot_pages < x->tot_pages)
            x->fell = true;
        else if (x->fell)
            x->swapped = true;
        x->tot_pages = domain.tot_pages;
        if (x->tot_pages < x->low_pages)
            x->low_pages = x->tot_pages;
    }
    pthread_mutex_unlock(&x->late);
    return 0;
}

/* The gfns in x->gfns[0..n) were empty: those that are so no more are dirty, *found of them. */
static int take_filled(struct xf_xen_source *x, unsigned n, uint64_t *dirty, uint64_t *found)
{
    memcpy(x->types, x->gfns, n * sizeof(*x->types));
    int rc = xf_xen_source_types(x, x->xch, x->types, n);

    for (unsigned i = 0; i < n && !rc; i++) {
        if (!xf_xen_has_content(x->types[i]))
            continue;
        xf_bitmap_clear(x->empty, x->gfns[i]);
        xf_bitmap_set(dirty, x->gfns[i]);
        ++*found;
    }
    return rc;
}

/* Looks for `wanted` pages in what was empty. They lie where memory lies, below the large holes, so
   that the search seldom goes far. */
int xf_xen_late_find(struct xf_xen_source *x, uint64_t wanted, uint64_t *dirty, uint64_t *found)
{
    uint64_t gfn = xf_bitmap_next(x->empty, x->page_count, 0);
    int rc = 0;

    *found = 0;
    while (gfn < x->page_count && *found < wanted && !rc) {
        unsigned n = 0;

        for (; n < TYPE_BATCH && gfn < x->page_count; n++) {
            x->gfns[n] = gfn;
            gfn = xf_bitmap_next(x->empty, x->page_count, gfn + 1);
        }
        rc = take_filled(x, n, dirty, found);
    }
    return rc;
}

/* What the guest has given back, of all that it had. A tenth of the cost of sending it. */
static int find_given_back(struct xf_xen_source *x)
{
    int rc = 0;

    for (uint64_t gfn = 0; gfn < x->page_count && !rc;) {
        unsigned n = 0;

        for (; n < TYPE_BATCH && gfn < x->page_count; gfn++)
            if (!xf_bitmap_test(x->empty, gfn))
                x->gfns[n++] = gfn;
        memcpy(x->types, x->gfns, n * sizeof(*x->types));
        rc = xf_xen_source_types(x, x->xch, x->types, n);
        for (unsigned i = 0; i < n && !rc; i++)
            if (!xf_xen_has_content(x->types[i]))
                xf_bitmap_set(x->empty, x->gfns[i]);
    }
    return rc ?: xf_xen_late_count(x, x->xch);
}

int xf_xen_late_add(struct xf_xen_source *x, uint64_t *dirty, bool final)
{
    int rc = xf_xen_late_count(x, x->xch);
    uint64_t wanted = x->tot_pages - x->low_pages, found;
    bool fell = x->fell;

    if (rc)
        return rc;
    /* What it gave back and took again may have the same gfn and another content. */
    if (x->swapped) {
        for (uint64_t w = 0; w < xf_bitmap_words(x->page_count); w++)
            dirty[w] |= ~x->empty[w];
        wanted = UINT64_MAX;
    }
    x->fell = x->swapped = false;
    x->low_pages = x->tot_pages;
    if (wanted)
        rc = xf_xen_late_find(x, wanted, dirty, &found);
    /* So that what it takes later can be found, and not all has to be sent. */
    if (!rc && fell && !final)
        rc = find_given_back(x);
    return rc;
}

/* The guest stands. Memory beyond the gfns that it had is in no bitmap. */
int xf_xen_late_check_end(struct xf_xen_source *x)
{
    xen_pfn_t count;
    int rc = 0;

    if (xc_domain_nr_gpfns(x->xch, x->domid, &count) < 0)
        return xf_xen_source_fail(x, "cannot tell the size of its physical address space");
    for (xen_pfn_t gfn = x->page_count; gfn < count && !rc;) {
        unsigned n = 0;

        for (; n < TYPE_BATCH && gfn < count; n++)
            x->types[n] = gfn++;
        rc = xf_xen_source_types(x, x->xch, x->types, n);
        for (unsigned i = 0; i < n && !rc; i++) {
            if (!xf_xen_has_content(x->types[i]))
                continue;
            xf_say("source: domain %u: has got memory at page %#llx, beyond the %llu pages that it "
                   "had room for when its move began: try again",
                   x->domid, (unsigned long long)(gfn - n + i), (unsigned long long)x->page_count);
            rc = -EFBIG;
        }
    }
    return rc;
}

void xf_xen_late_begin(struct xf_xen_source *x, const uint64_t *present, uint64_t first,
                       uint64_t end)
{
    for (uint64_t w = first / 64; w < xf_bitmap_words(end); w++)
        x->empty[w] = ~present[w];
    if (end == x->page_count && end % 64)
        x->empty[end / 64] &= (UINT64_C(1) << (end % 64)) - 1;
}
