/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spec: from the user's name for a port to DPDK's. */
#include "spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* net_memif's defaults (drivers/net/memif). */
#define MEMIF_BUFFER_BYTES  2048u
#define MEMIF_LOG2_RING     10u
#define MEMIF_LOG2_RING_MAX 14u

/*
 * net_af_packet finds frame i at i * framesz, so a block must be a whole number of frames, and the
 * kernel wants a block to be a whole number of pages: frames in steps of 1 KiB, four to a block.
 */
#define AF_PACKET_STEP       1024u
#define AF_PACKET_PER_BLOCK  4u
#define AF_PACKET_OVERHEAD   (14u + 4u + 66u) /* Ethernet, VLAN, TPACKET_V2's header as received */
#define AF_PACKET_RING_BYTES (5u << 20)

static bool parse_hex(const char **p, unsigned digits_min, unsigned digits_max, unsigned *value)
{
    unsigned n = 0;

    for (*value = 0; n < digits_max && isxdigit((unsigned char)**p); n++, (*p)++) {
        int c = tolower((unsigned char)**p);

        *value = *value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return n >= digits_min;
}

/* [domain:]bus:device.function */
static bool parse_pci(const char *port, char out[XF_SPEC_DEVICE_BYTES])
{
    unsigned domain = 0, bus, dev, fn;
    const char *p = port;

    if (strlen(port) > 8) {
        if (!parse_hex(&p, 4, 8, &domain) || *p++ != ':')
            return false;
    }
    if (!parse_hex(&p, 2, 2, &bus) || *p++ != ':' || !parse_hex(&p, 2, 2, &dev) || *p++ != '.' ||
        !parse_hex(&p, 1, 1, &fn) || *p)
        return false;
    if (dev > 31 || fn > 7)
        return false;
    snprintf(out, XF_SPEC_DEVICE_BYTES, "%.4x:%.2x:%.2x.%x", domain, bus, dev, fn);
    return true;
}

/* What the kernel allows in an interface's name, less what would confuse a vdev string. */
static bool parse_kernel_if(const char *name, char out[XF_SPEC_IF_BYTES])
{
    size_t len = strlen(name);

    if (len == 0 || len >= XF_SPEC_IF_BYTES || !strcmp(name, ".") || !strcmp(name, ".."))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)name[i]) || strchr("/:,=", name[i]))
            return false;
    memcpy(out, name, len + 1);
    return true;
}

/* The number after ",key=", or `otherwise`. */
static uint32_t vdev_number(const char *vdev, const char *key, uint32_t otherwise)
{
    size_t len = strlen(key);

    for (const char *p = strchr(vdev, ','); p; p = strchr(p + 1, ','))
        if (!strncmp(p + 1, key, len) && p[1 + len] == '=')
            return (uint32_t)strtoul(p + 2 + len, NULL, 10);
    return otherwise;
}

static int parse_vdev(struct xf_port_spec *spec, const char *port)
{
    size_t name = strcspn(port, ",");

    if (name >= sizeof(spec->device) || strlen(port) >= sizeof(spec->vdev))
        return -EINVAL;
    memcpy(spec->device, port, name);
    strcpy(spec->vdev, port);
    spec->kind = XF_PORT_VDEV;
    if (!strncmp(port, "net_memif", 9)) {
        uint32_t rsize = vdev_number(port, "rsize", MEMIF_LOG2_RING);

        if (rsize == 0 || rsize > MEMIF_LOG2_RING_MAX)
            return -EINVAL;
        spec->kind = XF_PORT_MEMIF;
        spec->memif_buffer_bytes = vdev_number(port, "bsize", MEMIF_BUFFER_BYTES);
        spec->memif_ring = 1u << rsize;
        spec->memif_server = strstr(port, "role=server") || strstr(port, "role=master");
    }
    return 0;
}

int xf_spec_parse(struct xf_port_spec *spec, const char *port)
{
    const char *name = port;

    memset(spec, 0, sizeof(*spec));
    if (!port)
        return -EINVAL;
    if (!strncmp(port, "net_", 4))
        return parse_vdev(spec, port);
    if (parse_pci(port, spec->device)) {
        spec->kind = XF_PORT_PCI;
        return 0;
    }
    spec->kind = XF_PORT_AF_PACKET;
    if (!strncmp(port, "af_packet:", 10)) {
        name = port + 10;
    } else if (!strncmp(port, "af_xdp:", 7)) {
        name = port + 7;
        spec->kind = XF_PORT_AF_XDP;
    }
    if (!parse_kernel_if(name, spec->kernel_if))
        return -EINVAL;
    snprintf(spec->device, sizeof(spec->device),
             spec->kind == XF_PORT_AF_XDP ? "net_af_xdp_%s" : "net_af_packet_%s", spec->kernel_if);
    return 0;
}

uint32_t xf_spec_af_packet_frame_bytes(uint32_t mtu)
{
    mtu = mtu < XF_SPEC_MTU_MAX ? mtu : XF_SPEC_MTU_MAX;
    return (mtu + AF_PACKET_OVERHEAD + AF_PACKET_STEP - 1) / AF_PACKET_STEP * AF_PACKET_STEP;
}

uint32_t xf_spec_af_packet_frames(uint32_t mtu)
{
    uint32_t n = AF_PACKET_RING_BYTES / xf_spec_af_packet_frame_bytes(mtu);

    return n / AF_PACKET_PER_BLOCK * AF_PACKET_PER_BLOCK;
}

int xf_spec_vdev(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                 char out[XF_SPEC_VDEV_BYTES])
{
    uint32_t frame = xf_spec_af_packet_frame_bytes(if_mtu);
    int n = 0;

    out[0] = 0;
    switch (spec->kind) {
    case XF_PORT_PCI:
        break;
    case XF_PORT_AF_PACKET:
        n = snprintf(out, XF_SPEC_VDEV_BYTES,
                     "%s,iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=%u", spec->device,
                     spec->kernel_if, queues, frame, frame * AF_PACKET_PER_BLOCK,
                     xf_spec_af_packet_frames(if_mtu));
        break;
    case XF_PORT_AF_XDP:
        n = snprintf(out, XF_SPEC_VDEV_BYTES, "%s,iface=%s,start_queue=0,queue_count=%u",
                     spec->device, spec->kernel_if, queues);
        break;
    case XF_PORT_MEMIF:
    case XF_PORT_VDEV:
        n = snprintf(out, XF_SPEC_VDEV_BYTES, "%s", spec->vdev);
        break;
    }
    return n < XF_SPEC_VDEV_BYTES ? 0 : -ENAMETOOLONG;
}
