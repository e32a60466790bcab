/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unsteady: lists the pages that --verify leaves out because others write to them. */
#include "unsteady.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/hvm/params.h>
#include <xenforeignmemory.h>
#include <xenguest.h>

#include "transport/guest.h"
#include "granted.h"

int xf_unsteady_hvm(xc_interface *xch, uint32_t domid, uint64_t pages[XF_UNSTEADY_MAX])
{
    static const struct {
        uint32_t param;
        bool address; /* of bytes, in the lower half; else a gfn */
    } named[] = {
        {HVM_PARAM_STORE_PFN, false},        {HVM_PARAM_CONSOLE_PFN, false},
        {HVM_PARAM_IOREQ_PFN, false},        {HVM_PARAM_BUFIOREQ_PFN, false},
        {HVM_PARAM_PAGING_RING_PFN, false},  {HVM_PARAM_MONITOR_RING_PFN, false},
        {HVM_PARAM_SHARING_RING_PFN, false}, {HVM_PARAM_IDENT_PT, true},
        {HVM_PARAM_VM86_TSS, true},          {HVM_PARAM_VM86_TSS_SIZED, true},
    };
    uint64_t value, count;
    int n = 0;

    for (unsigned i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (xc_hvm_param_get(xch, domid, named[i].param, &value))
            return -errno;
        if (value)
            pages[n++] = named[i].address ? (uint32_t)value >> XF_PAGE_SHIFT : value;
    }
    if (xc_hvm_param_get(xch, domid, HVM_PARAM_IOREQ_SERVER_PFN, &value) ||
        xc_hvm_param_get(xch, domid, HVM_PARAM_NR_IOREQ_SERVER_PAGES, &count))
        return -errno;
    for (uint64_t i = 0; value && i < count && n < (int)XF_UNSTEADY_MAX; i++)
        pages[n++] = value + i;
    return n;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

void xf_unsteady_sort(uint64_t *pages, unsigned n)
{
    qsort(pages, n, sizeof(*pages), by_number);
}

bool xf_unsteady_has(const uint64_t *pages, unsigned n, uint64_t page)
{
    return bsearch(&page, pages, n, sizeof(*pages), by_number);
}

/* A PV guest grants machine frames; Xen's m2p table says which of the guest's pages each is. */
static int add_granted(xc_interface *xch, uint32_t domid, uint64_t pages[XF_UNSTEADY_MAX], int n)
{
    unsigned long max_mfn = 0;
    xen_pfn_t *m2p = NULL;
    uint64_t *frames;
    int count = xf_granted(xch, domid, &frames);

    if (count < 0)
        return count;
    if (count && (xc_maximum_ram_page(xch, &max_mfn) ||
                  !(m2p = xc_map_m2p(xch, max_mfn, PROT_READ, NULL)))) {
        n = errno ? -errno : -ENOMEM;
        count = 0;
    }
    for (int i = 0; i < count; i++) {
        if (frames[i] >= max_mfn)
            continue;
        if (n == (int)XF_UNSTEADY_MAX) {
            n = -E2BIG;
            break;
        }
        pages[n++] = m2p[frames[i]];
    }
    /* It is mapped in pieces of 2 MiB. */
    if (m2p)
        munmap(m2p, (max_mfn * sizeof(*m2p) + 0x1fffff) & ~0x1fffffUL);
    free(frames);
    return n;
}

/*
 * The guest that suspends itself leaves its start_info's frame in edx of vCPU 0, and in start_info
 * pfns for the two rings: what Xen's own save and restore rely on too
 * (tools/libs/guest/xg_sr_save_x86_pv.c, process_start_info() of xg_sr_restore_x86_pv.c).
 */
int xf_unsteady_pv(xc_interface *xch, uint32_t domid, uint64_t pages[XF_UNSTEADY_MAX])
{
    /* Where store_mfn and console.domU.mfn lie (public/xen.h), by the guest's width. */
    static const unsigned at64[2] = {56, 72}, at32[2] = {44, 52};
    vcpu_guest_context_any_t *context = NULL;
    xenforeignmemory_handle *fmem = NULL;
    unsigned width = 0;
    uint8_t *info = NULL;
    xen_pfn_t frame;
    int rc = 0;

    _Static_assert(__builtin_offsetof(start_info_t, store_mfn) == 56 &&
                       __builtin_offsetof(start_info_t, console.domU.mfn) == 72,
                   "as a 64 bit guest has them");
    context = calloc(1, sizeof(*context));
    fmem = xenforeignmemory_open(NULL, 0);
    if (!context || !fmem || xc_domain_get_guest_width(xch, domid, &width) ||
        xc_vcpu_getcontext(xch, domid, 0, context)) {
        rc = errno ? -errno : -EIO;
        goto out;
    }
    frame = width == 8 ? context->x64.user_regs.rdx : context->x32.user_regs.edx;
    info = xenforeignmemory_map(fmem, domid, PROT_READ, 1, &frame, NULL);
    if (!info) {
        rc = -errno;
        goto out;
    }
    for (; rc < 2; rc++) {
        pages[rc] = 0;
        memcpy(&pages[rc], info + (width == 8 ? at64 : at32)[rc], width == 8 ? 8 : 4);
    }
    rc = add_granted(xch, domid, pages, rc);
    if (rc > 0)
        xf_unsteady_sort(pages, (unsigned)rc);
out:
    if (info)
        xenforeignmemory_unmap(fmem, info, 1);
    if (fmem)
        xenforeignmemory_close(fmem);
    free(context);
    return rc;
}
