/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of `xl-fast migrate`. Its strings point into argv. Threads: none. */
#ifndef XF_MIGRATE_MIGRATE_OPTIONS_H
#define XF_MIGRATE_MIGRATE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "xl-plugin/cli/options.h"

enum xf_migrate_screen { XF_SCREEN_LIVE, XF_SCREEN_QUIET, XF_SCREEN_ALL };

#define XF_MIGRATE_NOT_GIVEN UINT32_MAX

/* When the guest's devices are attached at the target: AUTO: early where that can be. */
enum xf_hand_over { XF_HAND_OVER_AUTO, XF_HAND_OVER_EARLY, XF_HAND_OVER_LATE };

struct xf_migrate_options {
    const char *domain, *host;
    unsigned or_plain;                               /* --fast=auto */
    uint64_t max_downtime_us, bandwidth_bytes_per_s; /* 0: not given */
    uint64_t deadline_s;                             /* likewise */
    uint64_t measure_s;                              /* likewise */
    unsigned lanes;                                  /* 0: not given */
    unsigned on_busy, compress;                      /* XF_MIGRATE_NOT_GIVEN, or as their words */
    unsigned hand_over;                              /* enum xf_hand_over */
    bool with_disks, throttle, verify, json, dry_run, quiet, verbose;
    const char *report;            /* NULL: none */
    enum xf_migrate_screen screen; /* by the last two, and by what xl is told */

    /* xl's own: those before its word migrate, and those after it. */
    struct xf_option_texts before;
    bool pause, no_watch, keep_domid, foreground, debug, live;
    const char *config; /* of -C; NULL: none */
    const char *ssh;    /* of -s; else "ssh" */
    bool own_ssh;
};

/* The command's options: they fill a struct xf_migrate_options. */
extern const struct xf_option xf_migrate_option_rows[];

/* XF_GO_ON, or the exit status: help of c was printed, or what is wrong. */
int xf_migrate_options_parse(const struct xf_command *c, struct xf_migrate_options *o, int argc,
                             char **argv);

/* What holds where nothing is said; and, of what was said, what follows from it. */
void xf_migrate_options_init(struct xf_migrate_options *o);
void xf_migrate_options_settle(struct xf_migrate_options *o);

/* For the plug-in and the preflight, in the environment (xl-plugin/cli/environment.h). */
void xf_migrate_options_export(const struct xf_migrate_options *o);

#endif
