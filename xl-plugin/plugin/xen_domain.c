/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks Xen about one domain. */
#include "xen_domain.h"

#include <errno.h>

int xf_xen_domain(xc_interface *xch, uint32_t domid, struct xf_xen_domain *out)
{
    /* The one call for this that is the same in all versions of libxenctrl. */
    xc_domaininfo_t info;
    int n = xc_domain_getinfolist(xch, domid, 1, &info);

    if (n < 0)
        return -errno;
    if (n != 1 || info.domain != domid)
        return -ESRCH;
    out->hvm = info.flags & XEN_DOMINF_hvm_guest;
    out->dying = info.flags & XEN_DOMINF_dying;
    out->shutdown = info.flags & XEN_DOMINF_shutdown;
    out->tot_pages = info.tot_pages;
    out->shutdown_reason = (info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
    return 0;
}
