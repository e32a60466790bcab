/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Xen says of a domain. */
#ifndef XF_PLUGIN_XEN_DOMAIN_H
#define XF_PLUGIN_XEN_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>

/* What xf_xen_domain() finds; -ESRCH if there is no such domain. */
struct xf_xen_domain {
    bool hvm; /* HVM or PVH; else PV */
    bool shutdown;
    bool dying; /* xl destroy, or the toolstack after its end */
    unsigned shutdown_reason;
    uint64_t tot_pages; /* that it has */
};
int xf_xen_domain(xc_interface *xch, uint32_t domid, struct xf_xen_domain *out);

#endif
