/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the guest source ask of its pages alike. */
#include "guest_source_state.h"

#include <errno.h>
#include <string.h>

#include "say.h"

int xf_xen_source_fail(const struct xf_xen_source *x, const char *what)
{
    int error = errno ? errno : EIO;

    xf_say("source: domain %u: %s: %s", x->domid, what, strerror(error));
    return -error;
}

bool xf_xen_has_content(xen_pfn_t type)
{
    switch (type & XEN_DOMCTL_PFINFO_LTAB_MASK) {
    case XEN_DOMCTL_PFINFO_XTAB:
    case XEN_DOMCTL_PFINFO_BROKEN:
    case XEN_DOMCTL_PFINFO_XALLOC:
        return false;
    default:
        return true;
    }
}

int xf_xen_source_types(const struct xf_xen_source *x, xc_interface *xch, xen_pfn_t *types,
                        unsigned n)
{
    for (unsigned first = 0; first < n; first += TYPE_BATCH) {
        unsigned batch = n - first < TYPE_BATCH ? n - first : TYPE_BATCH;

        if (xc_get_pfn_type_batch(xch, x->domid, batch, types + first))
            return xf_xen_source_fail(x, "cannot query the types of its pages");
    }
    return 0;
}
