/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Link: what carries sealed packets. A link has N queues, each with a sending and a receiving side;
 * it may lose, reorder, duplicate and damage packets, and is never trusted. Called once per burst.
 * The real one is a DPDK port (dpdk/port.h); simlink.h simulates one on a virtual clock;
 * faultlink.h injects faults between the transport and any link.
 *
 * Threads: a queue belongs to one thread at a time, as that of a lane (transport/crew.h); different
 * queues may be used side by side, and stats() and health() beside them by one thread. set_peer(),
 * join(), leave() and close() while no other uses the link. Buffers may be freed by any thread.
 * The link adds and removes its own framing (Ethernet/IPv4/UDP): a buffer here is a UDP payload.
 */
#ifndef XF_TRANSPORT_LINK_H
#define XF_TRANSPORT_LINK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The most buffers in one call. */
#define XF_BURST_MAX 64u

/* A line that a link says about itself, with its zero. */
#define XF_LINK_SAID_BYTES 256u

/* A packet on its way in or out. `data` is writable only between tx_alloc and tx_burst. */
struct xf_buf {
    uint8_t *data; /* first byte of the UDP payload */
    uint32_t len;  /* tx: set by the caller before tx_burst; rx: set by the link; bytes */
    uint32_t cap;  /* tx: room at data, >= the link's payload_bytes; bytes */
    void *cookie;  /* the link's own */
};

/* Where a peer is, or a group of receivers: opaque to the transport; carried in OFFER and in the
   target's ANSWER. */
struct xf_link_addr {
    uint8_t mac[6];
    uint16_t udp_port; /* host order */
    uint32_t ipv4;     /* host order */
};

/* Of so many queues, the first ones, packets are counted each by itself. */
#define XF_LINK_STATS_QUEUES 16u

struct xf_link_stats {
    uint64_t tx_packets, tx_bytes; /* bytes of UDP payload handed to the port */
    uint64_t rx_packets, rx_bytes;
    uint64_t tx_unsent;      /* packets that the port did not take at the first try */
    uint64_t rx_not_ours;    /* frames that are not UDP to our address */
    uint64_t rx_bad_frame;   /* frames cut short, or with a wrong checksum */
    uint64_t rx_port_missed; /* the port's own count of frames that it dropped */
    struct {
        uint64_t tx_packets, rx_packets;
    } queues[XF_LINK_STATS_QUEUES]; /* a DPDK port's; else 0 */
};

struct xf_link;

struct xf_link_ops {
    /*
     * Fills bufs[0..n) with empty buffers to write to; returns how many it could (0..n). A buffer
     * is given back by tx_burst or tx_free.
     */
    unsigned (*tx_alloc)(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n);
    /* Sends bufs[0..n) to the peer; returns how many the link took (in order, 0..n). The rest stay
       the caller's, untouched, to be offered again or freed. */
    unsigned (*tx_burst)(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n);
    void (*tx_free)(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n);

    /* Takes up to n received packets; returns how many. Their bytes are the peer's: hostile. */
    unsigned (*rx_burst)(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n);
    /* After rx_burst: whether the queue may hold more, ours or not, so that it is looked at again
       soon: others' packets fill it as well. NULL: if and only if all n were received. */
    bool (*rx_more)(const struct xf_link *link, unsigned queue);
    void (*rx_free)(struct xf_link *link, unsigned queue, struct xf_buf *bufs, unsigned n);

    /* Names the peer. Until then a link that needs addresses sends nothing (tx_burst takes and
     * drops). */
    void (*set_peer)(struct xf_link *link, const struct xf_link_addr *peer);
    /*
     * Joins a group: packets that anybody sends to its address arrive, too, until leave() or
     * close(). The network is told at once, and again now and then by rx_burst() of queue 0. One
     * group at a time. 0, or -errno: -EOPNOTSUPP of a link that can receive from no group, -EBUSY
     * of one that is a member. `said`: how it receives, or why not, in a line without the link's
     * name. NULL: it cannot; see xf_link_join().
     */
    int (*join)(struct xf_link *link, const struct xf_link_addr *group,
                char said[XF_LINK_SAID_BYTES]);
    /* The network sends no more of the group's packets here. Without a group: nothing. NULL as
       join. */
    void (*leave)(struct xf_link *link);
    void (*stats)(const struct xf_link *link, struct xf_link_stats *out);
    /* Whether, since the last call, the peer has become another one: a group without one of its
       targets. What that one has kept back or lost is no word of the others'. NULL: never. */
    bool (*renewed)(struct xf_link *link);
    /* Of what the peer lacks on a queue, the share that its worst path has lost, in 1/256: a
       group's targets lose each their own. NULL: 256. */
    unsigned (*worst_loss)(struct xf_link *link, unsigned queue);
    /* Returns 0 while the link works, -ENETDOWN while it has none but may get it again, or another
       -errno once it is broken. */
    int (*health)(struct xf_link *link);
    void (*close)(struct xf_link *link);
};

/* First member of every link's own structure. */
struct xf_link {
    const struct xf_link_ops *ops;
    unsigned queues;
    uint32_t payload_bytes; /* the largest UDP payload that the link sends and receives */
    uint32_t frame_bytes;   /* what the link adds to each payload, as its bandwidth counts */
    struct xf_link_addr self;
    uint32_t
        rx_ring; /* packets that a queue holds for a receiver that does not look; 0 = unknown */
};

/* After an rx_burst for n packets that returned `got`. */
static inline bool xf_link_rx_more(const struct xf_link *link, unsigned queue, unsigned got,
                                   unsigned n)
{
    return link->ops->rx_more ? link->ops->rx_more(link, queue) : got == n;
}

/* join() and leave() of any link. */
static inline int xf_link_join(struct xf_link *link, const struct xf_link_addr *group,
                               char said[XF_LINK_SAID_BYTES])
{
    if (link->ops->join)
        return link->ops->join(link, group, said);
    snprintf(said, XF_LINK_SAID_BYTES, "this kind of link has no groups");
    return -EOPNOTSUPP;
}

static inline void xf_link_leave(struct xf_link *link)
{
    if (link->ops->leave)
        link->ops->leave(link);
}

#endif
