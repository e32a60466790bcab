/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest sink: populates and maps the memory of an HVM or PVH domain at the target. */
#include "guest_sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "transport/base/bitmap.h"
#include "frame_error.h"
#include "linger.h"
#include "mappings.h"
#include "say.h"

#define CHUNK_ORDER    9u
#define POPULATE_BATCH 1024u

_Static_assert(XF_CHUNK_PAGES == 1u << CHUNK_ORDER, "a chunk is one superpage");

/* What a lane asks Xen by is its own. */
struct sink_lane {
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    xen_pfn_t gfns[POPULATE_BATCH];
    int errors[XF_CHUNK_PAGES];
};

struct xf_xen_sink {
    uint32_t domid;
    uint64_t page_count;
    bool complete;
    uint64_t special[XF_SPECIAL_MAX];
    unsigned special_n;
    uint64_t *populated; /* a bit a page: what has memory by us; a lane writes its chunks' */
    struct sink_lane *lanes;
    unsigned lanes_n;
    _Atomic uint64_t superpages, small_pages, superpages_refused;
};

static int sink_lanes(void *ctx, unsigned lanes)
{
    struct xf_xen_sink *x = ctx;

    x->lanes = calloc(lanes, sizeof(x->lanes[0]));
    if (!x->lanes)
        return -ENOMEM;
    x->lanes_n = lanes;
    for (unsigned i = 0; i < lanes; i++) {
        x->lanes[i].xch = xc_interface_open(NULL, NULL, 0);
        x->lanes[i].fmem = xenforeignmemory_open(NULL, 0);
        if (!x->lanes[i].xch || !x->lanes[i].fmem) {
            int error = errno ? errno : EIO;

            xf_say("target: cannot open Xen's interfaces: %s", strerror(error));
            return -error;
        }
    }
    return 0;
}

static int populate_small(struct xf_xen_sink *x, struct sink_lane *l, uint64_t first,
                          uint64_t count)
{
    while (count) {
        unsigned n = count < POPULATE_BATCH ? (unsigned)count : POPULATE_BATCH;

        for (unsigned i = 0; i < n; i++)
            l->gfns[i] = first + i;
        int done = xc_domain_populate_physmap(l->xch, x->domid, n, 0, 0, l->gfns);
        if (done < 0) {
            int error = errno ? errno : EIO;

            xf_say("target: domain %u: cannot give it memory from page %#llx on: %s", x->domid,
                   (unsigned long long)first, strerror(error));
            return -error;
        }
        if (done != (int)n) {
            xf_say("target: domain %u: no memory for page %#llx after %llu MiB", x->domid,
                   (unsigned long long)first + (unsigned)done,
                   (unsigned long long)((x->superpages * XF_CHUNK_PAGES + x->small_pages +
                                         (unsigned)done) >>
                                        (20 - XF_PAGE_SHIFT)));
            return -ENOMEM;
        }
        xf_bitmap_set_range(x->populated, first, n);
        x->small_pages += n;
        first += n;
        count -= n;
    }
    return 0;
}

static int sink_populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    struct xf_xen_sink *x = ctx;
    struct sink_lane *l = &x->lanes[lane];

    /* Memory there a second time would hide what xenstored or xenconsoled has mapped; and what has
       no memory of ours is never written to. */
    for (unsigned i = 0; i < x->special_n; i++) {
        if (x->special[i] < first || x->special[i] - first >= count)
            continue;
        xf_say("target: domain %u: the source sends page %#llx, which is not its to send", x->domid,
               (unsigned long long)x->special[i]);
        return -EBADMSG;
    }
    while (count) {
        uint64_t to_chunk = -first % XF_CHUNK_PAGES;
        uint64_t n = to_chunk ? to_chunk : XF_CHUNK_PAGES;

        if (n > count)
            n = count;
        if (n == XF_CHUNK_PAGES) {
            xen_pfn_t extent = first;

            /* A superpage costs a tenth of its pages one by one, and the guest runs faster on it.
             */
            if (xc_domain_populate_physmap(l->xch, x->domid, 1, CHUNK_ORDER, 0, &extent) == 1) {
                xf_bitmap_set_range(x->populated, first, n);
                x->superpages++;
                first += n;
                count -= n;
                continue;
            }
            x->superpages_refused++;
        }
        int rc = populate_small(x, l, first, n);
        if (rc)
            return rc;
        first += n;
        count -= n;
    }
    return 0;
}

/* Of n pages, the first that has memory and did not map; n: there is none. Gfns without memory fail
   too; the caller does not touch those. */
static unsigned find_refused(const struct xf_xen_sink *x, const struct sink_lane *l, uint64_t first,
                             unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (l->errors[i] && first + i < x->page_count && xf_bitmap_test(x->populated, first + i))
            return i;
    return n;
}

static int map_pages(struct xf_xen_sink *x, struct sink_lane *l, uint64_t first, unsigned n,
                     void **base)
{
    for (unsigned i = 0; i < n; i++)
        l->gfns[i] = first + i;
    *base = xenforeignmemory_map(l->fmem, x->domid, PROT_READ | PROT_WRITE, n, l->gfns, l->errors);
    /* ENOMEM is not said: the caller makes room and asks again, and says so if there is none. */
    if (!*base) {
        int error = errno ? errno : EIO;

        if (error != ENOMEM)
            xf_say("target: domain %u: cannot map its pages at %#llx: %s", x->domid,
                   (unsigned long long)first, strerror(error));
        return -error;
    }
    /* In a PVH dom0 such a page can be written to all the same, and what is written is lost. */
    unsigned refused = find_refused(x, l, first, n);

    if (refused < n) {
        int rc = xf_frame_error(l->errors[refused]);

        if (rc != -ENOMEM)
            xf_say("target: domain %u: cannot map page %#llx, which has memory: %s", x->domid,
                   (unsigned long long)first + refused, strerror(-rc));
        xenforeignmemory_unmap(l->fmem, *base, n);
        *base = NULL;
        return rc;
    }
    return 0;
}

static void unmap_pages(struct xf_xen_sink *x, struct sink_lane *l, unsigned n, void *base)
{
    if (!x->complete || !xf_linger_unmap(base, n * XF_PAGE_BYTES))
        xenforeignmemory_unmap(l->fmem, base, n);
}

static int sink_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    struct xf_xen_sink *x = ctx;

    return map_pages(x, &x->lanes[lane], chunk * XF_CHUNK_PAGES, XF_CHUNK_PAGES, base);
}

static void sink_unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    struct xf_xen_sink *x = ctx;

    (void)chunk;
    unmap_pages(x, &x->lanes[lane], XF_CHUNK_PAGES, base);
}

static int sink_map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    struct xf_xen_sink *x = ctx;

    return map_pages(x, &x->lanes[lane], first, XF_PART_PAGES, base);
}

static void sink_unmap_part(void *ctx, unsigned lane, uint64_t first, void *base)
{
    struct xf_xen_sink *x = ctx;

    (void)first;
    unmap_pages(x, &x->lanes[lane], XF_PART_PAGES, base);
}

int xf_xen_sink_new(struct xf_xen_sink **out, uint32_t domid, uint64_t page_count)
{
    struct xf_xen_sink *x = calloc(1, sizeof(*x));

    if (!x)
        return -ENOMEM;
    x->domid = domid;
    x->page_count = page_count;
    x->populated = xf_bitmap_new(page_count);
    if (!x->populated) {
        xf_xen_sink_free(x);
        return -ENOMEM;
    }
    *out = x;
    return 0;
}

struct xf_guest_sink xf_xen_sink_guest(struct xf_xen_sink *x)
{
    static const struct xf_guest_sink_ops ops = {
        .lanes = sink_lanes,
        .populate = sink_populate,
        .map_chunk = sink_map_chunk,
        .unmap_chunk = sink_unmap_chunk,
        .map_part = sink_map_part,
        .unmap_part = sink_unmap_part,
        .wrote = xf_sink_wrote,
        .end_round = xf_sink_end_round,
    };

    struct xf_mappings_host host;

    xf_mappings_look(&host);
    return (struct xf_guest_sink){
        .ops = &ops,
        .ctx = x,
        .page_count = x->page_count,
        .parts = true,
        .chunks_max = xf_mappings_chunks(&host),
    };
}

struct xf_xen_sink_stats xf_xen_sink_stats(const struct xf_xen_sink *x)
{
    return (struct xf_xen_sink_stats){.superpages = x->superpages,
                                      .small_pages = x->small_pages,
                                      .superpages_refused = x->superpages_refused};
}

void xf_xen_sink_keep_out(struct xf_xen_sink *x, const uint64_t *gfns, unsigned n)
{
    x->special_n = n < XF_SPECIAL_MAX ? n : XF_SPECIAL_MAX;
    for (unsigned i = 0; i < x->special_n; i++)
        x->special[i] = gfns[i];
}

void xf_xen_sink_complete(struct xf_xen_sink *x)
{
    x->complete = true;
}

void xf_xen_sink_free(struct xf_xen_sink *x)
{
    if (!x)
        return;
    for (unsigned i = 0; i < x->lanes_n; i++) {
        if (x->lanes[i].fmem)
            xenforeignmemory_close(x->lanes[i].fmem);
        if (x->lanes[i].xch)
            xc_interface_close(x->lanes[i].xch);
    }
    free(x->lanes);
    free(x->populated);
    free(x);
}
