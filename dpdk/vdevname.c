/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vdev string: what is in a name that DPDK takes as it is. */
#include "vdevname.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int xf_vdevname_parse(struct xf_port_spec *spec, const char *port)
{
    size_t name = strcspn(port, ",");

    if (name >= sizeof(spec->device) || strlen(port) >= sizeof(spec->vdev))
        return -EINVAL;
    memcpy(spec->device, port, name);
    strcpy(spec->vdev, port);
    return 0;
}

uint32_t xf_vdevname_number(const char *vdev, const char *key, uint32_t otherwise)
{
    size_t len = strlen(key);

    for (const char *p = strchr(vdev, ','); p; p = strchr(p + 1, ','))
        if (!strncmp(p + 1, key, len) && p[1 + len] == '=')
            return (uint32_t)strtoul(p + 2 + len, NULL, 10);
    return otherwise;
}

int xf_vdevname_vdev(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                     char out[XF_SPEC_VDEV_BYTES])
{
    (void)queues;
    (void)if_mtu;
    strcpy(out, spec->vdev);
    return 0;
}
