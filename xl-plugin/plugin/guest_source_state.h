/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest source's own state, shared by its three files and no others: guest_source.c, on top of
 * guest_source_log.c, the dirty log, and guest_source_late.c, which looks for pages that the guest
 * takes into its memory while it moves.
 */
#ifndef XF_PLUGIN_GUEST_SOURCE_STATE_H
#define XF_PLUGIN_GUEST_SOURCE_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenguest.h>

#include "transport/guest.h"
#include "cap.h"
#include "dirty_log.h"
#include "special.h"

/* libxenctrl exports it for libxenguest; its prototype is private. Xen takes 1024 at a time, but
   libxencall keeps buffers of one page, with a header of 16 bytes, for the next call; more than fit
   in one are an mmap() and a munmap() each time, dear in a PV dom0. */
int xc_get_pfn_type_batch(xc_interface *xch, uint32_t dom, unsigned int num, xen_pfn_t *types);
#define TYPE_BATCH ((unsigned)((XF_PAGE_BYTES - 16) / sizeof(xen_pfn_t)))

/* From 4.22 on, Xen marks pages dirty that a guest takes into its memory. */
#define XEN_MARKS_POPULATED (4 << 16 | 22)

/* What a lane maps, and asks Xen by. */
struct xf_xen_source_lane {
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    void *mapping;
    unsigned mapped;
    xen_pfn_t gfns[XF_MAP_BATCH_PAGES];
    xen_pfn_t types[XF_MAP_BATCH_PAGES];
    int errors[XF_MAP_BATCH_PAGES];
};

struct xf_xen_source {
    xc_interface *xch;
    struct xf_xen_source_lane *lanes;
    unsigned lanes_n;
    uint32_t domid;
    const struct save_callbacks *callbacks;
    uint64_t page_count;
    struct xf_dirty_log log;
    uint64_t special[XF_SPECIAL_MAX]; /* gfns that do not travel (early hand-over) */
    unsigned special_n;
    struct xf_cap cap;
    bool logdirty, qemu_logdirty;
    bool still;     /* the guest stands, and is being verified */
    uint64_t asked; /* gfns below have been, by start() */

    /* guest_source_late.c: lane 0 counts while it maps, and control, under this */
    pthread_mutex_t late;
    bool counts;        /* this Xen makes it necessary */
    uint64_t *empty;    /* gfns that had no content when they were last asked about; a lane writes
                           its chunks' */
    uint64_t tot_pages; /* that it had when last counted ... */
    uint64_t low_pages; /* ... and at the least since the last dirty() */
    bool fell;          /* it has given pages back, of which only some are known to be empty */
    bool swapped;       /* and then has taken some */
    bool moved;         /* either, ever */

    /* Of those that control asks about. */
    xen_pfn_t gfns[TYPE_BATCH];
    xen_pfn_t types[TYPE_BATCH];
};

/* Says what failed, by errno, and returns that. */
int xf_xen_source_fail(const struct xf_xen_source *x, const char *what);

bool xf_xen_has_content(xen_pfn_t type);

/* Of the gfns in types[0..n) makes types. Asking has an effect: it gives memory to pages that
   populate-on-demand still owes the guest. */
int xf_xen_source_types(const struct xf_xen_source *x, xc_interface *xch, xen_pfn_t *types,
                        unsigned n);

#endif
