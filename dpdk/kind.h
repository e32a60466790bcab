/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of port. Each is one file and one row of the table in spec.c:
 *
 *                  driven by           MTU                      copies
 *     pci.c        DPDK's own driver   the port's, up to 9000   none: DMA
 *     af_packet.c  net_af_packet       the kernel interface's   one each way: driver
 *     af_xdp.c     net_af_xdp          what a 4 KiB page holds  none or one: kernel
 *     memif.c      net_memif           the peers' bsize         one each way: driver
 *     vdev.c       any other of DPDK's virtual devices
 *
 * parse, vdev, mtu and room must be set. The functions read and compute: they call nothing of DPDK,
 * so that each kind can be tested on any host, and the preflight knows it without DPDK. Threads:
 * any.
 */
#ifndef XF_DPDK_KIND_H
#define XF_DPDK_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "found.h"
#include "frame.h"
#include "host.h"

/* Larger frames are not used even where an interface has them. */
#define XF_SPEC_MTU_MAX 9000u

#define XF_SPEC_IF_BYTES     16 /* IFNAMSIZ */
#define XF_SPEC_DEVICE_BYTES 64
#define XF_SPEC_VDEV_BYTES   512

struct xf_port_kind;

/* What the user's name for a port means. */
struct xf_port_spec {
    const struct xf_port_kind *kind;
    char kernel_if[XF_SPEC_IF_BYTES];  /* the kernel's interface under it, or "" */
    char device[XF_SPEC_DEVICE_BYTES]; /* DPDK's name of the device */
    char vdev[XF_SPEC_VDEV_BYTES];     /* the user's own vdev string, or "" */
    uint32_t buffer_bytes;             /* its largest frame, where its name says so; 0 */
    uint32_t ring;                     /* packets in its ring, where its name says so; 0 */
    bool listens;                      /* of two ends that pair up, the one that waits */
    bool shares_memory; /* of DPDK with its peer: that has to be as few files as can be */
    bool tx_waits;      /* transmit may, without a limit, and for ever if a frame is too long */
};

/* What is known of a device before it is configured. */
struct xf_port_device {
    uint32_t max_mtu; /* DPDK: what it can have */
    uint32_t mtu;     /* DPDK: what it has */
    uint32_t if_mtu;  /* of spec->kernel_if, or 0 */
};

struct xf_port_kind {
    /* ---- its name ---- */
    const char *prefix; /* only names that begin so can be of this kind; NULL: any */
    /* The user's whole name for it: 0, -EINVAL, or -ENOENT: of another kind. Sets all of *spec that
       is not 0, but for kind. */
    int (*parse)(struct xf_port_spec *spec, const char *port);

    /* ---- can it be a port? By sysfs, without starting DPDK ---- */
    /* 0 or -errno, *found says more; NULL: only DPDK can tell. */
    int (*probe)(const char *sysfs, const struct xf_port_spec *spec,
                 const struct xf_dpdk_host *host, unsigned queues, struct xf_found *found);
    /* The last look before DPDK starts, in this process's network namespace; NULL: none. */
    int (*probe_start)(const struct xf_port_spec *spec, uint32_t if_mtu, unsigned queues,
                       struct xf_found *found);
    unsigned mtu_at_most; /* the largest MTU of a kernel interface that can be one; 0: any */

    /* ---- DPDK's arguments ---- */
    bool dma; /* a device with a driver that knows its IOVAs */
    /* The --vdev argument for so many queues, "" if it is a PCI device. -ENAMETOOLONG. */
    int (*vdev)(const struct xf_port_spec *spec, unsigned queues, uint32_t if_mtu,
                char out[XF_SPEC_VDEV_BYTES]);
    /* Why DPDK has no such port although it started, and what to do; NULL: its first error says. */
    void (*missing)(const char *port, const struct xf_dpdk_host *host, bool no_huge, char *err,
                    size_t size);

    /* ---- the device ---- */
    bool sets_mtu; /* the port is told its MTU; else it takes what comes */
    uint16_t ring; /* packets in each ring that are asked for; 0: 1024 */
    /* The largest MTU that the port can have; 0: none. */
    uint32_t (*mtu)(const struct xf_port_spec *spec, const struct xf_port_device *device);
    /* Bytes that a packet needs in a buffer at the MTU in use, of the largest that it can have. */
    uint32_t (*room)(const struct xf_port_spec *spec, uint32_t mtu, uint32_t largest);
    /* Packets that its receive ring holds, of `asked`, once it has filled it with `filled` buffers
       of the pool; NULL: as asked. */
    uint32_t (*rx_ring)(const struct xf_port_spec *spec, uint32_t if_mtu, uint32_t asked,
                        uint32_t filled);
    /* 0, -ENETDOWN or another -errno; NULL: as DPDK says. */
    int (*link_state)(const struct xf_port_spec *spec);

    /* ---- its life ---- */
    bool pairs; /* the other end is a process: one end listens, the other calls it and tries again;
                   and who has left does not come back */
    bool close_on_interrupt_thread; /* which takes it down, too, when its peer leaves */
    bool goes_with_memory;          /* the kernel closes it with the memory of its rings */
};

/* A room() for devices that hand buffers to their DMA, in steps of 1 KiB: the frame, its tags and
   CRC. */
static inline uint32_t xf_port_dma_room(uint32_t mtu)
{
    return (mtu + XF_ETHER_BYTES + 12 + 1023) / 1024 * 1024;
}

extern const struct xf_port_kind xf_port_pci, xf_port_af_packet, xf_port_af_xdp, xf_port_memif,
    xf_port_vdev;

#endif
