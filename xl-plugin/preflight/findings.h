/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the checks of xl-fast-preflight know, and how each says what it has found: it prints facts
 * (key=value lines) and returns xf_refuse(), xf_note() or xf_pass(); a command that fixes it is
 * said before that. One thread.
 */
#ifndef XF_PREFLIGHT_FINDINGS_H
#define XF_PREFLIGHT_FINDINGS_H

#include <stdbool.h>

#include <libxl.h>

#include "dpdk/found.h"
#include "dpdk/host.h"
#include "xl-plugin/plugin/config.h"

struct xf_preflight {
    const char *sysfs;  /* "/sys", or a test's own */
    char lib[512];      /* the folder that this program is in, as our other files are */
    const char *domain; /* at the source */
    unsigned measure_s;
    struct {
        const char *protocol, *xen, *need_kib, *address;
    } peer;         /* at the target: what is known of the source */
    char *question; /* and what else it says (preflight_question.h); NULL: nothing */

    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx; /* NULL before xf_check_xen() */
    bool configured;
    struct xf_config config;
    struct xf_dpdk_host host;

    /* What the check that runs has said. */
    char text[600], fix[XF_FOUND_FIX_BYTES];
    bool fix_is_safe; /* `xl-fast doctor --fix` may run it */
};

/* Forgets what the check before has said. */
void xf_findings_begin(struct xf_preflight *p);

/* One line; returns -1, 1 or 0, for the check to return. */
__attribute__((format(printf, 2, 3))) int xf_refuse(struct xf_preflight *p, const char *format,
                                                    ...);
__attribute__((format(printf, 2, 3))) int xf_note(struct xf_preflight *p, const char *format, ...);
__attribute__((format(printf, 2, 3))) int xf_pass(struct xf_preflight *p, const char *format, ...);
__attribute__((format(printf, 3, 4))) void xf_fix(struct xf_preflight *p, bool safe,
                                                  const char *format, ...);

#endif
