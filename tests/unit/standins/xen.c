/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Xen stand-in: libxenctrl and libxenforeignmemory over domains in this process's memory. */
#define XC_WANT_COMPAT_DEVICEMODEL_API
#include "xen.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/hvm/params.h>
#include <xen/grant_table.h>
#include <xenforeignmemory.h>
#include <xenguest.h>

#include "transport/base/bitmap.h"

#define PAGE         4096u
#define TYPES_MAX    1024u /* XEN_DOMCTL_getpageframeinfo3 */
#define CONTEXT_SIZE 1234
#define VERSION_4_17 (4u << 16 | 17)

struct standin standin;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- calls that are counted and fail ----------------------------------------------------------
 */

/* True: this call is to fail, errno says why. Else the lock is held. */
static bool fails(const char *call)
{
    unsigned number = 0;
    int error = 0;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < STANDIN_CALLS && !number; i++) {
        struct standin_call *c = &standin.calls[i];

        if (!c->name)
            c->name = call;
        if (!strcmp(c->name, call))
            number = ++c->count;
    }
    if (standin.fail_at == number && standin.fail_call && !strcmp(standin.fail_call, call))
        error = standin.fail_errno;
    pthread_mutex_unlock(&lock);
    if (standin.hook && !error)
        error = standin.hook(call, number);
    if (error > 0) {
        errno = error;
        return true;
    }
    pthread_mutex_lock(&lock);
    return false;
}

static int done(int rc)
{
    pthread_mutex_unlock(&lock);
    return rc;
}

static int refuse(int error)
{
    pthread_mutex_unlock(&lock);
    errno = error;
    return -1;
}

static struct standin_domain *domain(uint32_t domid)
{
    return domid < STANDIN_DOMAINS && standin.domains[domid].exists ? &standin.domains[domid]
                                                                    : NULL;
}

unsigned standin_calls(const char *call)
{
    unsigned n = 0;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < STANDIN_CALLS; i++)
        if (standin.calls[i].name && !strcmp(standin.calls[i].name, call))
            n = standin.calls[i].count;
    pthread_mutex_unlock(&lock);
    return n;
}

/* ---- domains ----------------------------------------------------------------------------------
 */

static void domain_free(struct standin_domain *d)
{
    if (!d->exists)
        return;
    munmap(d->memory, d->page_count * PAGE);
    close(d->fd);
    free(d->present);
    free(d->logged);
    free(d->dirty);
}

void standin_reset(void)
{
    for (unsigned i = 0; i < STANDIN_DOMAINS; i++)
        domain_free(&standin.domains[i]);
    memset(&standin, 0, sizeof(standin));
    standin.version = VERSION_4_17;
}

struct standin_domain *standin_domain_new(uint32_t domid, uint64_t page_count)
{
    struct standin_domain *d = &standin.domains[domid];

    *d = (struct standin_domain){.exists = true, .page_count = page_count, .room = page_count};
    d->superpages = d->gpfns = page_count;
    d->present = xf_bitmap_new(page_count);
    d->logged = xf_bitmap_new(page_count);
    d->dirty = xf_bitmap_new(page_count);
    d->fd = memfd_create("guest", MFD_CLOEXEC);
    if (!d->present || !d->logged || !d->dirty || d->fd < 0 ||
        ftruncate(d->fd, (off_t)(page_count * PAGE)))
        abort();
    d->memory = mmap(NULL, page_count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
    if (d->memory == MAP_FAILED)
        abort();
    return d;
}

static void get_page(struct standin_domain *d, uint64_t gfn)
{
    if (xf_bitmap_test(d->present, gfn))
        d->populated_twice++;
    else
        d->tot_pages++;
    xf_bitmap_set(d->present, gfn);
    xf_bitmap_clear(d->logged, gfn);
    if (d->marks_populated && d->logdirty) {
        xf_bitmap_set(d->dirty, gfn);
        xf_bitmap_set(d->logged, gfn);
    }
}

void standin_populate(struct standin_domain *d, uint64_t gfn)
{
    pthread_mutex_lock(&lock);
    get_page(d, gfn);
    memset(d->memory + gfn * PAGE, 0, PAGE); /* Xen scrubs */
    pthread_mutex_unlock(&lock);
}

void standin_give_back(struct standin_domain *d, uint64_t gfn)
{
    pthread_mutex_lock(&lock);
    if (xf_bitmap_test(d->present, gfn))
        d->tot_pages--;
    xf_bitmap_clear(d->present, gfn);
    xf_bitmap_clear(d->logged, gfn);
    pthread_mutex_unlock(&lock);
}

void standin_write(struct standin_domain *d, uint64_t gfn, uint64_t value)
{
    pthread_mutex_lock(&lock);
    memcpy(d->memory + gfn * PAGE, &value, sizeof(value));
    if (d->logdirty && xf_bitmap_test(d->logged, gfn))
        xf_bitmap_set(d->dirty, gfn);
    pthread_mutex_unlock(&lock);
}

uint64_t standin_differing(const struct standin_domain *a, const struct standin_domain *b)
{
    uint64_t n = 0;

    for (uint64_t gfn = 0; gfn < a->page_count; gfn++) {
        bool has = xf_bitmap_test(a->present, gfn);

        if (has != xf_bitmap_test(b->present, gfn))
            n++;
        else if (has)
            n += memcmp(a->memory + gfn * PAGE, b->memory + gfn * PAGE, PAGE) != 0;
    }
    return n;
}

/* ---- libxenctrl -------------------------------------------------------------------------------
 */

int xc_get_pfn_type_batch(xc_interface *xch, uint32_t dom, unsigned int num, xen_pfn_t *types);

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
                                unsigned open_flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)open_flags;
    if (fails("xc_interface_open"))
        return NULL;
    standin.interfaces++;
    done(0);
    return (xc_interface *)&standin;
}

int xc_interface_close(xc_interface *xch)
{
    (void)xch;
    pthread_mutex_lock(&lock);
    standin.interfaces--;
    return done(0);
}

int xc_version(xc_interface *xch, int cmd, void *arg)
{
    (void)xch;
    (void)cmd;
    (void)arg;
    if (fails("xc_version"))
        return -1;
    return done((int)standin.version);
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first_domain, unsigned int max_domains,
                          xc_domaininfo_t *info)
{
    (void)xch;
    (void)max_domains;
    if (fails("xc_domain_getinfolist"))
        return -1;
    for (uint32_t domid = first_domain; domid < STANDIN_DOMAINS; domid++) {
        const struct standin_domain *d = domain(domid);

        if (!d)
            continue;
        memset(info, 0, sizeof(*info));
        info->domain = (domid_t)domid;
        info->tot_pages = d->tot_pages;
        info->flags = (d->pv ? 0 : XEN_DOMINF_hvm_guest) | (d->shutdown ? XEN_DOMINF_shutdown : 0) |
                      (d->paused ? XEN_DOMINF_paused : 0) | (d->dying ? XEN_DOMINF_dying : 0) |
                      d->reason << XEN_DOMINF_shutdownshift;
        memcpy(info->handle, d->uuid, sizeof(info->handle));
        return done(1);
    }
    return done(0);
}

int xc_domain_nr_gpfns(xc_interface *xch, uint32_t domid, xen_pfn_t *gpfns)
{
    (void)xch;
    if (fails("xc_domain_nr_gpfns"))
        return -1;
    if (!domain(domid))
        return refuse(ESRCH);
    *gpfns = domain(domid)->gpfns;
    return done(0);
}

int xc_get_pfn_type_batch(xc_interface *xch, uint32_t dom, unsigned int num, xen_pfn_t *types)
{
    const struct standin_domain *d;

    (void)xch;
    if (fails("xc_get_pfn_type_batch"))
        return -1;
    d = domain(dom);
    if (!d)
        return refuse(ESRCH);
    if (num > TYPES_MAX)
        return refuse(E2BIG);
    if (num > standin.most_types)
        standin.most_types = num;
    standin.types_asked += num;
    for (unsigned i = 0; i < num; i++)
        types[i] = types[i] < d->page_count && xf_bitmap_test(d->present, types[i])
                       ? XEN_DOMCTL_PFINFO_NOTAB
                       : XEN_DOMCTL_PFINFO_XTAB;
    return done(0);
}

static void log_from_now(struct standin_domain *d)
{
    const size_t bytes = xf_bitmap_words(d->page_count) * sizeof(uint64_t);

    memcpy(d->logged, d->present, bytes);
    memset(d->dirty, 0, bytes);
}

int xc_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb,
                      unsigned int mode)
{
    struct standin_domain *d;

    (void)xch;
    (void)mb;
    (void)mode;
    if (fails(sop == XEN_DOMCTL_SHADOW_OP_OFF ? "xc_shadow_control(OFF)"
                                              : "xc_shadow_control(ENABLE)"))
        return -1;
    d = domain(domid);
    if (!d)
        return refuse(ESRCH);
    if (sop == XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY && d->logdirty)
        return refuse(EINVAL);
    d->logdirty = sop == XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY;
    log_from_now(d);
    return done(0);
}

long long xc_logdirty_control(xc_interface *xch, uint32_t domid, unsigned int sop,
                              xc_hypercall_buffer_t *dirty_bitmap, unsigned long pages,
                              unsigned int mode, xc_shadow_op_stats_t *stats)
{
    struct standin_domain *d;

    (void)xch;
    (void)mode;
    if (fails(sop == XEN_DOMCTL_SHADOW_OP_PEEK ? "xc_logdirty_control(PEEK)"
                                               : "xc_logdirty_control(CLEAN)"))
        return -1;
    d = domain(domid);
    if (!d)
        return refuse(ESRCH);
    if (dirty_bitmap->hbuf)
        memcpy(dirty_bitmap->hbuf, d->dirty, (pages + 7) / 8);
    if (stats)
        stats->dirty_count = (uint32_t)xf_bitmap_count(d->dirty, d->page_count);
    if (sop == XEN_DOMCTL_SHADOW_OP_CLEAN)
        log_from_now(d);
    pthread_mutex_unlock(&lock);
    return (long long)pages;
}

int xc_domain_populate_physmap(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                               unsigned int extent_order, unsigned int mem_flags,
                               xen_pfn_t *extent_start)
{
    const uint64_t pages = UINT64_C(1) << extent_order;
    struct standin_domain *d;
    unsigned long i;

    (void)xch;
    (void)mem_flags;
    if (fails(extent_order ? "xc_domain_populate_physmap(2M)" : "xc_domain_populate_physmap"))
        return -1;
    d = domain(domid);
    if (!d)
        return refuse(ESRCH);
    for (i = 0; i < nr_extents; i++) {
        if (d->room < pages || (extent_order && !d->superpages))
            break;
        d->room -= pages;
        d->superpages -= extent_order > 0;
        *(extent_order ? &d->large_pages : &d->small_pages) += 1;
        for (uint64_t p = 0; p < pages; p++)
            get_page(d, extent_start[i] + p);
    }
    return done((int)i);
}

void *xc__hypercall_buffer_alloc_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages)
{
    (void)xch;
    if (fails("xc__hypercall_buffer_alloc_pages"))
        return NULL;
    b->hbuf = calloc((size_t)nr_pages, PAGE);
    done(0);
    return b->hbuf;
}

void xc__hypercall_buffer_free_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages)
{
    (void)xch;
    (void)nr_pages;
    free(b->hbuf);
}

void standin_second_begins(uint32_t domid)
{
    if (xc_shadow_control(NULL, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0)) {
        standin_second_ends(domid);
        xc_shadow_control(NULL, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0);
    }
}

void standin_second_reads(uint32_t domid)
{
    xc_hypercall_buffer_t nowhere = {.hbuf = NULL};

    xc_logdirty_control(NULL, domid, XEN_DOMCTL_SHADOW_OP_CLEAN, &nowhere,
                        standin.domains[domid].page_count, 0, NULL);
}

void standin_second_ends(uint32_t domid)
{
    xc_shadow_control(NULL, domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
}

int xc_hvm_param_get(xc_interface *handle, uint32_t dom, uint32_t param, uint64_t *value)
{
    (void)handle;
    if (fails("xc_hvm_param_get"))
        return -1;
    if (!domain(dom))
        return refuse(ESRCH);
    *value = param == HVM_PARAM_STORE_PFN     ? 3
             : param == HVM_PARAM_CONSOLE_PFN ? 4
             : param == HVM_PARAM_IDENT_PT    ? 5 * PAGE
             : param == HVM_PARAM_SHARING_RING_PFN || param == HVM_PARAM_MONITOR_RING_PFN ||
                     param == HVM_PARAM_PAGING_RING_PFN
                 ? (standin.no_canary ? 0 : 6)
                 : 0;
    return done(0);
}

int xc_hvm_modified_memory(xc_interface *xch, uint32_t domid, uint64_t first_pfn, uint32_t nr)
{
    struct standin_domain *d;

    (void)xch;
    if (fails("xc_hvm_modified_memory"))
        return -1;
    d = domain(domid);
    if (!d)
        return refuse(ESRCH);
    if (first_pfn + nr >= d->gpfns)
        return refuse(EINVAL);
    for (uint64_t gfn = first_pfn; d->logdirty && gfn < first_pfn + nr; gfn++)
        if (xf_bitmap_test(d->present, gfn))
            xf_bitmap_set(d->dirty, gfn);
    return done(0);
}

int xc_domain_hvm_setcontext(xc_interface *xch, uint32_t domid, uint8_t *hvm_ctxt, uint32_t size)
{
    (void)xch;
    (void)hvm_ctxt;
    if (fails("xc_domain_hvm_setcontext"))
        return -1;
    if (!domain(domid))
        return refuse(ESRCH);
    domain(domid)->contexts_set++;
    domain(domid)->context_set_bytes = size;
    return done(0);
}

int xc_domain_set_tsc_info(xc_interface *xch, uint32_t domid, uint32_t tsc_mode,
                           uint64_t elapsed_nsec, uint32_t gtsc_khz, uint32_t incarnation)
{
    (void)xch;
    (void)tsc_mode;
    (void)elapsed_nsec;
    (void)gtsc_khz;
    (void)incarnation;
    if (fails("xc_domain_set_tsc_info"))
        return -1;
    return domain(domid) ? done(0) : refuse(ESRCH);
}

int xc_hvm_param_set(xc_interface *handle, uint32_t dom, uint32_t param, uint64_t value)
{
    (void)handle;
    (void)param;
    (void)value;
    if (fails("xc_hvm_param_set"))
        return -1;
    if (!domain(dom))
        return refuse(ESRCH);
    domain(dom)->params_set++;
    return done(0);
}

int xc_domain_hvm_getcontext(xc_interface *xch, uint32_t domid, uint8_t *ctxt_buf, uint32_t size)
{
    (void)xch;
    if (fails("xc_domain_hvm_getcontext"))
        return -1;
    if (!domain(domid))
        return refuse(ESRCH);
    if (domain(domid)->context[0]) {
        if (ctxt_buf)
            memcpy(ctxt_buf, domain(domid)->context, sizeof(domain(domid)->context));
        return done(sizeof(domain(domid)->context));
    }
    if (ctxt_buf)
        memset(ctxt_buf, 0x5a, size);
    return done(CONTEXT_SIZE);
}

int xc_domain_get_tsc_info(xc_interface *xch, uint32_t domid, uint32_t *tsc_mode,
                           uint64_t *elapsed_nsec, uint32_t *gtsc_khz, uint32_t *incarnation)
{
    (void)xch;
    if (fails("xc_domain_get_tsc_info"))
        return -1;
    if (!domain(domid))
        return refuse(ESRCH);
    *tsc_mode = 0;
    *elapsed_nsec = 1;
    *gtsc_khz = 2000000;
    *incarnation = 1;
    return done(0);
}

xc_cpu_policy_t *xc_cpu_policy_init(void)
{
    if (fails("xc_cpu_policy_init"))
        return NULL;
    standin.policies++;
    done(0);
    return malloc(1);
}

void xc_cpu_policy_destroy(xc_cpu_policy_t *policy)
{
    pthread_mutex_lock(&lock);
    standin.policies--;
    done(0);
    free(policy);
}

int xc_cpu_policy_get_size(xc_interface *xch, uint32_t *nr_leaves, uint32_t *nr_msrs)
{
    (void)xch;
    if (fails("xc_cpu_policy_get_size"))
        return -1;
    *nr_leaves = 9;
    *nr_msrs = 3;
    return done(0);
}

int xc_cpu_policy_get_domain(xc_interface *xch, uint32_t domid, xc_cpu_policy_t *policy)
{
    (void)xch;
    (void)domid;
    (void)policy;
    return fails("xc_cpu_policy_get_domain") ? -1 : done(0);
}

int xc_cpu_policy_serialise(xc_interface *xch, const xc_cpu_policy_t *policy,
                            xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves, xen_msr_entry_t *msrs,
                            uint32_t *nr_msrs)
{
    (void)xch;
    (void)policy;
    if (fails("xc_cpu_policy_serialise"))
        return -1;
    *nr_leaves = 7;
    *nr_msrs = 1;
    memset(leaves, 0x11, 7 * sizeof(*leaves));
    memset(msrs, 0x22, sizeof(*msrs));
    return done(0);
}

/* ---- libxenforeignmemory ----------------------------------------------------------------------
 */

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger,
                                               unsigned open_flags)
{
    (void)logger;
    (void)open_flags;
    if (fails("xenforeignmemory_open"))
        return NULL;
    standin.interfaces++;
    done(0);
    return (xenforeignmemory_handle *)&standin;
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    (void)fmem;
    pthread_mutex_lock(&lock);
    standin.interfaces--;
    return done(0);
}

static int frame_error(const struct standin_domain *d, uint32_t dom, uint64_t gfn)
{
    if (gfn >= d->page_count || !xf_bitmap_test(d->present, gfn))
        return EINVAL;
    return standin.frame_error ? standin.frame_error(dom, gfn) : 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom, int prot, size_t pages,
                           const xen_pfn_t arr[], int err[])
{
    const struct standin_domain *d;
    uint8_t *base;

    (void)fmem;
    if (fails("xenforeignmemory_map"))
        return NULL;
    d = domain(dom);
    if (!d) {
        refuse(ESRCH);
        return NULL;
    }
    base = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        abort();
    for (size_t i = 0; i < pages;) {
        int error = frame_error(d, dom, arr[i]);
        size_t n = 1;

        while (!error && i + n < pages && arr[i + n] == arr[i] + n &&
               !frame_error(d, dom, arr[i + n]))
            n++;
        for (size_t k = i; k < i + n; k++)
            err[k] = -error; /* as Linux does */
        /* In a PVH dom0 Linux maps a page of its own whether Xen puts the guest's there or not. */
        void *got = !error ? mmap(base + i * PAGE, n * PAGE, prot, MAP_SHARED | MAP_FIXED, d->fd,
                                  (off_t)(arr[i] * PAGE))
                    : standin.pvh_dom0 ? mmap(base + i * PAGE, PAGE, prot,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
                                       : base;

        if (got == MAP_FAILED)
            abort();
        i += n;
    }
    standin.mappings++;
    if (pages > standin.largest_map)
        standin.largest_map = pages;
    done(0);
    return base;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr, size_t pages)
{
    (void)fmem;
    pthread_mutex_lock(&lock);
    standin.mappings--;
    munmap(addr, pages * PAGE);
    return done(0);
}

/* ---- grants --------------------------------------------------------------------------------- */

int xc_gnttab_get_version(xc_interface *xch, uint32_t domid)
{
    (void)xch;
    if (fails("xc_gnttab_get_version"))
        return -1;
    return domain(domid) ? done(1) : refuse(ESRCH);
}

int xc_gnttab_query_size(xc_interface *xch, struct gnttab_query_size *query)
{
    const struct standin_domain *d;

    (void)xch;
    if (fails("xc_gnttab_query_size"))
        return -1;
    d = domain(query->dom);
    if (!d)
        return refuse(ESRCH);
    query->nr_frames = d->granted ? 1 : 0;
    query->status = GNTST_okay;
    return done(0);
}

/* The resource is the page that it maps. */
xenforeignmemory_resource_handle *
xenforeignmemory_map_resource(xenforeignmemory_handle *fmem, domid_t domid, unsigned int type,
                              unsigned int id, unsigned long frame, unsigned long nr_frames,
                              void **paddr, int prot, int flags)
{
    const struct standin_domain *d;
    grant_entry_v1_t *table;

    (void)fmem;
    (void)id;
    (void)frame;
    (void)prot;
    (void)flags;
    if (fails("xenforeignmemory_map_resource"))
        return NULL;
    d = domain(domid);
    if (!d || type != XENMEM_resource_grant_table || nr_frames != 1) {
        refuse(EINVAL);
        return NULL;
    }
    table = calloc(1, PAGE);
    if (!table)
        abort();
    table[8].flags = GTF_permit_access | GTF_reading | GTF_writing;
    table[8].frame = (uint32_t)d->granted;
    standin.mappings++;
    done(0);
    *paddr = table;
    return (xenforeignmemory_resource_handle *)table;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem,
                                    xenforeignmemory_resource_handle *resource)
{
    (void)fmem;
    pthread_mutex_lock(&lock);
    standin.mappings--;
    free(resource);
    return done(0);
}
