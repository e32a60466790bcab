/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memif: the vdev of one of two processes, its start and its opening as a link. */
#include "memif.h"

#include <stdio.h>

/*
 * 256 slots of a jumbo frame. The client, which is the source, encrypts into memory that the server
 * maps, so a packet is copied once and not twice. On the machine that this was tried on, 1 GiB of
 * random pages went at 21.1 Gbit/s by copies both ways with 512 slots, and so with 128, 256 and 512
 * slots at 26.5, 28.0 and 26.2.
 */
#define MEMIF_ARGS   "socket-abstract=no,bsize=9216,rsize=8"
#define MEMIF_CLIENT ",zero-copy=yes"

static void init(struct xf_memif *m, bool server, const char *socket, unsigned number,
                 unsigned queues, const char *client)
{
    *m = (struct xf_memif){
        .server = server,
        .ipv4 = 0xc0000201 /* 192.0.2.1: RFC 5737 */ + (server ? 1 + number : 0),
        .queues = queues,
    };
    /* The MAC addresses are named because DPDK's random ones come out the same in both forks. */
    snprintf(m->vdev, sizeof(m->vdev),
             "net_memif%u,role=%s,mac=02:00:00:00:%02x:0%d,socket=%s,%s%s", number,
             server ? "server" : "client", number, server ? 2 : 1, socket, MEMIF_ARGS,
             server ? "" : client);
}

void xf_memif_init(struct xf_memif *m, bool server, const char *socket, unsigned queues)
{
    init(m, server, socket, 0, queues, MEMIF_CLIENT);
}

/* The first client that shares DPDK's memory closes the descriptor of it when it is connected, and
   the second one's server then gets another file's (DPDK 22.11). */
void xf_memif_init_one(struct xf_memif *m, bool server, const char *socket, unsigned number,
                       unsigned queues)
{
    init(m, server, socket, number, queues, "");
}

static const char *spec(const struct xf_memif *m)
{
    return m->port ? m->port : m->vdev;
}

int xf_memif_start(const struct xf_memif *m, unsigned n, char err[XF_DPDK_ERR_BYTES])
{
    const char *ports[XF_MEMIFS_MAX];

    for (unsigned i = 0; i < n; i++)
        ports[i] = spec(&m[i]);
    return n == 1 ? xf_dpdk_start(ports[0], m->queues, err)
                  : xf_dpdk_start_vdevs(ports, n, m->queues, err);
}

int xf_memif_open(const struct xf_memif *m, struct xf_link **out, char err[XF_DPDK_ERR_BYTES])
{
    const struct xf_port_config config = {
        .port = spec(m),
        .ipv4 = m->ipv4,
        .queues = m->queues,
        .mtu = m->mtu,
    };

    return xf_port_open(out, &config, err);
}
