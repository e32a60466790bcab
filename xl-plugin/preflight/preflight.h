/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The checks of xl-fast-preflight, and what they have in common. Each looks at one thing, prints
 * facts (key=value lines) and returns xf_refuse(), xf_note() or xf_pass(); a command that mends it
 * is said before that. preflight.c has their table. One thread.
 */
#ifndef XF_PREFLIGHT_PREFLIGHT_H
#define XF_PREFLIGHT_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <libxl.h>

#include "dpdk/found.h"
#include "dpdk/host.h"
#include "xl-plugin/doctor/peers.h"
#include "xl-plugin/plugin/config.h"

struct preflight {
    const char *sysfs;  /* "/sys", or a test's own */
    char lib[512];      /* the folder that this program is in, as our other files are */
    const char *domain; /* at the source */
    struct {
        const char *protocol, *xen, *need_kib, *address;
    } peer;         /* at the target: what is known of the source */
    char *question; /* and what else it says (preflight_question.h); NULL: nothing */

    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx; /* NULL before check_xen() */
    bool configured;
    struct xf_config config;
    struct xf_dpdk_host host;

    /* What the check that runs has said. */
    char text[600], mend[XF_FOUND_MEND_BYTES];
    bool mend_is_safe; /* `xl-fast doctor --fix` may run it */
};

/* One line; returns -1, 1 or 0, for the check to return. */
__attribute__((format(printf, 2, 3))) int xf_refuse(struct preflight *p, const char *format, ...);
__attribute__((format(printf, 2, 3))) int xf_note(struct preflight *p, const char *format, ...);
__attribute__((format(printf, 2, 3))) int xf_pass(struct preflight *p, const char *format, ...);
__attribute__((format(printf, 3, 4))) void xf_mend(struct preflight *p, bool safe,
                                                   const char *format, ...);

typedef int xf_check(struct preflight *p);

/* preflight_here.c: what needs no Xen. The later ones need check_config() to have passed. */
xf_check xf_check_installation, xf_check_path, xf_check_config, xf_check_port, xf_check_lock,
    xf_check_turn;

/* room.c */
xf_check xf_check_room;

/* preflight_xen.c: all need xf_check_xen() to have passed. */
xf_check xf_check_xen, xf_check_domain, xf_check_memory, xf_check_peer, xf_check_cpu, xf_check_xl;
void xf_close_xen(struct preflight *p);

/* preflight_guest.c: of the question, which check_config() need not have passed for. */
xf_check xf_check_guest;

/* preflight_asks.c: prints what the guest needs at a target; or refuses, where it cannot move at
   all. */
int xf_preflight_asks(struct preflight *p, const libxl_dominfo *info,
                      const libxl_domain_config *config);

/* preflight_guests.c */
xf_check xf_check_guests;
/* What the guest needs at a target, with what Xen itself needs for it. 0 or an error of libxl's.
   The configuration is init'ed, and the caller's to dispose of. */
int xf_preflight_need(libxl_ctx *ctx, uint32_t domid, libxl_domain_config *config,
                      uint64_t *need_kib);

#endif
