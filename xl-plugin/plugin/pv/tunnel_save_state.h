/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the three parts of a PV guest's save share: tunnel_save.c (the order of events, and the
 * engine) on top of tunnel_save_pump.c (what the stock function writes) and tunnel_save_rounds.c
 * (what it asks). Each field says whose thread may touch it; the drawing is in tunnel_save.c.
 */
#ifndef XF_PLUGIN_TUNNEL_SAVE_STATE_H
#define XF_PLUGIN_TUNNEL_SAVE_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "transport/offer.h"
#include "transport/brake.h"
#include "transport/plan_batches.h"
#include "transport/plan_live.h"
#include "xl-plugin/plugin/report.h"
#include "tunnel_save_args.h"
#include "tunnel_source.h"
#include "xl-plugin/plugin/unsteady.h"

#define XF_TUNNEL_LOOK_MS 50 /* how often a wait looks whether it is still wanted */

struct xf_pv_save {
    const struct xf_tunnel_save *p;
    int real;            /* what io_fd was */
    struct stat io_stat; /* what io_fd's number stands for: it, then the pair */
    int pair[2];         /* [0] ours, [1] becomes io_fd's number; -1 when it has */
    int mark_fd;         /* caller -> pump: say when you have read all that is written so far */
    struct xf_tunnel_source *tunnel;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    int shut_fd;           /* pair[0], once there is a pair */
    char error[256];       /* the first reason */
    int failed;            /* its -errno */
    bool ended;            /* the guest, so that it does not stay here */
    bool over, ok;         /* the engine may report and go */
    struct xf_steer steer; /* set by the user, and not taken yet */
    bool stopping;         /* no more rounds: too late for that */
    uint64_t give_up_us;   /* while rounds go on; 0: never */

    /* Engine's. */
    struct xf_report report;
    struct xf_config config; /* the caller's too, after wait_started() */
    struct xf_link *link;
    struct xf_offer offer;
    uint8_t headers[XF_HEADERS_BYTES]; /* the pump's too */
    struct xf_stats stats;             /* the pump's too, after wait_done() */
    bool verify;                       /* everybody's, after wait_started() */

    /* The pump's, once the guest is suspended. */
    uint64_t unsteady[XF_UNSTEADY_MAX];
    int unsteady_n;
    bool comparing;    /* pages come a second time */
    uint64_t verified; /* of them, those that must not differ */

    /* The caller's. */
    unsigned marks;
    struct xf_plan_live plan; /* of the guest's rounds; the session's own are batches */
    struct {
        uint64_t began_us;
        struct xf_tunnel_counts before;
        long dirty;        /* pages that it is to send */
        uint64_t all;      /* that the first sends: the guest's */
        uint64_t sent, us; /* pages that it has sent, and how long that took */
    } round;
    struct xf_speed speed;
    struct xf_brake brake; /* its figures are the engine's too, once it is over */
    unsigned rounds;       /* of which something was said */
    _Atomic uint64_t suspend_us, suspended_us, predicted_us;
};

/* The first reason counts; whatever waits for the tunnel stops. Any thread; returns rc. */
__attribute__((format(printf, 3, 4))) int xf_tunnel_save_fail(struct xf_pv_save *s, int rc,
                                                              const char *format, ...);
/* The helper's handler of SIGTERM has put something else in the place of io_fd. */
bool xf_tunnel_save_cancelled(const struct xf_pv_save *s);
int xf_tunnel_save_stock_failed(struct xf_pv_save *s);

/* To io_fd as it was, by one thread at a time: the engine until the session has started, then the
   pump. Writes as xf_stream_write(), but stops when the tunnel has failed. */
int xf_tunnel_save_write(struct xf_pv_save *s, const void *buf, size_t len);
int xf_tunnel_save_write_record(struct xf_pv_save *s, uint32_t type, const void *body,
                                uint32_t length);

#endif
