/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records: asks Xen for CPU policies, TSC, HVM context and parameters, and writes them to the
 * stream.
 */
#include "records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/hvm/params.h>
#include <xenguest.h>

#include "say.h"
#include "stream.h"

static int fail(uint32_t domid, const char *what)
{
    int error = errno ? errno : EIO;

    xf_say("source: domain %u: cannot get its %s: %s", domid, what, strerror(error));
    return -error;
}

static int put(int fd, uint32_t type, const void *body, size_t length)
{
    int rc = xf_stream_write_record(fd, type, body, (uint32_t)length);

    if (rc)
        xf_say("source: cannot write record %#x to the target's xl: %s", type, strerror(-rc));
    return rc;
}

static int write_cpu_policy(xc_interface *xch, int fd, uint32_t domid)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    xen_cpuid_leaf_t *leaves = NULL;
    xen_msr_entry_t *msrs = NULL;
    uint32_t nr_leaves = 0, nr_msrs = 0;
    int rc;

    if (!policy || xc_cpu_policy_get_size(xch, &nr_leaves, &nr_msrs) < 0) {
        rc = fail(domid, "CPU policy's size");
        goto out;
    }
    leaves = calloc(nr_leaves, sizeof(*leaves));
    msrs = calloc(nr_msrs, sizeof(*msrs));
    if (!leaves || !msrs) {
        errno = ENOMEM;
        rc = fail(domid, "CPU policy");
        goto out;
    }
    if (xc_cpu_policy_get_domain(xch, domid, policy) ||
        xc_cpu_policy_serialise(xch, policy, leaves, &nr_leaves, msrs, &nr_msrs)) {
        rc = fail(domid, "CPU policy");
        goto out;
    }
    rc = nr_leaves ? put(fd, XF_REC_X86_CPUID_POLICY, leaves, nr_leaves * sizeof(*leaves)) : 0;
    if (!rc && nr_msrs)
        rc = put(fd, XF_REC_X86_MSR_POLICY, msrs, nr_msrs * sizeof(*msrs));
out:
    free(msrs);
    free(leaves);
    if (policy)
        xc_cpu_policy_destroy(policy);
    return rc;
}

int xf_records_write_static(xc_interface *xch, int fd, uint32_t domid)
{
    int rc = write_cpu_policy(xch, fd, domid);

    return rc ? rc : put(fd, XF_REC_STATIC_DATA_END, NULL, 0);
}

static int write_tsc(xc_interface *xch, int fd, uint32_t domid)
{
    struct {
        uint32_t mode, khz;
        uint64_t nsec;
        uint32_t incarnation, reserved;
    } tsc = {0};

    if (xc_domain_get_tsc_info(xch, domid, &tsc.mode, &tsc.nsec, &tsc.khz, &tsc.incarnation) < 0)
        return fail(domid, "TSC");
    return put(fd, XF_REC_X86_TSC_INFO, &tsc, sizeof(tsc));
}

static int write_context(xc_interface *xch, int fd, uint32_t domid)
{
    uint8_t *buf = NULL;
    int rc, size = xc_domain_hvm_getcontext(xch, domid, NULL, 0);

    if (size < 0) {
        rc = fail(domid, "context's size");
        goto out;
    }
    buf = malloc((size_t)size + !size);
    if (!buf) {
        errno = ENOMEM;
        rc = fail(domid, "context");
        goto out;
    }
    size = xc_domain_hvm_getcontext(xch, domid, buf, (uint32_t)size);
    rc = size < 0 ? fail(domid, "context") : put(fd, XF_REC_HVM_CONTEXT, buf, (size_t)size);
out:
    free(buf);
    return rc;
}

static int write_params(xc_interface *xch, int fd, uint32_t domid, uint32_t type)
{
    /* The ones that libxenguest sends, in its order. */
    static const uint32_t indices[] = {
        HVM_PARAM_STORE_PFN,
        HVM_PARAM_IOREQ_PFN,
        HVM_PARAM_BUFIOREQ_PFN,
        HVM_PARAM_PAGING_RING_PFN,
        HVM_PARAM_MONITOR_RING_PFN,
        HVM_PARAM_SHARING_RING_PFN,
        HVM_PARAM_VM86_TSS_SIZED,
        HVM_PARAM_CONSOLE_PFN,
        HVM_PARAM_ACPI_IOPORTS_LOCATION,
        HVM_PARAM_VIRIDIAN,
        HVM_PARAM_IDENT_PT,
        HVM_PARAM_VM_GENERATION_ID_ADDR,
        HVM_PARAM_IOREQ_SERVER_PFN,
        HVM_PARAM_NR_IOREQ_SERVER_PAGES,
        HVM_PARAM_X87_FIP_WIDTH,
        HVM_PARAM_MCA_CAP,
    };
    enum { N = sizeof(indices) / sizeof(*indices) };
    struct {
        uint32_t count, reserved;
        struct {
            uint64_t index, value;
        } entry[N];
    } params = {0};

    for (unsigned i = 0; i < N; i++) {
        uint64_t value;

        if (xc_hvm_param_get(xch, domid, indices[i], &value))
            return fail(domid, "HVM parameters");
        /* The target's are zero to begin with. */
        if (!value)
            continue;
        params.entry[params.count].index = indices[i];
        params.entry[params.count].value = value;
        params.count++;
    }
    if (!params.count)
        return 0;
    return put(fd, type, &params,
               offsetof(__typeof__(params), entry) + params.count * sizeof(params.entry[0]));
}

int xf_records_write_early(xc_interface *xch, int fd, uint32_t domid)
{
    return write_params(xch, fd, domid, XF_REC_EARLY);
}

int xf_records_write_tail(xc_interface *xch, int fd, uint32_t domid)
{
    int rc = write_tsc(xch, fd, domid);

    rc = rc ?: write_context(xch, fd, domid);
    rc = rc ?: write_params(xch, fd, domid, XF_REC_HVM_PARAMS);
    return rc ?: put(fd, XF_REC_END, NULL, 0);
}
