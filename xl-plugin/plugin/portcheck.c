/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portcheck: parses the port's name, and checks it by sysfs (dpdk/probe.h). */
#include "portcheck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dpdk/spec.h"

#define ERR_BYTES 256

int xf_portcheck(const char *sysfs, const char *port, const struct xf_dpdk_host *host,
                 unsigned queues, struct xf_found *found, char *err)
{
    struct xf_port_spec spec;
    int rc;

    memset(found, 0, sizeof(*found));
    if (xf_spec_parse(&spec, port)) {
        snprintf(err, ERR_BYTES, "port '%.100s' is not the name of a DPDK port", port);
        return -EINVAL;
    }
    if (!spec.kind->probe)
        return 0;
    rc = spec.kind->probe(sysfs, &spec, host, queues, found);
    if (rc)
        snprintf(err, ERR_BYTES, "port %.40s: %s", found->name, found->why);
    return rc;
}

struct xf_lanes xf_portcheck_lanes(const char *sysfs, const char *port,
                                   const struct xf_dpdk_host *host, unsigned set)
{
    struct xf_found found;
    char err[ERR_BYTES];

    if (set)
        return (struct xf_lanes){set, "set"};
    (void)xf_portcheck(sysfs, port, host, 1, &found, err);
    return xf_lanes_of(sysfs, &found);
}
