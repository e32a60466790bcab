/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the caller of a PV guest's save (tunnel_save.h) hands over; all its parts see it. */
#ifndef XF_PLUGIN_TUNNEL_SAVE_ARGS_H
#define XF_PLUGIN_TUNNEL_SAVE_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "xl-plugin/plugin/ended.h"
#include "tunnel.h"
#include "xl-plugin/plugin/unsteady.h"

/* The stock xc_domain_save() with all but these arguments bound. verify: with its verify pass,
   which sends VERIFY and all pages once more. */
typedef int xf_stock_save(void *arg, int io_fd, bool verify, struct save_callbacks *callbacks);

struct xf_tunnel_save {
    int io_fd;
    uint32_t domid;
    uint32_t xen_major, xen_minor;
    struct save_callbacks *callbacks;
    bool verify;          /* asked for; the configuration may do so too */
    xf_stock_save *stock; /* called once, in the caller's thread, if all else is ready */
    /* As xf_unsteady_pv(), in the caller's thread. */
    int (*unsteady)(void *arg, uint64_t pages[XF_UNSTEADY_MAX]);
    /* As throttle() of transport/guest.h, in the caller's thread. */
    int (*throttle)(void *arg, unsigned percent);
    /* As xf_ended(), in any thread; may be NULL. */
    bool (*ended)(void *arg, char text[XF_ENDED_BYTES]);
    /* May be NULL. In the caller's thread, before and after each read of the dirty log: does nobody
       else read it? As xf_reader_check_pv(). */
    int (*alone)(void *arg, char why[256]);
    void *arg;
    const struct xf_tunnel_port *port;
};

#endif
