/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnel save: the source end of `xl migrate --fast` of a PV guest. */
#ifndef XF_PLUGIN_TUNNEL_SAVE_H
#define XF_PLUGIN_TUNNEL_SAVE_H

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

/*
 * Moves the domain. 0: as xc_domain_save(): END is written, the guest suspended, and every page has
 * landed at the target. -errno: the reason is said; the domain may be suspended and is libxl's to
 * resume. io_fd is what it was, or what a signal handler has put in its place.
 */
int xf_tunnel_save_run(const struct xf_tunnel_save *params);

#endif
