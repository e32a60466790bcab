/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Incoming: finds the new domain, cuts its context, and gives it the guest's. */
#include "incoming.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libxenctrl exports it for libxenguest; its prototype is private. */
int xc_get_pfn_type_batch(xc_interface *xch, uint32_t dom, unsigned int num, xen_pfn_t *types);

/* A descriptor in a context (xen/include/public/arch-x86/hvm/save.h). */
struct descriptor {
    uint16_t type, instance;
    uint32_t length;
};
#define HEADER_TYPE 1u

int xf_incoming_open(struct xf_incoming *i, const char *uuid)
{
    *i = (struct xf_incoming){0};
    i->xch = xc_interface_open(NULL, NULL, 0);
    if (!i->xch)
        return errno ? -errno : -EIO;
    int rc = xf_newcomer_begin(&i->newcomer, i->xch, uuid);

    if (rc)
        xf_incoming_close(i);
    return rc;
}

void xf_incoming_close(struct xf_incoming *i)
{
    if (i->xch)
        xc_interface_close(i->xch);
    i->xch = NULL;
}

int xf_incoming_find(struct xf_incoming *i)
{
    xc_domaininfo_t info;
    int rc = xf_newcomer_find(&i->newcomer, &info);

    if (!rc) {
        i->domid = info.domain;
        i->paused = info.flags & XEN_DOMINF_paused;
    }
    return rc;
}

int xf_incoming_has(const struct xf_incoming *i, const uint64_t *gfns, unsigned n)
{
    xen_pfn_t types[XF_SPECIAL_MAX];

    for (unsigned g = 0; g < n; g++)
        types[g] = gfns[g];
    if (xc_get_pfn_type_batch(i->xch, i->domid, n, types))
        return -errno;
    for (unsigned g = 0; g < n; g++)
        if ((types[g] & XEN_DOMCTL_PFINFO_LTAB_MASK) == XEN_DOMCTL_PFINFO_XTAB)
            return -EAGAIN;
    return 0;
}

int xf_incoming_header(const struct xf_incoming *i, void **context, uint32_t *length)
{
    int size = xc_domain_hvm_getcontext(i->xch, i->domid, NULL, 0);
    struct descriptor d;
    uint8_t *bytes;

    *context = NULL;
    if (size < 0)
        return -errno;
    bytes = calloc(1, (size_t)size + sizeof(d));
    if (!bytes)
        return -ENOMEM;
    size = xc_domain_hvm_getcontext(i->xch, i->domid, bytes, (uint32_t)size);
    int rc = size < 0 ? -errno : (size_t)size < 2 * sizeof(d) ? -EBADMSG : 0;

    if (!rc) {
        memcpy(&d, bytes, sizeof(d));
        if (d.type != HEADER_TYPE || d.instance || d.length > (uint32_t)size - 2 * sizeof(d))
            rc = -EBADMSG;
    }
    if (rc) {
        free(bytes);
        return rc;
    }
    /* Its END is a descriptor of zeros. */
    memset(bytes + sizeof(d) + d.length, 0, sizeof(d));
    *context = bytes;
    *length = (uint32_t)(2 * sizeof(d) + d.length);
    return 0;
}

int xf_incoming_finish(struct xf_incoming *i, const uint8_t tsc[XF_TSC_BYTES], void *context,
                       uint32_t length, const struct xf_params *set)
{
    struct {
        uint32_t mode, khz;
        uint64_t nsec;
        uint32_t incarnation, reserved;
    } t;
    _Static_assert(sizeof(t) == XF_TSC_BYTES, "no hole");
    const uint32_t domid = i->domid;
    int rc = xf_incoming_find(i);

    memcpy(&t, tsc, sizeof(t));
    if (rc || i->domid != domid)
        return rc ?: -ENOENT;
    if (!i->paused)
        return -EBUSY;
    /* Xen's own restore has this order. */
    if (xc_domain_set_tsc_info(i->xch, domid, le32toh(t.mode), le64toh(t.nsec), le32toh(t.khz),
                               le32toh(t.incarnation)))
        return -errno;
    if (xc_domain_hvm_setcontext(i->xch, domid, context, length) < 0)
        return -errno;
    for (unsigned p = 0; p < set->n; p++)
        if (xc_hvm_param_set(i->xch, domid, (uint32_t)set->of[p].index, set->of[p].value))
            return -errno;
    return 0;
}
