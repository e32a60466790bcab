/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The group's own state, and what its files share: group.c (life and the link) above group_check.c
 * (who is dropped when) above group_receive.c (what targets say, and what the source is told of
 * it). No others.
 *
 * Threads: a lane's state is under its lock, as a packet may come on another's queue; what it sends
 * is its own thread's.
 */
#ifndef XF_TRANSPORT_GROUP_STATE_H
#define XF_TRANSPORT_GROUP_STATE_H

#include <pthread.h>

#include "gather.h"
#include "group_config.h"
#include "seal.h"
#include "transport/base/count.h"
#include "window.h"
#include "worst_loss.h"

#define XF_GROUP_WHY_BYTES  192
#define XF_GROUP_NAME_BYTES 64 /* longer ones are cut */
/* More than a source holds at once. */
#define XF_GROUP_BUFS (2 * XF_BURST_MAX)

/* What one target has said of one lane. */
struct xf_group_told {
    struct xf_told told; /* the newest */
    uint64_t sequence;   /* of it */
    struct xf_window window;
    uint32_t packets; /* in this second: */
    uint64_t second_us;
    uint64_t still_at, still_us; /* group_check.c's: since when it has looked no further */
};

struct xf_group_lane {
    pthread_mutex_t lock;
    struct xf_group_told *of; /* each target's */
    bool due;                 /* something has been said since the source was told: */
    uint16_t late;            /* how late the latest of it was, at the most */
    bool held;                /* the source has `out` */
    struct xf_worst_loss worst_loss;
    uint64_t sequence; /* of what it is told */
    uint64_t told_us;
    _Alignas(64) uint8_t plain[XF_PAYLOAD_MAX]; /* a packet that is being opened */
    _Alignas(64) uint8_t out[XF_PAYLOAD_MAX];   /* what the source is told */

    /* The lane's thread's. With several paths, the source seals into these. */
    uint8_t *room; /* XF_GROUP_BUFS packets */
    uint8_t *free[XF_GROUP_BUFS];
    unsigned free_n;
    struct xf_group_pending { /* each path's: copies that it has not taken yet */
        struct xf_buf bufs[XF_BURST_MAX];
        unsigned at, n;
    } * pending;
    bool more;     /* as of the last look */
    xf_count next; /* sequences below were sent */
};

struct xf_group_one {
    struct xf_seal *seal; /* opens what it sends */
    char name[XF_GROUP_NAME_BYTES];
    struct xf_link *path;
    xf_count heard_us;
    _Atomic uint32_t round;              /* the newest that it has told on any lane */
    _Atomic bool heard, ready, complete; /* it has heard the source; ... */
    char why[XF_GROUP_WHY_BYTES];        /* written once, before its bit of `alive` goes */
    int code;

    /* Control's, until the group is connected; then they stay. */
    bool answered; /* by a long packet */
    uint64_t short_us;
    uint32_t credit;
    struct xf_link_addr at;

    /* group_check.c's. */
    uint64_t rate_done, rate_us; /* packets that it had when this stretch began */
    uint64_t even_us;            /* when no other was in a later round */
    bool held_up;                /* others waited for it all the time since rate_us */
    uint64_t down_us;            /* its path has had no link since; 0: it has one */
};

struct xf_group {
    struct xf_link link; /* first */
    struct xf_group_config config;
    struct xf_link **paths; /* those of the config, and the copies */
    unsigned out_n;         /* of them */
    unsigned count;         /* of targets */
    bool by_address;        /* each target is sent to at its own; else at the group's */
    uint32_t tag;
    struct xf_seal *seal; /* seals what the source is told */
    struct xf_group_one *ones;
    struct xf_group_lane *lanes; /* link.queues of them */
    pthread_mutex_t drops;
    _Atomic uint64_t alive;   /* a bit each */
    _Atomic uint64_t by_copy; /* likewise */
    _Atomic bool failed;
    _Atomic bool renewed; /* one was dropped, and the source has not been told */
    char failure[XF_GROUP_WHY_BYTES];
    _Atomic bool connected; /* all that are left have answered */
    _Atomic bool heard;     /* and one has heard the source */
    uint64_t began_us, connected_us, checked_us;
    _Atomic uint64_t stand_us; /* 0: the guest runs */
    uint64_t first_us;         /* that one had all of it; 0: none yet */
};

static inline bool xf_group_is_alive(const struct xf_group *g, unsigned target)
{
    return atomic_load_explicit(&g->alive, memory_order_acquire) >> target & 1;
}

/* The link by which a target gets copies of what goes to the group's address; NULL: there are none.
 */
static inline struct xf_link *xf_group_copy(const struct xf_group *g, unsigned target)
{
    return g->by_address || g->out_n == 1 ? NULL : g->paths[1 + target];
}

static inline uint64_t xf_group_now(const struct xf_group *g)
{
    return g->config.now_us(g->config.now_arg);
}

#endif
