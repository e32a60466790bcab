/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two parts of a PV guest's restore share: tunnel_restore.c (the order of events, and the
 * engine) on top of tunnel_restore_pump.c (what the source wrote becomes what the stock function
 * reads). Each field says whose thread may touch it; the drawing is in tunnel_restore.c.
 */
#ifndef XF_PLUGIN_TUNNEL_RESTORE_STATE_H
#define XF_PLUGIN_TUNNEL_RESTORE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "transport/offer.h"
#include "transport/target.h"
#include "xl-plugin/plugin/report.h"
#include "tunnel_restore_args.h"
#include "tunnel_sink.h"
#include "xl-plugin/plugin/verify.h"

struct xf_pv_restore {
    const struct xf_tunnel_restore *p;
    int pair[2]; /* [0] ours, [1] the stock function's */
    uint8_t headers[XF_HEADERS_BYTES];
    struct xf_offer offer;
    struct xf_tunnel_sink *tunnel; /* set under lock */
    uint64_t pages;                /* the pump's: handed to the stock function */
    atomic_bool asking;            /* the pump waits for the source's next record */
    atomic_bool ended;             /* that was END: the source needs no session any more */

    /* The pump's, but for verify. */
    enum { NOT_COMPARED, COMPARING, COMPARED } compare;
    struct xf_verify verify;
    uint64_t verified;  /* pages that were compared and must not differ */
    uint64_t trial_pfn; /* one of them, and its content; UINT64_MAX: none yet */
    uint8_t trial[XF_PAGE_BYTES];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    int failed;      /* -errno of the first reason */
    char error[256]; /* the first reason */
    enum { OFFER_COMING, OFFER_HERE, OFFER_FAILED } got;
    enum { PORT_COMING, PORT_UP, PORT_FAILED } port; /* and the session made */
    enum { GOING_ON, OVER_WELL, OVER_BADLY } over;   /* the engine may report and go */

    /* Engine's. */
    struct xf_report report;
    struct xf_link *link;
    struct xf_target *target;
    struct xf_stats stats;
};

/* The first reason counts; whatever waits stops. Any thread; returns rc. */
__attribute__((format(printf, 3, 4))) int xf_tunnel_restore_fail(struct xf_pv_restore *r, int rc,
                                                                 const char *format, ...);
/* Reading or writing a stream ended with rc. */
int xf_tunnel_restore_stream_failed(struct xf_pv_restore *r, int rc);

#endif
