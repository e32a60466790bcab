/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "portcheck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dpdk/spec.h"

#define ERR_BYTES 256

int xf_portcheck(const char *sysfs, const char *port, const struct xf_dpdk_host *host,
                 unsigned queues, struct xf_probe_port *found, char *err)
{
    struct xf_port_spec spec;
    int rc = 0;

    memset(found, 0, sizeof(*found));
    if (xf_spec_parse(&spec, port)) {
        snprintf(err, ERR_BYTES, "port '%.100s' is no name of a DPDK port", port);
        return -EINVAL;
    }
    if (spec.kind == XF_PORT_AF_XDP)
        rc = xf_probe_af_xdp(sysfs, spec.kernel_if, queues, found);
    else if (spec.kernel_if[0])
        rc = xf_probe_interface(sysfs, spec.kernel_if, found);
    else if (spec.kind == XF_PORT_PCI)
        rc = xf_probe_pci(sysfs, spec.device, host, queues, found);
    else
        return 0;
    if (rc)
        snprintf(err, ERR_BYTES, "port %.40s: %s", found->name, found->why);
    return rc;
}
