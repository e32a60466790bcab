/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spec: from the user's name for a port to its kind and DPDK's name for it. */
#include "spec.h"

#include <errno.h>
#include <string.h>

/* The first that takes a name has it. */
static const struct xf_port_kind *const kinds[] = {
    &xf_port_memif, &xf_port_vdev, &xf_port_af_xdp, &xf_port_pci, &xf_port_af_packet,
};

int xf_spec_parse(struct xf_port_spec *spec, const char *port)
{
    for (unsigned i = 0; port && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct xf_port_kind *kind = kinds[i];

        if (kind->prefix && strncmp(port, kind->prefix, strlen(kind->prefix)))
            continue;
        memset(spec, 0, sizeof(*spec));
        spec->kind = kind;
        int rc = kind->parse(spec, port);

        if (rc != -ENOENT)
            return rc;
    }
    memset(spec, 0, sizeof(*spec));
    return -EINVAL;
}
